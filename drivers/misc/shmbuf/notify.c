// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notification: a sequence that counts signals, and files that remember how
 * much of it they have seen.
 *
 * A file is ready while the two differ. A signal changes the sequence before it
 * looks for sleepers, and a waiter queues itself before it reads the sequence, with
 * a full barrier in between on both sides. So either the signal finds the sleeper
 * or the waiter finds the signal. shmbuf_signal() takes no lock of the driver, so that
 * an interrupt handler can call it.
 */

#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/poll.h>

#include "shmbuf.h"

/*
 * The sequence that a file has seen is in private_data, instead of an allocation.
 * If a long has 32 bits, only the low half is kept: differences are right for up
 * to 2^32 signals between two ACKs.
 */
static unsigned long seen(const struct file *file)
{
	return (unsigned long)READ_ONCE(file->private_data);
}

static void set_seen(struct file *file, u64 sequence)
{
	WRITE_ONCE(file->private_data, (void *)(unsigned long)sequence);
}

static bool is_pending(struct shmbuf *buf, const struct file *file)
{
	/* Acquire: the consumer then loads what was stored before the signal. */
	return (unsigned long)atomic64_read_acquire(&buf->sequence) !=
	       seen(file);
}

/*
 * Initialise a new buffer file, with no signal pending. read() and write() never
 * wait, and without FMODE_NOWAIT io_uring waits for a signal before it reads.
 */
void shmbuf_watch(struct shmbuf *buf, struct file *file)
{
	file->f_mode |= FMODE_NOWAIT;
	set_seen(file, atomic64_read(&buf->sequence));
}

/* Each open file has its own view, so an exclusive waiter (epoll) is not the only one. */
void shmbuf_wake(struct shmbuf *buf, __poll_t events)
{
	__wake_up(&buf->wait, TASK_NORMAL, 0, poll_to_key(events));
}

/**
 * shmbuf_signal() - signal the users of a buffer
 * @buf: the buffer
 *
 * Adds one to the sequence, and wakes poll() and waiting ACKs on every open file of
 * the buffer.
 *
 * Context: As eventfd_signal(): any context except NMI, hard interrupts included;
 *	with PREEMPT_RT no hard interrupts, as waking takes sleeping locks.
 * Return: the new sequence.
 */
u64 shmbuf_signal(struct shmbuf *buf)
{
	u64 sequence = atomic64_inc_return(&buf->sequence);

	/* The barrier in here pairs with those of poll_wait() and wait_event(). */
	if (wq_has_sleeper(&buf->wait))
		shmbuf_wake(buf, EPOLLIN | EPOLLRDNORM);
	return sequence;
}
EXPORT_SYMBOL_GPL(shmbuf_signal);

/* Acknowledge all signals; @count is their number since the last ACK of @file. */
u64 shmbuf_ack(struct shmbuf *buf, struct file *file, u64 *count)
{
	u64 sequence;

	/* Two threads may acknowledge through one file. */
	guard(spinlock)(&buf->lock);
	/* Acquire: as is_pending(). */
	sequence = atomic64_read_acquire(&buf->sequence);
	*count = (unsigned long)sequence - seen(file);
	set_seen(file, sequence);
	return sequence;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_ack);

/* Wait for a signal that @file has not seen. -ENODEV if the buffer is revoked. */
int shmbuf_wait(struct shmbuf *buf, struct file *file)
{
	int err;

	err = wait_event_interruptible(buf->wait, shmbuf_revoked(buf) ||
				       is_pending(buf, file));
	if (err)
		return err;
	return shmbuf_revoked(buf) ? -ENODEV : 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_wait);

/* Tell the device about a signal. It may go away, see shmbuf_revoke(). */
void shmbuf_signal_device(struct shmbuf *buf)
{
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (!shmbuf_revoked(buf))
		buf->signal_device(buf->dev);
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_signal_device);

/* EPOLLIN while signals are pending. write() never blocks, so EPOLLOUT always. */
__poll_t shmbuf_poll(struct file *file, struct poll_table_struct *wait)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	__poll_t ready = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &buf->wait, wait);
	if (is_pending(buf, file))
		ready |= EPOLLIN | EPOLLRDNORM;
	if (shmbuf_revoked(buf))
		ready = (ready & ~(EPOLLOUT | EPOLLWRNORM)) | EPOLLHUP;
	return ready;
}
