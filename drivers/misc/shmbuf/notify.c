// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notification: a sequence that counts signals, and files that remember how
 * much of it they have seen.
 *
 * A file is ready while the two differ. They change and are compared under the
 * lock of the buffer, and a signal changes the sequence before it wakes, so no
 * signal falls between a look at the sequence and the sleep after it.
 */

#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "shmbuf.h"

/*
 * What a file has seen, in place of an allocation for it. Where a long has 32
 * bits only the low ones of the sequence are kept: differences stay right for
 * up to 2^32 signals between two ACKs.
 */
static unsigned long seen(const struct file *file)
{
	return (unsigned long)file->private_data;
}

static void set_seen(struct file *file, u64 sequence)
{
	file->private_data = (void *)(unsigned long)sequence;
}

/**
 * shmbuf_watch() - let a new file of a buffer start with no signal pending
 * @buf: the buffer
 * @file: the file, whose private_data this uses from now on
 *
 * Context: Any but interrupts.
 */
void shmbuf_watch(struct shmbuf *buf, struct file *file)
{
	guard(spinlock)(&buf->lock);
	set_seen(file, buf->sequence);
}

/**
 * shmbuf_signal() - tell all who wait that there is something new
 * @buf: the buffer
 *
 * Context: Any but interrupts.
 * Return: the sequence after it.
 */
u64 shmbuf_signal(struct shmbuf *buf)
{
	u64 sequence;

	spin_lock(&buf->lock);
	sequence = ++buf->sequence;
	spin_unlock(&buf->lock);
	wake_up_poll(&buf->wait, EPOLLIN | EPOLLRDNORM);
	return sequence;
}
EXPORT_SYMBOL_GPL(shmbuf_signal);

/**
 * shmbuf_ack() - take note of all signals so far
 * @buf: the buffer
 * @file: the file that has seen them
 * @count: where to put how many were new to it
 *
 * Context: Any but interrupts.
 * Return: the sequence.
 */
u64 shmbuf_ack(struct shmbuf *buf, struct file *file, u64 *count)
{
	guard(spinlock)(&buf->lock);
	*count = (unsigned long)buf->sequence - seen(file);
	set_seen(file, buf->sequence);
	return buf->sequence;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_ack);

/**
 * shmbuf_poll() - ->poll() of every file of a buffer
 * @file: the file
 * @wait: the poll table
 *
 * Return: EPOLLIN while there are signals that were not acknowledged. write()
 *	never blocks, so EPOLLOUT always; when the buffer is revoked, EPOLLHUP
 *	instead.
 */
__poll_t shmbuf_poll(struct file *file, struct poll_table_struct *wait)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	__poll_t ready = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &buf->wait, wait);
	guard(spinlock)(&buf->lock);
	if ((unsigned long)buf->sequence != seen(file))
		ready |= EPOLLIN | EPOLLRDNORM;
	if (buf->revoked)
		ready = (ready & ~(EPOLLOUT | EPOLLWRNORM)) | EPOLLHUP;
	return ready;
}
