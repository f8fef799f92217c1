/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffer layout that the producer and the consumer of the shmbuf sample share: a
 * ring with one writer and one reader.
 */
#ifndef _SAMPLES_SHMBUF_RING_H
#define _SAMPLES_SHMBUF_RING_H

#include <linux/types.h>

#define RING_NAME	"sample"
#define RING_NODE	"/dev/shmbuf-" RING_NAME

/**
 * struct ring_record - one record
 * @time: time of the write in nanoseconds (CLOCK_MONOTONIC)
 * @sequence: number of the record, from 0 on
 * @check: checksum that detects a torn record, see ring_check()
 */
struct ring_record {
	__u64 time;
	__u32 sequence;
	__u32 check;
};

/**
 * struct ring - the buffer
 * @head: number of records written; stored by the producer only
 * @pad1: not used
 * @tail: number of records read; stored by the consumer only
 * @pad2: not used
 * @records: record N is at index N modulo the number of slots, a power of two.
 *	With another number, the index would jump when N wraps to 0.
 *
 * The producer stores the head after the record (release). The consumer loads the
 * head before the record (acquire), and stores the tail after using the record.
 * Without a separate cache line for each, the line would bounce between the CPUs.
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
