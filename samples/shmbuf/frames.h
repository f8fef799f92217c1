/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _SAMPLES_SHMBUF_FRAMES_H
#define _SAMPLES_SHMBUF_FRAMES_H

#include <linux/ioctl.h>

/* Offset of the second of two buffers in /dev/frames */
#define FRAMES_STRIDE	(2UL << 20)

/* Capture a frame into buffer 0 or 1. Returns the byte value that fills the frame. */
#define FRAMES_CAPTURE	_IO('F', 0)
/* Return a file descriptor of buffer 0 or 1, to pass to other processes. */
#define FRAMES_GET_FD	_IO('F', 1)

#endif /* _SAMPLES_SHMBUF_FRAMES_H */
