// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer as a DMA-BUF, with importers that need no hardware: vgem (DRM PRIME) and
 * vivid (V4L2). Where the kernel does not have one of them, its tests are skipped.
 */

#include <linux/dma-buf.h>
#include <linux/videodev2.h>

#include <drm/drm.h>
#include <drm/vgem_drm.h>

#include "shmbuf_selftest.h"
#include "kselftest_harness.h"

#define SIZE		0x100000
#define FRAMES		100
#define QUEUE		4

static int export_buffer(int fd)
{
	struct shmbuf_export arg = {};

	return ioctl(fd, SHMBUF_IOC_EXPORT, &arg) ? -1 : arg.fd;
}

FIXTURE(dmabuf) {
	int fd, exported;
	char *p;
};

FIXTURE_VARIANT(dmabuf) {
	uint32_t backing;
	bool of_device;
};

FIXTURE_VARIANT_ADD(dmabuf, pages) {
	.backing = SHMBUF_BACKING_PAGES,
};

FIXTURE_VARIANT_ADD(dmabuf, contig) {
	.backing = SHMBUF_BACKING_CONTIG,
};

FIXTURE_VARIANT_ADD(dmabuf, stream) {
	.backing = SHMBUF_BACKING_STREAM,
	.of_device = true,
};

FIXTURE_SETUP(dmabuf)
{
	int dev = open("/dev/shmbuf", O_RDWR | O_CLOEXEC);
	struct shmbuf_create c = {
		.size = SIZE,
		.backing = variant->backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "dmabuf",
	};

	self->fd = -1;
	self->exported = -1;
	if (dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	if (ioctl(dev, SHMBUF_IOC_CREATE, &c)) {
		ASSERT_EQ(errno, EOPNOTSUPP);
		SKIP(return, "this kernel has no such backing");
	}
	close(dev);
	self->fd = c.fd;
	self->exported = export_buffer(self->fd);
	if (self->exported < 0 && errno == EOPNOTSUPP)
		SKIP(return, "this kernel has no DMA-BUF");
	ASSERT_GE(self->exported, 0);
	self->p = mmap(NULL, SIZE, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
}

FIXTURE_TEARDOWN(dmabuf)
{
	close(self->fd);
	close(self->exported);
}

static int cpu_access(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

/* Another descriptor of one DMA-BUF, with the size of the buffer. */
TEST_F(dmabuf, export)
{
	struct stat one, two;
	int fd = export_buffer(self->fd);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ASSERT_EQ(fstat(fd, &one), 0);
	ASSERT_EQ(fstat(self->exported, &two), 0);
	EXPECT_EQ(one.st_ino, two.st_ino);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), SIZE);
	EXPECT_EQ(cpu_access(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW), 0);
	EXPECT_EQ(cpu_access(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW), 0);
	close(fd);
}

TEST_F(dmabuf, arguments)
{
	struct shmbuf_export arg = { .flags = 1 };
	int ro = reopen(self->fd, O_RDONLY);

	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_EXPORT, &arg), -1);
	EXPECT_EQ(errno, EINVAL);
	arg.flags = 0;
	EXPECT_EQ(ioctl(ro, SHMBUF_IOC_EXPORT, &arg), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_EXPORT, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	close(ro);
}

/* The exported buffer has a writer, until the last descriptor is closed. */
TEST_F(dmabuf, seals)
{
	munmap(self->p, SIZE);
	EXPECT_EQ(add_seals(self->fd, SHMBUF_SEAL_WRITE), -1);
	EXPECT_EQ(errno, EBUSY);
	close(self->exported);
	self->exported = -1;
	EXPECT_GE(add_seals(self->fd, SHMBUF_SEAL_WRITE), 0);
	EXPECT_EQ(export_buffer(self->fd), -1);
	EXPECT_EQ(errno, EPERM);
}

/* mmap() of the DMA-BUF counts like that of the buffer, and goes with it. */
TEST_F(dmabuf, mmap)
{
	char *q = mmap(NULL, SIZE, RW, MAP_SHARED, self->exported, 0);

	ASSERT_NE(q, MAP_FAILED);
	EXPECT_EQ(get_info(self->fd).mappings, 2);
	strcpy(self->p, "shared");
	EXPECT_STREQ(q, "shared");
	EXPECT_EQ(mmap(NULL, SIZE, RW, MAP_PRIVATE, self->exported, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	ASSERT_EQ(munmap(q + SIZE / 2, SIZE / 2), 0);
	EXPECT_EQ(get_info(self->fd).mappings, 2);
	if (access(REVOKE, W_OK))
		SKIP(return, REVOKE ": %s", strerror(errno));
	ASSERT_EQ(revoke_buffer(self->fd), 0);
	EXPECT_EQ(signal_of(q), SIGBUS);
	munmap(q, SIZE / 2);
	EXPECT_EQ(get_info(self->fd).mappings, 1);
	EXPECT_EQ(export_buffer(self->fd), -1);
	EXPECT_EQ(errno, ENODEV);
}

/* The DMA-BUF alone keeps the memory. */
TEST_F(dmabuf, outlives_the_buffer)
{
	char *q;

	strcpy(self->p, "kept");
	munmap(self->p, SIZE);
	close(self->fd);
	self->fd = -1;
	q = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->exported, 0);
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_STREQ(q, "kept");
	munmap(q, SIZE);
}

static int open_vgem(void)
{
	char path[64], name[32];
	struct drm_version version = { .name = name, .name_len = sizeof(name) };
	int i, fd;

	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!ioctl(fd, DRM_IOCTL_VERSION, &version) && !strncmp(name, "vgem", 4))
			return fd;
		close(fd);
	}
	return -1;
}

/* vgem imports the DMA-BUF, and what is mapped through vgem is the buffer. */
TEST_F(dmabuf, vgem)
{
	struct drm_prime_handle prime = { .fd = self->exported };
	struct drm_vgem_fence_attach fence = { .flags = VGEM_FENCE_WRITE };
	struct drm_vgem_fence_signal signal = {};
	struct drm_gem_close gem = {};
	struct stat one, two;
	int vgem = open_vgem();
	char *q;

	if (vgem < 0)
		SKIP(return, "no vgem");
	if (variant->of_device) {
		EXPECT_EQ(ioctl(vgem, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), -1);
		EXPECT_EQ(errno, EOPNOTSUPP);
		close(vgem);
		return;
	}
	ASSERT_EQ(ioctl(vgem, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), 0);
	/* Exported again, it is the same DMA-BUF. */
	prime.flags = DRM_CLOEXEC | DRM_RDWR;
	ASSERT_EQ(ioctl(vgem, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), 0);
	ASSERT_EQ(fstat(prime.fd, &one), 0);
	ASSERT_EQ(fstat(self->exported, &two), 0);
	EXPECT_EQ(one.st_ino, two.st_ino);
	q = mmap(NULL, SIZE, RW, MAP_SHARED, prime.fd, 0);
	ASSERT_NE(q, MAP_FAILED);
	strcpy(self->p + SIZE / 2, "to vgem");
	EXPECT_STREQ(q + SIZE / 2, "to vgem");
	strcpy(q + SIZE / 2, "from vgem");
	EXPECT_STREQ(self->p + SIZE / 2, "from vgem");
	/* While a device writes, the DMA-BUF is not readable. */
	fence.handle = prime.handle;
	ASSERT_EQ(ioctl(vgem, DRM_IOCTL_VGEM_FENCE_ATTACH, &fence), 0);
	EXPECT_FALSE(is_ready(self->exported));
	signal.fence = fence.out_fence;
	ASSERT_EQ(ioctl(vgem, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal), 0);
	EXPECT_TRUE(is_ready(self->exported));
	EXPECT_EQ(add_seals(self->fd, SHMBUF_SEAL_WRITE), -1);
	EXPECT_EQ(errno, EBUSY);
	munmap(q, SIZE);
	close(prime.fd);
	gem.handle = prime.handle;
	EXPECT_EQ(ioctl(vgem, DRM_IOCTL_GEM_CLOSE, &gem), 0);
	close(vgem);
}

FIXTURE(vivid) {
	int video, fd[QUEUE], exported[QUEUE];
	size_t size;
	char *p[QUEUE];
};

FIXTURE_VARIANT(vivid) {
	uint32_t backing;
};

FIXTURE_VARIANT_ADD(vivid, pages) {
	.backing = SHMBUF_BACKING_PAGES,
};

FIXTURE_VARIANT_ADD(vivid, contig) {
	.backing = SHMBUF_BACKING_CONTIG,
};

static int open_vivid(void)
{
	struct v4l2_capability cap;
	char path[64];
	int i, fd;

	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/video%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!ioctl(fd, VIDIOC_QUERYCAP, &cap) && !strcmp((char *)cap.driver, "vivid") &&
		    (cap.device_caps & V4L2_CAP_VIDEO_CAPTURE) &&
		    (cap.device_caps & V4L2_CAP_STREAMING))
			return fd;
		close(fd);
	}
	return -1;
}

FIXTURE_SETUP(vivid)
{
	struct v4l2_requestbuffers req = {
		.count = QUEUE,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_DMABUF,
	};
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	int i, dev = open("/dev/shmbuf", O_RDWR | O_CLOEXEC);
	struct shmbuf_create c;

	if (dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	self->video = open_vivid();
	if (self->video < 0)
		SKIP(return, "no vivid");
	ASSERT_EQ(ioctl(self->video, VIDIOC_G_FMT, &format), 0);
	format.fmt.pix.width = 320;
	format.fmt.pix.height = 180;
	ASSERT_EQ(ioctl(self->video, VIDIOC_S_FMT, &format), 0);
	self->size = format.fmt.pix.sizeimage;
	ASSERT_EQ(ioctl(self->video, VIDIOC_REQBUFS, &req), 0);
	for (i = 0; i < QUEUE; i++) {
		c = (struct shmbuf_create) {
			.size = self->size,
			.backing = variant->backing,
			.numa_node = SHMBUF_NUMA_ANY,
		};
		ASSERT_EQ(ioctl(dev, SHMBUF_IOC_CREATE, &c), 0);
		self->fd[i] = c.fd;
		self->exported[i] = export_buffer(c.fd);
		ASSERT_GE(self->exported[i], 0);
		self->p[i] = mmap(NULL, self->size, RW, MAP_SHARED, c.fd, 0);
		ASSERT_NE(self->p[i], MAP_FAILED);
	}
	close(dev);
}

FIXTURE_TEARDOWN(vivid)
{
	int i;

	for (i = 0; i < QUEUE; i++) {
		close(self->exported[i]);
		close(self->fd[i]);
	}
	close(self->video);
}

static int queue(int video, int index, int fd)
{
	struct v4l2_buffer b = {
		.index = index,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_DMABUF,
		.m.fd = fd,
	};

	return ioctl(video, VIDIOC_QBUF, &b);
}

static int dequeue(int video, struct v4l2_buffer *b)
{
	*b = (struct v4l2_buffer) {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_DMABUF,
	};
	return ioctl(video, VIDIOC_DQBUF, b);
}

/* Frames arrive in the buffers that the program has mapped, each time anew. */
TEST_F_TIMEOUT(vivid, capture, 300)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE, i, seen = 0;
	struct v4l2_buffer b;

	for (i = 0; i < QUEUE; i++)
		ASSERT_EQ(queue(self->video, i, self->exported[i]), 0);
	ASSERT_EQ(ioctl(self->video, VIDIOC_STREAMON, &type), 0);
	for (i = 0; i < FRAMES; i++) {
		ASSERT_EQ(dequeue(self->video, &b), 0);
		ASSERT_EQ(b.bytesused, self->size);
		/* A colour bar is not black, and the end of the frame was cleared. */
		seen += self->p[b.index][0] || self->p[b.index][self->size - 1];
		memset(self->p[b.index], 0, self->size);
		ASSERT_EQ(queue(self->video, b.index, self->exported[b.index]), 0);
	}
	EXPECT_EQ(seen, FRAMES);
	EXPECT_EQ(ioctl(self->video, VIDIOC_STREAMOFF, &type), 0);
}

/* Buffers are revoked while vivid fills them. vivid goes on, as the memory stays. */
TEST_F(vivid, revoked)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE, i;
	struct v4l2_buffer b;

	if (access(REVOKE, W_OK))
		SKIP(return, REVOKE ": %s", strerror(errno));
	for (i = 0; i < QUEUE; i++)
		ASSERT_EQ(queue(self->video, i, self->exported[i]), 0);
	ASSERT_EQ(ioctl(self->video, VIDIOC_STREAMON, &type), 0);
	for (i = 0; i < QUEUE; i++)
		ASSERT_EQ(revoke_buffer(self->fd[i]), 0);
	for (i = 0; i < QUEUE; i++)
		ASSERT_EQ(dequeue(self->video, &b), 0);
	EXPECT_EQ(signal_of(self->p[0]), SIGBUS);
	EXPECT_EQ(ioctl(self->video, VIDIOC_STREAMOFF, &type), 0);
}

SHMBUF_HARNESS_MAIN
