/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _SAMPLES_SHMBUF_FRAMES_H
#define _SAMPLES_SHMBUF_FRAMES_H

#include <linux/ioctl.h>

/* Capture a frame into the buffer; returns the byte that it consists of. */
#define FRAMES_CAPTURE	_IO('F', 0)
/* Returns a file descriptor of the buffer, to pass to others. */
#define FRAMES_GET_FD	_IO('F', 1)

#endif /* _SAMPLES_SHMBUF_FRAMES_H */
