// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map the buffer of shmbuf-producer.c, read the records, and check for torn and missing
 * records.
 *
 * usage: shmbuf-consumer [RECORDS]
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/shmbuf.h>

#include "ring.h"

static int fd;
static struct ring *ring;
static __u32 slots;

static void open_ring(void)
{
	struct shmbuf_info info = { 0 };

	fd = open(RING_NODE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s (is shmbuf-producer loaded?)", RING_NODE);
	if (ioctl(fd, SHMBUF_IOC_INFO, &info))
		err(1, "SHMBUF_IOC_INFO");
	ring = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		err(1, "mmap");
	slots = ring_slots(info.size);
}

/* Acknowledge before reading the head, or the signal of a new record would be lost. */
static void wait_for_records(void)
{
	struct shmbuf_notify n = { .flags = SHMBUF_NOTIFY_WAIT };

	if (!ioctl(fd, SHMBUF_IOC_ACK, &n))
		return;
	if (errno == ENODEV)
		errx(1, "the producer has gone");
	err(1, "SHMBUF_IOC_ACK");
}

static void check_record(const struct ring_record *r, __u32 sequence)
{
	if (r->sequence != sequence)
		errx(2, "record %u is in the place of %u", r->sequence,
		     sequence);
	if (r->check != ring_check(r->sequence, r->time))
		errx(2, "record %u is torn", sequence);
}

int main(int argc, char **argv)
{
	__u64 wanted = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	__u64 seen = 0, waits = 0;
	__u32 next, end;

	open_ring();
	next = ring->tail;
	while (seen < wanted) {
		end = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
		if (end == next) {
			wait_for_records();
			waits++;
			continue;
		}
		for (; next != end && seen < wanted; next++, seen++)
			check_record(ring->records + next % slots, next);
		__atomic_store_n(&ring->tail, next, __ATOMIC_RELEASE);
	}
	printf("%llu records, none lost, none torn; waited %llu times\n",
	       (unsigned long long)seen, (unsigned long long)waits);
	return 0;
}
