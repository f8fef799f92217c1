// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notification: a sequence counts the signals of a buffer, and each file records the
 * sequence that it has seen.
 *
 * A file is ready while the two values differ. A signal changes the sequence before it
 * looks for sleepers. A waiter queues itself before it reads the sequence. Both sides
 * have a full barrier in between, so either the signal finds the sleeper or the waiter
 * finds the signal. shmbuf_signal() does not take a driver lock, so an interrupt handler
 * can call it.
 */

#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/poll.h>

#include "shmbuf.h"

/*
 * private_data holds the sequence that a file has seen, without an allocation. If a
 * long has 32 bits, only the low half is stored, and ACK miscounts more than 2^32
 * signals.
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
	/* Acquire: without it, the consumer could load data older than the signal. */
	return (unsigned long)atomic64_read_acquire(&buf->sequence) !=
	       seen(file);
}

/*
 * Initialise a new buffer file without pending signals. read() and write() never
 * block. Without FMODE_NOWAIT, io_uring would wait for a signal before it reads.
 */
void shmbuf_watch(struct shmbuf *buf, struct file *file)
{
	file->f_mode |= FMODE_NOWAIT;
	set_seen(file, atomic64_read(&buf->sequence));
}

/* Wake all waiters, even exclusive ones (epoll): each file has a separate sequence. */
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

	/* The barrier in wq_has_sleeper() pairs with poll_wait() and wait_event(). */
	if (wq_has_sleeper(&buf->wait))
		shmbuf_wake(buf, EPOLLIN | EPOLLRDNORM);
	return sequence;
}
EXPORT_SYMBOL_GPL(shmbuf_signal);

/* Acknowledge all signals; @count is their number since the last ACK of @file. */
u64 shmbuf_ack(struct shmbuf *buf, struct file *file, u64 *count)
{
	u64 sequence;

	/* Without the lock, two threads could both count a signal of one file. */
	guard(spinlock)(&buf->lock);
	/* Acquire: as in is_pending(). */
	sequence = atomic64_read_acquire(&buf->sequence);
	*count = (unsigned long)sequence - seen(file);
	set_seen(file, sequence);
	return sequence;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_ack);

/* Wait for a signal that @file has not seen. Return -ENODEV if the buffer is revoked. */
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

/* Pass a signal on to the device. Without the lock, the device could be unbound. */
void shmbuf_signal_device(struct shmbuf *buf)
{
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (!shmbuf_revoked(buf))
		buf->signal_device(buf->dev);
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_signal_device);

/* EPOLLIN while signals are pending. EPOLLOUT always, as write() never blocks. */
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
