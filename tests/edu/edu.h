/* SPDX-License-Identifier: GPL-2.0 */
/* Ioctls of the importer for QEMU's edu device, /dev/edu. */
#ifndef _EDU_H
#define _EDU_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The device has twice that, but older QEMUs refuse a transfer that ends with its buffer. */
#define EDU_BUFFER	2048

/* @fd: a DMA-BUF. @flags: EDU_STATIC cannot give up its mapping. EDU_PEER can reach another device. */
struct edu_attach {
	__s32 fd;
	__u32 flags;
};

#define EDU_STATIC	1
#define EDU_PEER	2

/* @offset: in the DMA-BUF. @length: at most EDU_BUFFER, and in one segment. */
struct edu_transfer {
	__u64 offset;
	__u32 length;
};

#define EDU_ATTACH	_IOW('E', 0, struct edu_attach)		/* attaches and maps */
#define EDU_READ	_IOW('E', 1, struct edu_transfer)	/* from the DMA-BUF to the device */
#define EDU_WRITE	_IOW('E', 2, struct edu_transfer)	/* from the device to the DMA-BUF */
#define EDU_DETACH	_IO('E', 3)

#endif
