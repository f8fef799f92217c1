// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seals: a guarantee to all users of a buffer that the contents do not change.
 *
 * Each writer holds a count: a writable VMA from ->mapped() to ->close(), and a write()
 * while it copies. A write seal is added only while both counts are 0, under
 * shmbuf->lock. A new VMA and a new write() check the seals under the same lock before
 * they are counted. Duplicates and parts of a counted VMA do not need a check.
 */

#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>

#include "shmbuf.h"

static int begin_sealing(struct shmbuf *buf, u32 added)
{
	guard(spinlock)(&buf->lock);
	if (buf->seals & SHMBUF_SEAL_SEAL)
		return -EPERM;
	if (!(added & SHMBUF_SEAL_WRITE))
		return 0;
	if (buf->writable_mappings || buf->writers)
		return -EBUSY;
	buf->sealing = true;
	return 0;
}

static void end_sealing(struct shmbuf *buf, u32 added)
{
	guard(spinlock)(&buf->lock);
	buf->sealing = false;
	WRITE_ONCE(buf->seals, buf->seals | added);
}

/* Faults and read() briefly hold references: retry, or sealing would fail spuriously. */
static bool in_use(struct shmbuf *buf)
{
	unsigned int us;

	if (!buf->ops->in_use)
		return false;
	for (us = 1000; buf->ops->in_use(buf, us == 1000); us *= 2) {
		if (us > 16000 || fatal_signal_pending(current))
			return true;
		fsleep(us);
	}
	return false;
}

/*
 * Add @seals, SHMBUF_SEAL_* that the caller has checked. A device may still write
 * through pins from a removed mapping. Refuse new writers first, then check the memory
 * for pins, and only then set the seal.
 */
int shmbuf_seal(struct shmbuf *buf, u32 seals)
{
	u32 added;
	int err;

	guard(rwsem_write)(&buf->inode.i_rwsem);
	if (shmbuf_revoked(buf))
		return -ENODEV;
	added = seals & ~buf->seals;
	if (!added)
		return 0;
	err = begin_sealing(buf, added);
	if (err)
		return err;
	if ((added & SHMBUF_SEAL_WRITE) && in_use(buf)) {
		added = 0;
		err = -EBUSY;
	}
	/* Write back the cache, or a later SYNC could discard cached data. */
	if (added & SHMBUF_SEAL_WRITE)
		shmbuf_sync(buf, 0, buf->size, DMA_TO_DEVICE, true);
	end_sealing(buf, added);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_seal);

/* Prevent write seals while a write() copies, or sealed contents would change. */
int shmbuf_begin_write(struct shmbuf *buf)
{
	guard(spinlock)(&buf->lock);
	if (buf->seals & SHMBUF_SEAL_WRITE)
		return -EPERM;
	if (buf->sealing)
		return -EAGAIN;
	buf->writers++;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_begin_write);

void shmbuf_end_write(struct shmbuf *buf)
{
	guard(spinlock)(&buf->lock);
	buf->writers--;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_end_write);
