/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contents of the buffer that the producer and the consumer of the shmbuf
 * sample share: a ring with one writer and one reader.
 */
#ifndef _SAMPLES_SHMBUF_RING_H
#define _SAMPLES_SHMBUF_RING_H

#include <linux/types.h>

#define RING_NAME	"sample"
#define RING_NODE	"/dev/shmbuf-" RING_NAME

/**
 * struct ring_record - one record
 * @time: when it was written, in nanoseconds (CLOCK_MONOTONIC)
 * @sequence: its number, from 0 on
 * @check: tells a whole record from a torn one, see ring_check()
 */
struct ring_record {
	__u64 time;
	__u32 sequence;
	__u32 check;
};

/**
 * struct ring - the buffer
 * @head: records written so far; the producer's
 * @pad1: not used
 * @tail: records read so far; the consumer's
 * @pad2: not used
 * @records: record N is at N modulo their number, which is a power of two, so
 *	that nothing happens when N begins at 0 again
 *
 * The head is stored after the record (release) and loaded before it (acquire),
 * and the tail likewise after the record was used. Each has a cache line of its
 * own, or the two sides would take it from each other all the time.
 */
struct ring {
	__u32 head;
	__u32 pad1[15];
	__u32 tail;
	__u32 pad2[15];
	struct ring_record records[];
};

static inline __u32 ring_check(__u32 sequence, __u64 time)
{
	return ((sequence + time) * 0x9e3779b97f4a7c15ULL) >> 32;
}

static inline __u32 ring_slots(__u64 size)
{
	__u32 slots = 1;

	while (sizeof(struct ring) + 2 * slots * sizeof(struct ring_record) <= size)
		slots *= 2;
	return slots;
}

#endif /* _SAMPLES_SHMBUF_RING_H */
