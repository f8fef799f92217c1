// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seals: a promise to every user of a buffer that its contents stay.
 *
 * Whoever can write holds a count: each VMA that may be written, from
 * ->mapped() to ->close(), and each write() while it copies. A write seal is
 * added only when there is none, under the lock that protects the counts, and
 * the first count of each is taken under that lock after a look at the seals.
 * What a VMA with a count is copied or split into needs no look.
 */

#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

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

/* A reference that is held for a moment is not yet somebody's who writes. */
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

/**
 * shmbuf_seal() - add seals to a buffer
 * @buf: the buffer
 * @seals: SHMBUF_SEAL_* to add, which the caller has checked
 *
 * Whoever used the memory through a writable mapping that is gone may still be
 * at it, for instance a device. So nobody new may begin to write, then it is
 * seen whether nobody is left, and only then the seal is there for others to
 * see and to rely on.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EPERM when no seal can be added any more, -EBUSY when somebody
 *	can write, -ENODEV when the buffer is revoked.
 */
int shmbuf_seal(struct shmbuf *buf, u32 seals)
{
	u32 added;
	int err;

	guard(mutex)(&buf->mutex);
	if (buf->revoked)
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

/**
 * shmbuf_begin_write() - keep write seals away while a write() copies
 * @buf: the buffer
 *
 * Context: Any but interrupts.
 * Return: 0, to be followed by shmbuf_end_write(); -EPERM when the buffer is
 *	sealed against writing, -EAGAIN when that is about to be so.
 */
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

/**
 * shmbuf_end_write() - undo shmbuf_begin_write()
 * @buf: the buffer
 *
 * Context: Any but interrupts.
 */
void shmbuf_end_write(struct shmbuf *buf)
{
	guard(spinlock)(&buf->lock);
	buf->writers--;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_end_write);
