// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that shares a buffer with programs, as a template. The driver publishes
 * /dev/shmbuf-sample, periodically writes records like a device, and signals the
 * consumers. shmbuf-consumer.c is the program.
 *
 * shmbuf implements open(), mmap(), read() and poll() of the node.
 */

#include <linux/err.h>
#include <linux/module.h>
#include <linux/shmbuf.h>
#include <linux/sizes.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "ring.h"

static unsigned int batch = 1000;
module_param(batch, uint, 0644);
MODULE_PARM_DESC(batch, "Records to write at a time, at most");

static struct shmbuf *buf;
static struct ring *ring;
static u32 written, slots;	/* not in the ring, which a program can change */

/*
 * Do not overwrite records that a program has not read yet. A program can store any
 * value in the tail. If the value is invalid, the ring counts as full until the tail is
 * valid again. The driver uses the tail only to decide when to stop.
 */
static bool ring_is_full(void)
{
	u32 read;

	/* Acquire: the program's loads from a record come before our stores. */
	read = smp_load_acquire(&ring->tail);
	return written - read >= slots;
}

static void write_record(void)
{
	struct ring_record *record = ring->records + written % slots;
	u64 time = ktime_get_ns();

	record->sequence = written;
	record->time = time;
	/* Do not read back the record, which a program may have changed. */
	record->check = ring_check(written, time);
	/* Release: a program that loads the new head also sees the record. */
	smp_store_release(&ring->head, ++written);
}

static void produce(struct work_struct *work)
{
	unsigned int n;

	for (n = 0; n < READ_ONCE(batch) && !ring_is_full(); n++)
		write_record();
	/* Signal once per batch. */
	if (n)
		shmbuf_signal(buf);
	schedule_delayed_work(to_delayed_work(work), 1);
}

static DECLARE_DELAYED_WORK(work, produce);

static int __init producer_init(void)
{
	struct shmbuf_create args = {
		.size = SZ_64K,
		.backing = SHMBUF_BACKING_PAGES,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = RING_NAME,
	};
	int err;

	buf = shmbuf_create(&args, NULL);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	err = -ENOMEM;
	ring = shmbuf_vmap(buf);
	if (!ring)
		goto put;
	slots = ring_slots(shmbuf_size(buf));
	err = shmbuf_publish(buf, RING_NAME, 0600);
	if (err)
		goto put;
	schedule_delayed_work(&work, 0);
	return 0;

put:
	shmbuf_put(buf);
	return err;
}

static void __exit producer_exit(void)
{
	/* Prevent new files. Open files hold the buffer, but get no more records. */
	shmbuf_unpublish(buf);
	cancel_delayed_work_sync(&work);
	/* Without revocation, the consumers would wait for ever. */
	shmbuf_revoke(buf);
	shmbuf_put(buf);
}

module_init(producer_init);
module_exit(producer_exit);

MODULE_DESCRIPTION("shmbuf sample: records for programs to read");
MODULE_LICENSE("GPL");
