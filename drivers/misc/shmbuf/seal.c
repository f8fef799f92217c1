// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seals: a promise to every user of a buffer that its contents stay.
 *
 * Each writer holds a count: a VMA that may be written, from ->mapped() to
 * ->close(), and a write() while it copies. A write seal is added only while both
 * counts are 0, under the lock that protects them. A new VMA and a new write()
 * check the seals under that lock before they are counted. A copy or a part of a
 * counted VMA needs no check.
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

/* Faults and read() hold references for a moment, so check again after a while. */
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
 * through a writable mapping that is gone. So first new writers are refused, then
 * the memory is checked for users, and only then the seal is visible.
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
	/* A SYNC that discards what is cached must find it in memory. */
	if (added & SHMBUF_SEAL_WRITE)
		shmbuf_sync(buf, 0, buf->size, DMA_TO_DEVICE, true);
	end_sealing(buf, added);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_seal);

/* Keep write seals away while a write() copies. */
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
