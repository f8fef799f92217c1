/* SPDX-License-Identifier: GPL-2.0-only */
/* V4L2 devices that import the DMA-BUF of a buffer. */
#ifndef _SHMBUF_VIDEO_H
#define _SHMBUF_VIDEO_H

#include <linux/videodev2.h>

#include "shmbuf_selftest.h"

#define WIDTH		320
#define HEIGHT		180
#define CAPTURE		V4L2_BUF_TYPE_VIDEO_CAPTURE
#define OUTPUT		V4L2_BUF_TYPE_VIDEO_OUTPUT

/*
 * Opens a device of a driver that has all of the capabilities. The device imports a DMA-BUF
 * for DMA (vb2-dma-contig), or maps it into the kernel (vb2-vmalloc).
 */
static inline int open_video(const char *driver, uint32_t caps, bool dma)
{
	struct v4l2_requestbuffers req = {
		.type = caps & V4L2_CAP_VIDEO_OUTPUT ? OUTPUT : CAPTURE,
		.memory = V4L2_MEMORY_DMABUF,
	};
	struct v4l2_capability cap;
	char path[64];
	int i, fd;

	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/video%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!ioctl(fd, VIDIOC_QUERYCAP, &cap) && !strcmp((char *)cap.driver, driver) &&
		    (cap.device_caps & caps) == caps && !ioctl(fd, VIDIOC_REQBUFS, &req) &&
		    dma == !(req.capabilities & V4L2_BUF_CAP_SUPPORTS_USERPTR))
			return fd;
		close(fd);
	}
	return -1;
}

/* Returns the size of a frame, or 0. */
static inline size_t set_format(int video, int type, uint32_t pixelformat)
{
	struct v4l2_format format = { .type = type };

	if (ioctl(video, VIDIOC_G_FMT, &format))
		return 0;
	format.fmt.pix.width = WIDTH;
	format.fmt.pix.height = HEIGHT;
	/* The driver must not keep the value of another format. */
	format.fmt.pix.bytesperline = 0;
	if (pixelformat)
		format.fmt.pix.pixelformat = pixelformat;
	if (ioctl(video, VIDIOC_S_FMT, &format) || format.fmt.pix.width != WIDTH ||
	    format.fmt.pix.height != HEIGHT)
		return 0;
	return format.fmt.pix.sizeimage;
}

static inline int request(int video, int type, int count)
{
	struct v4l2_requestbuffers req = {
		.count = count,
		.type = type,
		.memory = V4L2_MEMORY_DMABUF,
	};

	return ioctl(video, VIDIOC_REQBUFS, &req);
}

static inline int queue(int video, int type, int index, int fd, size_t size)
{
	struct v4l2_buffer b = {
		.index = index,
		.type = type,
		.memory = V4L2_MEMORY_DMABUF,
		.bytesused = size,
		.m.fd = fd,
	};

	return ioctl(video, VIDIOC_QBUF, &b);
}

/* Returns the index of the buffer, or -1. */
static inline int dequeue(int video, int type)
{
	struct v4l2_buffer b = {
		.type = type,
		.memory = V4L2_MEMORY_DMABUF,
	};

	return ioctl(video, VIDIOC_DQBUF, &b) ? -1 : (int)b.index;
}

#endif /* _SHMBUF_VIDEO_H */
