// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seals: a promise to every user of a buffer that its contents stay.
 *
 * Whoever can write holds a count: each VMA that may be written, from
 * ->mapped() to ->close(), and each write() while it copies. A write seal is
 * added only when there is none, under the lock that protects the counts, and
 * every count is taken under that lock after a look at the seals.
 */

#include <kunit/visibility.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include "shmbuf.h"

static int add_seals(struct shmbuf *buf, u32 added)
{
	guard(spinlock)(&buf->lock);
	if (buf->seals & SHMBUF_SEAL_SEAL)
		return -EPERM;
	if ((added & SHMBUF_SEAL_WRITE) &&
	    (buf->writable_mappings || buf->writers))
		return -EBUSY;
	buf->seals |= added;
	return 0;
}

static void take_back_seals(struct shmbuf *buf, u32 added)
{
	guard(spinlock)(&buf->lock);
	buf->seals &= ~added;
}

/**
 * shmbuf_seal() - add seals to a buffer
 * @buf: the buffer
 * @seals: SHMBUF_SEAL_* to add, which the caller has checked
 *
 * A writable mapping that is gone may have left pins behind, through which a
 * device can write. No new ones can come once the seal is there, so the seal
 * comes first, and is taken back if there is a pin.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EPERM when no seal can be added any more, -EBUSY when somebody
 *	can write.
 */
int shmbuf_seal(struct shmbuf *buf, u32 seals)
{
	u32 added;
	int err;

	/* Else somebody could rely on a seal that is about to be taken back. */
	guard(mutex)(&buf->mutex);
	added = seals & ~buf->seals;
	if (!added)
		return 0;
	err = add_seals(buf, added);
	if (err)
		return err;
	if ((added & SHMBUF_SEAL_WRITE) && buf->ops->pinned &&
	    buf->ops->pinned(buf)) {
		take_back_seals(buf, added);
		return -EBUSY;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_seal);

/**
 * shmbuf_begin_write() - keep write seals away while a write() copies
 * @buf: the buffer
 *
 * Context: Any but interrupts.
 * Return: 0, to be followed by shmbuf_end_write(), or -EPERM when the buffer is
 *	sealed against writing.
 */
int shmbuf_begin_write(struct shmbuf *buf)
{
	guard(spinlock)(&buf->lock);
	if (buf->seals & SHMBUF_SEAL_WRITE)
		return -EPERM;
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
