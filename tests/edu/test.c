// SPDX-License-Identifier: GPL-2.0
/*
 * A device that does DMA, QEMU's edu, reads and writes buffers of each backing. The
 * words "swiotlb=force" and "peers" on the kernel's command line say what the machine is
 * like: CPU and device see each other's data only after a SYNC, or the memory of one
 * device is in reach of another.
 */

#include <glob.h>

#include "shmbuf_selftest.h"
#include "kselftest_harness.h"
#include "edu.h"

#define SIZE	0x10000
#define REGION	"/dev/shmbuf-ivshmem0"
#define DRIVER	"/sys/bus/pci/drivers/shmbuf-ivshmem"

static bool command_line_has(const char *word)
{
	return count_lines("/proc/cmdline", word, word) == 1;
}

FIXTURE(edu) {
	int edu, fd, exported;
	char *p, *pattern;
};

FIXTURE_VARIANT(edu) {
	uint32_t backing;
	bool of_device;
};

FIXTURE_VARIANT_ADD(edu, pages) {
	.backing = SHMBUF_BACKING_PAGES,
};

FIXTURE_VARIANT_ADD(edu, contig) {
	.backing = SHMBUF_BACKING_CONTIG,
};

FIXTURE_VARIANT_ADD(edu, stream) {
	.backing = SHMBUF_BACKING_STREAM,
	.of_device = true,
};

FIXTURE_VARIANT_ADD(edu, region) {
	.backing = SHMBUF_BACKING_REGION,
	.of_device = true,
};

static int attach(int edu, int fd, uint32_t flags)
{
	struct edu_attach arg = { fd, flags };

	return ioctl(edu, EDU_ATTACH, &arg) ? -errno : 0;
}

static int transfer(int edu, unsigned long cmd, uint64_t offset)
{
	struct edu_transfer arg = { offset, EDU_BUFFER };

	return ioctl(edu, cmd, &arg) ? -errno : 0;
}

static int sync_cpu(int fd, uint64_t flags)
{
	return cpu_access(fd, flags | DMA_BUF_SYNC_RW);
}

FIXTURE_SETUP(edu)
{
	int i;

	self->edu = open("/dev/edu", O_RDWR);
	ASSERT_GE(self->edu, 0);
	if (variant->backing == SHMBUF_BACKING_REGION)
		self->fd = open(REGION, O_RDWR);
	else
		self->fd = create_buffer(variant->backing, SIZE);
	ASSERT_GE(self->fd, 0);
	self->exported = export_buffer(self->fd);
	ASSERT_GE(self->exported, 0);
	self->p = mmap(NULL, SIZE, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
	self->pattern = malloc(EDU_BUFFER);
	for (i = 0; i < EDU_BUFFER; i++)
		self->pattern[i] = i * 13 + i / 256 + 1;
}

FIXTURE_TEARDOWN(edu)
{
	free(self->pattern);
	close(self->exported);
	close(self->fd);
	close(self->edu);
}

/* The device reads what the CPU wrote, and the CPU what the device wrote. */
TEST_F(edu, both_ways)
{
	bool bounces = variant->backing != SHMBUF_BACKING_REGION &&
		       command_line_has("swiotlb=force");
	char *from = self->p, *to = self->p + SIZE / 2;
	int err = attach(self->edu, self->exported, EDU_PEER);

	if (variant->backing == SHMBUF_BACKING_REGION && !command_line_has("peers")) {
		EXPECT_EQ(err, -EINVAL);
		return;
	}
	ASSERT_EQ(err, 0);
	ASSERT_EQ(sync_cpu(self->exported, DMA_BUF_SYNC_START), 0);
	memcpy(from, self->pattern, EDU_BUFFER);
	memset(to, 0, EDU_BUFFER);
	ASSERT_EQ(sync_cpu(self->exported, DMA_BUF_SYNC_END), 0);
	ASSERT_EQ(transfer(self->edu, EDU_READ, 0), 0);
	ASSERT_EQ(transfer(self->edu, EDU_WRITE, SIZE / 2), 0);
	EXPECT_EQ(!memcmp(to, self->pattern, EDU_BUFFER), !bounces);
	ASSERT_EQ(sync_cpu(self->exported, DMA_BUF_SYNC_START), 0);
	EXPECT_EQ(memcmp(to, self->pattern, EDU_BUFFER), 0);
	ASSERT_EQ(sync_cpu(self->exported, DMA_BUF_SYNC_END), 0);
	/* Past the end there is nothing. */
	EXPECT_EQ(transfer(self->edu, EDU_READ, get_info(self->fd).size), -EINVAL);
	EXPECT_EQ(ioctl(self->edu, EDU_DETACH), 0);
	EXPECT_EQ(memcmp(to, self->pattern, EDU_BUFFER), 0);
}

/* Memory of a device is only for an importer that can give it up. */
TEST_F(edu, static_importer)
{
	EXPECT_EQ(attach(self->edu, self->exported, EDU_STATIC),
		  variant->of_device ? -EOPNOTSUPP : 0);
}

/* A region is only for an importer that can reach memory without pages. */
TEST_F(edu, not_a_peer)
{
	EXPECT_EQ(attach(self->edu, self->exported, 0),
		  variant->backing == SHMBUF_BACKING_REGION ? -EOPNOTSUPP : 0);
}

/* Takes the memory away from its driver, or gives it back. */
static int bind_ivshmem(const char *device, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), DRIVER "/%s", what);
	return write_file(path, device);
}

/* The importer gives up its mapping when the buffer is revoked. */
TEST_F(edu, revoked)
{
	bool region = variant->backing == SHMBUF_BACKING_REGION;
	const char *device = NULL;
	glob_t found;

	if (region && !command_line_has("peers"))
		SKIP(return, "on this machine one device cannot reach the other");
	if (region) {
		ASSERT_EQ(glob(DRIVER "/0000:*", 0, NULL, &found), 0);
		device = strrchr(found.gl_pathv[0], '/') + 1;
	}
	ASSERT_EQ(attach(self->edu, self->exported, EDU_PEER), 0);
	ASSERT_EQ(transfer(self->edu, EDU_READ, 0), 0);
	ASSERT_EQ(region ? bind_ivshmem(device, "unbind") : revoke_buffer(self->fd), 0);
	EXPECT_EQ(transfer(self->edu, EDU_READ, 0), -ENODEV);
	EXPECT_EQ(signal_of(self->p), SIGBUS);
	ASSERT_EQ(ioctl(self->edu, EDU_DETACH), 0);
	EXPECT_EQ(attach(self->edu, self->exported, EDU_PEER), -ENODEV);
	if (region)
		EXPECT_EQ(bind_ivshmem(device, "bind"), 0);
}

int main(int argc, char **argv)
{
	int fd = open("/edu.ko", O_RDONLY);

	if (syscall(__NR_finit_module, fd, "", 0)) {
		printf("Bail out! edu.ko: %s\n", strerror(errno));
		return 1;
	}
	close(fd);
	return test_harness_run(argc, argv);
}
