// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test DMA-BUF export with importers that need no hardware: vgem and vkms (DRM PRIME),
 * vivid and vim2m (V4L2). If the kernel does not have an importer, its tests are skipped.
 */

#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <drm/drm.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_mode.h>
#include <drm/vgem_drm.h>

#include "shmbuf_selftest.h"
#include "shmbuf_video.h"
#include "kselftest_harness.h"

#define SIZE		0x200000
#define QUEUE		4

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

/* EXPORT returns another descriptor of one DMA-BUF, with the buffer's size. */
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

/* An exported buffer cannot be sealed until the last DMA-BUF file is closed. */
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

/* A DMA-BUF mapping counts as one of the buffer and is revoked with it. */
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

/* A new DMA-BUF is zeroed, as in dmabuf-heaps. */
TEST_F(dmabuf, zeroed)
{
	int i, fd, exported;
	char *p;

	for (i = 0; i < 16; i++) {
		fd = create_buffer(variant->backing, SIZE);
		exported = export_buffer(fd);
		close(fd);
		p = mmap(NULL, SIZE, RW, MAP_SHARED, exported, 0);
		ASSERT_NE(p, MAP_FAILED);
		ASSERT_EQ(cpu_access(exported, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW), 0);
		EXPECT_TRUE(!p[0] && !memcmp(p, p + 1, SIZE - 1));
		memset(p, 0xff, SIZE);
		ASSERT_EQ(cpu_access(exported, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW), 0);
		munmap(p, SIZE);
		close(exported);
	}
}

/* A DMA-BUF keeps the memory after the buffer file is closed. */
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

static int open_card(const char *driver)
{
	char path[64], name[32];
	struct drm_version version;
	int i, fd;

	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		version = (struct drm_version) { .name = name, .name_len = sizeof(name) - 1 };
		if (!ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver))
			return fd;
		close(fd);
	}
	return -1;
}

/* vgem imports the DMA-BUF, and its mapping shows the memory of the buffer. */
TEST_F(dmabuf, vgem)
{
	struct drm_prime_handle prime = { .fd = self->exported };
	struct drm_vgem_fence_attach fence = { .flags = VGEM_FENCE_WRITE };
	struct drm_vgem_fence_signal signal = {};
	struct drm_gem_close gem = {};
	struct stat one, two;
	int vgem = open_card("vgem");
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
	/* vgem exports the same DMA-BUF again. */
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

/* Shows a framebuffer on the first CRTC, in the mode of the same size. */
static int show(int card, uint32_t handle, uint32_t width, uint32_t height)
{
	struct drm_mode_modeinfo modes[64] = {};
	uint32_t crtcs[8], connectors[8], encoders[8], properties[64];
	uint64_t values[64];
	struct drm_mode_card_res resources = {
		.crtc_id_ptr = (uintptr_t)crtcs,
		.count_crtcs = 8,
		.connector_id_ptr = (uintptr_t)connectors,
		.count_connectors = 8,
		.encoder_id_ptr = (uintptr_t)encoders,
		.count_encoders = 8,
	};
	struct drm_mode_get_connector probe = {}, connector = {
		.modes_ptr = (uintptr_t)modes,
		.count_modes = 64,
		.encoders_ptr = (uintptr_t)encoders,
		.count_encoders = 8,
		.props_ptr = (uintptr_t)properties,
		.prop_values_ptr = (uintptr_t)values,
		.count_props = 64,
	};
	struct drm_mode_fb_cmd2 fb = {
		.width = width,
		.height = height,
		.pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { handle },
		.pitches = { width * 4 },
	};
	struct drm_mode_crtc crtc = {
		.set_connectors_ptr = (uintptr_t)connectors,
		.count_connectors = 1,
		.mode_valid = 1,
	};
	uint32_t i;

	if (ioctl(card, DRM_IOCTL_MODE_GETRESOURCES, &resources))
		return -1;
	/* A request for no modes makes the driver probe the connector. */
	probe.connector_id = connectors[0];
	connector.connector_id = connectors[0];
	if (ioctl(card, DRM_IOCTL_MODE_GETCONNECTOR, &probe) ||
	    ioctl(card, DRM_IOCTL_MODE_GETCONNECTOR, &connector) ||
	    ioctl(card, DRM_IOCTL_MODE_ADDFB2, &fb))
		return -1;
	for (i = 0; i < 63 && (modes[i].hdisplay != width || modes[i].vdisplay != height); i++)
		;
	crtc.crtc_id = crtcs[0];
	crtc.fb_id = fb.fb_id;
	crtc.mode = modes[i];
	return ioctl(card, DRM_IOCTL_MODE_SETCRTC, &crtc);
}

/* The checksum of the next frame, or 0. */
static uint32_t frame_crc(int data)
{
	char line[64], *crc;
	int len = read(data, line, sizeof(line) - 1);

	if (len <= 0)
		return 0;
	line[len] = 0;
	crc = strchr(line, ' ');
	return crc ? strtoul(crc, NULL, 0) : 0;
}

/* vkms scans out the buffer, and the checksum of its frames follows the CPU. */
TEST_F(dmabuf, vkms)
{
	struct drm_prime_handle prime = { .fd = self->exported };
	int card = open_card("vkms"), data;
	uint32_t blank, crc;
	struct stat st;
	char path[96];

	if (card < 0)
		SKIP(return, "no vkms");
	if (variant->of_device) {
		EXPECT_EQ(ioctl(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), -1);
		EXPECT_EQ(errno, EOPNOTSUPP);
		close(card);
		return;
	}
	ASSERT_EQ(ioctl(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), 0);
	ASSERT_EQ(show(card, prime.handle, 640, 480), 0);
	ASSERT_EQ(fstat(card, &st), 0);
	snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%u/crtc-0/crc/data",
		 minor(st.st_rdev));
	data = open(path, O_RDONLY);
	ASSERT_GE(data, 0);
	blank = frame_crc(data);
	ASSERT_NE(blank, 0);
	ASSERT_EQ(cpu_access(self->exported, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE), 0);
	memset(self->p, 0x55, 640 * 480 * 4);
	ASSERT_EQ(cpu_access(self->exported, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE), 0);
	/* Older frames come first. If the checksum never changes, the test times out. */
	do {
		crc = frame_crc(data);
		ASSERT_NE(crc, 0);
	} while (crc == blank);
	memset(self->p, 0, 640 * 480 * 4);
	do {
		crc = frame_crc(data);
		ASSERT_NE(crc, 0);
	} while (crc != blank);
	close(data);
	close(card);
}

static int set_control(int video, const char *name, int value)
{
	struct v4l2_queryctrl query = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };
	struct v4l2_control control;

	while (!ioctl(video, VIDIOC_QUERYCTRL, &query)) {
		control = (struct v4l2_control) { query.id, value };
		if (!strcmp((char *)query.name, name))
			return ioctl(video, VIDIOC_S_CTRL, &control);
		query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
	}
	return -1;
}

/* Buffers of one size that are exported and mapped. */
struct frames {
	size_t size;
	int fd[QUEUE], exported[QUEUE];
	char *p[QUEUE];
};

static bool create_frames(struct frames *f, uint32_t backing, size_t size)
{
	int i;

	f->size = size;
	for (i = 0; i < QUEUE; i++) {
		f->fd[i] = create_buffer(backing, size);
		if (f->fd[i] < 0)
			return false;
		f->exported[i] = export_buffer(f->fd[i]);
		f->p[i] = mmap(NULL, size, RW, MAP_SHARED, f->fd[i], 0);
		if (f->exported[i] < 0 || f->p[i] == MAP_FAILED)
			return false;
	}
	return true;
}

static void close_frames(struct frames *f)
{
	int i;

	for (i = 0; i < QUEUE; i++) {
		munmap(f->p[i], f->size);
		close(f->exported[i]);
		close(f->fd[i]);
	}
}

FIXTURE(vivid) {
	int video;
	size_t size;
};

FIXTURE_VARIANT(vivid) {
	uint32_t backing;
	int frames;
	bool dma;
};

FIXTURE_VARIANT_ADD(vivid, pages) {
	.backing = SHMBUF_BACKING_PAGES,
	.frames = 1000,
};

FIXTURE_VARIANT_ADD(vivid, contig) {
	.backing = SHMBUF_BACKING_CONTIG,
	.frames = 100,
};

FIXTURE_VARIANT_ADD(vivid, contig_for_dma) {
	.backing = SHMBUF_BACKING_CONTIG,
	.frames = 100,
	.dma = true,
};

FIXTURE_SETUP(vivid)
{
	struct v4l2_streamparm parm = {
		.type = CAPTURE,
		.parm.capture.timeperframe = { 1, 120 },
	};
	int dev = open_node();

	if (dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	close(dev);
	self->video = open_video("vivid", V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING,
				 variant->dma);
	if (self->video < 0)
		SKIP(return, "no such vivid device");
	self->size = set_format(self->video, CAPTURE, V4L2_PIX_FMT_YUYV);
	ASSERT_GT(self->size, 0);
	ASSERT_EQ(ioctl(self->video, VIDIOC_S_PARM, &parm), 0);
}

FIXTURE_TEARDOWN(vivid)
{
	close(self->video);
}

/* A complete frame of colour bars without text has equal lines, none empty. */
static bool whole_frame(const char *p, size_t size)
{
	size_t line = size / HEIGHT;

	return p[0] && !memcmp(p, p + line, size - line);
}

/*
 * Waits for the signal of a buffer, checks its frame through its own mapping, clears the
 * frame and sends the number of the buffer. Returns how many frames were complete.
 */
static int consume(struct frames *f, int frames, int out)
{
	struct pollfd polled[QUEUE];
	char *p[QUEUE];
	char i;
	int n;

	for (i = 0; i < QUEUE; i++) {
		polled[(int)i] = (struct pollfd) { reopen(f->fd[(int)i], O_RDWR), POLLIN };
		p[(int)i] = mmap(NULL, f->size, RW, MAP_SHARED, polled[(int)i].fd, 0);
	}
	if (write(out, "", 1) != 1)
		return 0;
	for (n = 0; n < frames; n++) {
		if (poll(polled, QUEUE, -1) != 1)
			return n;
		for (i = 0; !polled[(int)i].revents; i++)
			;
		if (ack(polled[(int)i].fd) != 1 ||
		    cpu_access(f->exported[(int)i], DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW) ||
		    !whole_frame(p[(int)i], f->size))
			return n;
		memset(p[(int)i], 0, f->size);
		if (cpu_access(f->exported[(int)i], DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW) ||
		    write(out, &i, 1) != 1)
			return n;
	}
	return n;
}

/* A process that maps the buffers is woken for each frame, and each frame is complete. */
TEST_F_TIMEOUT(vivid, capture, 300)
{
	int i, index, type = CAPTURE, status, pipe_fd[2];
	struct frames f;
	char byte;
	pid_t pid;

	/* The pattern moves, so that a torn frame is detected. */
	ASSERT_EQ(set_control(self->video, "OSD Text Mode", 2), 0);
	ASSERT_EQ(set_control(self->video, "Horizontal Movement", 6), 0);
	ASSERT_TRUE(create_frames(&f, variant->backing, self->size));
	ASSERT_EQ(pipe(pipe_fd), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(consume(&f, variant->frames, pipe_fd[1]) != variant->frames);
	close(pipe_fd[1]);
	ASSERT_EQ(read(pipe_fd[0], &byte, 1), 1);
	ASSERT_EQ(request(self->video, CAPTURE, QUEUE), 0);
	for (i = 0; i < QUEUE; i++)
		ASSERT_EQ(queue(self->video, CAPTURE, i, f.exported[i], 0), 0);
	ASSERT_EQ(ioctl(self->video, VIDIOC_STREAMON, &type), 0);
	for (i = 0; i < variant->frames; i++) {
		index = dequeue(self->video, CAPTURE);
		ASSERT_GE(index, 0);
		ASSERT_GE(signal_buffer(f.fd[index]), 1);
		ASSERT_EQ(read(pipe_fd[0], &byte, 1), 1) {
			TH_LOG("frame %d of %d", i, variant->frames);
		}
		ASSERT_EQ(byte, index);
		ASSERT_EQ(queue(self->video, CAPTURE, index, f.exported[index], 0), 0);
	}
	EXPECT_EQ(ioctl(self->video, VIDIOC_STREAMOFF, &type), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	close_frames(&f);
}

/*
 * vivid keeps filling revoked buffers, as their memory stays allocated. SHMBUF_REVOCATIONS
 * is the number of cycles.
 */
TEST_F_TIMEOUT(vivid, revoked, 3000)
{
	int i, n, type = CAPTURE, cycles = 10;
	struct frames f;

	if (!can_open(REVOKE, O_WRONLY))
		SKIP(return, REVOKE ": %s", strerror(errno));
	if (getenv("SHMBUF_REVOCATIONS"))
		cycles = atoi(getenv("SHMBUF_REVOCATIONS"));
	for (n = 0; n < cycles; n++) {
		ASSERT_TRUE(create_frames(&f, variant->backing, self->size));
		ASSERT_EQ(request(self->video, CAPTURE, QUEUE), 0);
		for (i = 0; i < QUEUE; i++)
			ASSERT_EQ(queue(self->video, CAPTURE, i, f.exported[i], 0), 0);
		ASSERT_EQ(ioctl(self->video, VIDIOC_STREAMON, &type), 0);
		for (i = 0; i < QUEUE; i++)
			ASSERT_EQ(revoke_buffer(f.fd[i]), 0);
		for (i = 0; i < QUEUE; i++)
			ASSERT_GE(dequeue(self->video, CAPTURE), 0);
		ASSERT_EQ(signal_of(f.p[0]), SIGBUS);
		ASSERT_EQ(ioctl(self->video, VIDIOC_STREAMOFF, &type), 0);
		ASSERT_EQ(request(self->video, CAPTURE, 0), 0);
		close_frames(&f);
	}
	TH_LOG("%d cycles", n);
}

/* Connects the HDMI output of a vivid device to its input. Returns the size of a frame. */
static size_t connect_hdmi(int output, int input)
{
	struct v4l2_format from = { .type = OUTPUT }, to = { .type = CAPTURE };
	int hdmi_output = 1, hdmi_input = 3;

	if (ioctl(output, VIDIOC_S_OUTPUT, &hdmi_output) ||
	    ioctl(input, VIDIOC_S_INPUT, &hdmi_input) ||
	    set_control(input, "HDMI 000-0 Is Connected To", 2) ||
	    ioctl(output, VIDIOC_G_FMT, &from) || ioctl(input, VIDIOC_G_FMT, &to) ||
	    from.fmt.pix.pixelformat != to.fmt.pix.pixelformat ||
	    from.fmt.pix.sizeimage != to.fmt.pix.sizeimage)
		return 0;
	return to.fmt.pix.sizeimage;
}

/* vivid captures the frames that it outputs, between buffers of two backings. */
TEST(vivid_output)
{
	int input, output, i, index, n, from = OUTPUT, to = CAPTURE, seen = 0, camera = 0;
	struct frames shown, captured;
	size_t size, byte;

	if (!can_open("/dev/shmbuf", O_RDWR))
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	output = open_video("vivid", V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_STREAMING, false);
	input = open_video("vivid", V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING, false);
	if (output < 0 || input < 0)
		SKIP(return, "no such vivid device");
	size = connect_hdmi(output, input);
	ASSERT_GT(size, 0);
	ASSERT_EQ(set_control(input, "OSD Text Mode", 2), 0);
	ASSERT_TRUE(create_frames(&shown, SHMBUF_BACKING_CONTIG, size));
	ASSERT_TRUE(create_frames(&captured, SHMBUF_BACKING_PAGES, size));
	ASSERT_EQ(request(output, from, QUEUE), 0);
	ASSERT_EQ(request(input, to, QUEUE), 0);
	for (i = 0; i < QUEUE; i++) {
		for (byte = 0; byte < size; byte++)
			shown.p[i][byte] = byte * 7 + byte / 251 + i;
		ASSERT_EQ(queue(output, from, i, shown.exported[i], size), 0);
		ASSERT_EQ(queue(input, to, i, captured.exported[i], 0), 0);
	}
	ASSERT_EQ(ioctl(output, VIDIOC_STREAMON, &from), 0);
	ASSERT_EQ(ioctl(input, VIDIOC_STREAMON, &to), 0);
	/* Only frames before the first output frame may be noise. */
	for (n = 0; n < 1000 && seen != (1 << QUEUE) - 1; n++) {
		index = dequeue(input, to);
		ASSERT_GE(index, 0);
		for (i = 0; i < QUEUE && memcmp(captured.p[index], shown.p[i], size); i++)
			;
		if (i < QUEUE)
			seen |= 1 << i;
		else
			ASSERT_EQ(seen, 0);
		ASSERT_EQ(queue(input, to, index, captured.exported[index], 0), 0);
		index = dequeue(output, from);
		ASSERT_GE(index, 0);
		ASSERT_EQ(queue(output, from, index, shown.exported[index], size), 0);
	}
	EXPECT_EQ(seen, (1 << QUEUE) - 1);
	EXPECT_EQ(ioctl(output, VIDIOC_STREAMOFF, &from), 0);
	EXPECT_EQ(ioctl(input, VIDIOC_STREAMOFF, &to), 0);
	EXPECT_EQ(set_control(input, "HDMI 000-0 Is Connected To", 0), 0);
	EXPECT_EQ(request(input, to, 0), 0);
	EXPECT_EQ(ioctl(input, VIDIOC_S_INPUT, &camera), 0);
	close(input);
	close(output);
	close_frames(&captured);
	close_frames(&shown);
}

/* vim2m copies from buffers of one backing to buffers of another. */
TEST(vim2m)
{
	int video, i, in = OUTPUT, out = CAPTURE;
	struct frames from, to;
	size_t size, n;

	if (!can_open("/dev/shmbuf", O_RDWR))
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	video = open_video("vim2m", V4L2_CAP_VIDEO_M2M | V4L2_CAP_STREAMING, false);
	if (video < 0)
		SKIP(return, "no vim2m");
	size = set_format(video, in, V4L2_PIX_FMT_RGB565);
	ASSERT_GT(size, 0);
	ASSERT_EQ(set_format(video, out, V4L2_PIX_FMT_RGB565), size);
	ASSERT_TRUE(create_frames(&from, SHMBUF_BACKING_PAGES, size));
	ASSERT_TRUE(create_frames(&to, SHMBUF_BACKING_CONTIG, size));
	ASSERT_EQ(request(video, in, QUEUE), 0);
	ASSERT_EQ(request(video, out, QUEUE), 0);
	for (i = 0; i < QUEUE; i++) {
		for (n = 0; n < size; n++)
			from.p[i][n] = n * 7 + n / 251 + i;
		ASSERT_EQ(queue(video, out, i, to.exported[i], 0), 0);
		ASSERT_EQ(queue(video, in, i, from.exported[i], size), 0);
	}
	ASSERT_EQ(ioctl(video, VIDIOC_STREAMON, &in), 0);
	ASSERT_EQ(ioctl(video, VIDIOC_STREAMON, &out), 0);
	for (i = 0; i < QUEUE; i++) {
		ASSERT_EQ(dequeue(video, in), i);
		ASSERT_EQ(dequeue(video, out), i);
		EXPECT_EQ(memcmp(from.p[i], to.p[i], size), 0);
	}
	close(video);
	close_frames(&from);
	close_frames(&to);
}

SHMBUF_HARNESS_MAIN
