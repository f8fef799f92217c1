/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _SAMPLES_SHMBUF_FRAMES_H
#define _SAMPLES_SHMBUF_FRAMES_H

#include <linux/ioctl.h>

/* Two buffers. The second begins at this offset of /dev/frames. */
#define FRAMES_STRIDE	(2UL << 20)

/* Capture a frame into buffer 0 or 1; returns the byte that the frame consists of. */
#define FRAMES_CAPTURE	_IO('F', 0)
/* Returns a file descriptor of buffer 0 or 1, to pass to others. */
#define FRAMES_GET_FD	_IO('F', 1)

#endif /* _SAMPLES_SHMBUF_FRAMES_H */
