// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that shares a buffer with programs, to read and to copy: it publishes
 * /dev/shmbuf-sample, writes records into it from time to time, as if they came from
 * a device, and tells who waits. shmbuf-consumer.c is the program.
 *
 * There is no code here for opening, mapping, reading or polling the node.
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
static u32 written, slots;	/* only the producer knows these for sure */

/*
 * Records that a program has not read yet are not overwritten. The tail is the
 * program's, and may be anything: with nonsense in it the ring is full, until
 * there is sense in it again. Nothing here goes by it but when to stop.
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
	/* Not of what is in the record, which a program may have changed. */
	record->check = ring_check(written, time);
	/* Release: who sees the new head sees the record. */
	smp_store_release(&ring->head, ++written);
}

static void produce(struct work_struct *work)
{
	unsigned int n;

	for (n = 0; n < READ_ONCE(batch) && !ring_is_full(); n++)
		write_record();
	/* Once for all of them. */
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
	/* No new files; those that are open keep the buffer, and hear no more. */
	shmbuf_unpublish(buf);
	cancel_delayed_work_sync(&work);
	/* So that they know. Without it they would wait for ever. */
	shmbuf_revoke(buf);
	shmbuf_put(buf);
}

module_init(producer_init);
module_exit(producer_exit);

MODULE_DESCRIPTION("shmbuf sample: records for programs to read");
MODULE_LICENSE("GPL");
