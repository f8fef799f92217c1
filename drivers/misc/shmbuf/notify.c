// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notification: a sequence that counts signals, and files that remember how
 * much of it they have seen.
 *
 * A file is ready while the two differ. A signal changes the sequence before it
 * looks for sleepers, and poll() queues itself before it reads the sequence, with
 * a full barrier in between on both sides. So either the signal finds the sleeper
 * or poll() finds the signal. shmbuf_signal() takes no lock of the driver, so that
 * an interrupt handler can call it.
 */

#include <kunit/visibility.h>
#include <linux/atomic.h>
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
	return (unsigned long)READ_ONCE(file->private_data);
}

static void set_seen(struct file *file, u64 sequence)
{
	WRITE_ONCE(file->private_data, (void *)(unsigned long)sequence);
}

/**
 * shmbuf_watch() - initialise a new file of a buffer, with no signal pending
 * @buf: the buffer
 * @file: the file, whose private_data belongs to the notification from now on
 *
 * read() and write() never wait, so the file gets FMODE_NOWAIT.
 */
void shmbuf_watch(struct shmbuf *buf, struct file *file)
{
	/* Without FMODE_NOWAIT, io_uring waits for a signal before it reads. */
	file->f_mode |= FMODE_NOWAIT;
	set_seen(file, atomic64_read(&buf->sequence));
}

/**
 * shmbuf_signal() - signal the users of a buffer
 * @buf: the buffer
 *
 * Adds one to the sequence and wakes poll() on every open file of the buffer.
 *
 * Context: As eventfd_signal(): any context except NMI, hard interrupts included;
 *	with PREEMPT_RT no hard interrupts, as waking takes sleeping locks.
 * Return: the new sequence.
 */
u64 shmbuf_signal(struct shmbuf *buf)
{
	u64 sequence = atomic64_inc_return(&buf->sequence);

	/* The barrier in here pairs with the one in poll_wait(). */
	if (wq_has_sleeper(&buf->wait))
		wake_up_poll(&buf->wait, EPOLLIN | EPOLLRDNORM);
	return sequence;
}
EXPORT_SYMBOL_GPL(shmbuf_signal);

/**
 * shmbuf_ack() - acknowledge all signals so far
 * @buf: the buffer
 * @file: the file that has seen them
 * @count: number of signals since the last shmbuf_ack() of @file
 *
 * Return: the sequence.
 */
u64 shmbuf_ack(struct shmbuf *buf, struct file *file, u64 *count)
{
	u64 sequence;

	/* Two threads may acknowledge through one file. */
	guard(spinlock)(&buf->lock);
	/* The caller then loads what was stored before the signal. */
	sequence = atomic64_read_acquire(&buf->sequence);
	*count = (unsigned long)sequence - seen(file);
	set_seen(file, sequence);
	return sequence;
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
	if ((unsigned long)atomic64_read_acquire(&buf->sequence) != seen(file))
		ready |= EPOLLIN | EPOLLRDNORM;
	if (shmbuf_revoked(buf))
		ready = (ready & ~(EPOLLOUT | EPOLLWRNORM)) | EPOLLHUP;
	return ready;
}
