// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the in-kernel API: buffers without a file, named nodes, and
 * mappings through the file of a driver.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/array_size.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/shmbuf.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../shmbuf.h"
#include "create.h"

#define PAGES		3
#define SIZE		(PAGES * PAGE_SIZE)
#define RW		(PROT_READ | PROT_WRITE)

static void put_buffer(void *buf)
{
	shmbuf_unpublish(buf);
	shmbuf_put(buf);
}

static struct shmbuf *create(struct kunit *test, u32 backing,
			     struct device *dev)
{
	struct shmbuf_create args = {
		.size = SIZE - 1,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "api_kunit",
	};
	struct shmbuf *buf = shmbuf_create(&args, dev);

	if (PTR_ERR(buf) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel has no such backing");
	KUNIT_ASSERT_FALSE(test, IS_ERR(buf));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_buffer, buf),
			0);
	return buf;
}

static struct shmbuf *create_pages(struct kunit *test)
{
	return create(test, SHMBUF_BACKING_PAGES, NULL);
}

/* A driver's store is what a program reads, and the file outlives the driver. */
static void test_kernel_buffer(struct kunit *test)
{
	struct shmbuf *buf = create_pages(test);
	struct file *file;
	loff_t pos = 7;
	char text[8];
	int fd;

	KUNIT_EXPECT_EQ(test, shmbuf_size(buf), SIZE);
	KUNIT_ASSERT_NOT_NULL(test, shmbuf_vmap(buf));
	strscpy(shmbuf_vmap(buf) + 7, "driver", 7);
	fd = shmbuf_get_fd(buf);
	KUNIT_ASSERT_GE(test, fd, 0);
	file = fget(fd);
	KUNIT_EXPECT_EQ(test, close_fd(fd), 0);
	flush_delayed_fput();
	KUNIT_ASSERT_NOT_NULL(test, file);
	kunit_release_action(test, put_buffer, buf);
	KUNIT_EXPECT_EQ(test, kernel_read(file, text, 7, &pos), 7);
	KUNIT_EXPECT_STREQ(test, text, "driver");
	__fput_sync(file);
}

static void test_bad_arguments(struct kunit *test)
{
	struct shmbuf_create args = { .numa_node = SHMBUF_NUMA_ANY };

	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_create(&args, NULL)), -EINVAL);
	args.size = 1;
	args.flags = 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_create(&args, NULL)), -EINVAL);
	args.flags = 0;
	args.backing = SHMBUF_BACKING_REGION;
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_create(&args, NULL)), -EOPNOTSUPP);
}

/* Each reference keeps it. */
static void test_references(struct kunit *test)
{
	struct shmbuf *buf = create_pages(test);
	int count = icount_read_once(&buf->inode);

	KUNIT_EXPECT_PTR_EQ(test, shmbuf_get(buf), buf);
	KUNIT_EXPECT_EQ(test, icount_read_once(&buf->inode), count + 1);
	shmbuf_put(buf);
	KUNIT_EXPECT_EQ(test, icount_read_once(&buf->inode), count);
}

static const struct file_operations plain_ops = {
	.owner	= THIS_MODULE,
};

static void test_revoked(struct kunit *test)
{
	struct shmbuf *buf = create_pages(test);
	struct file *file;

	shmbuf_revoke(buf);
	KUNIT_EXPECT_EQ(test, shmbuf_get_fd(buf), -ENODEV);
	KUNIT_EXPECT_EQ(test, shmbuf_publish(buf, "kunit", 0600), -ENODEV);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 0, 1, DMA_TO_DEVICE, true),
			-ENODEV);
	KUNIT_EXPECT_EQ(test, shmbuf_size(buf), SIZE);
	file = anon_inode_getfile("[kunit]", &plain_ops, NULL, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_EQ(test, shmbuf_open_named(buf, file), -ENODEV);
	__fput_sync(file);
}

/* The range is checked here too, and none is too long for 32 bits. */
static void test_sync_range(struct kunit *test)
{
	struct shmbuf *buf = create_pages(test);
	const enum dma_data_direction dir = DMA_BIDIRECTIONAL;

	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 0, SIZE, dir, false), 0);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 1, SIZE, dir, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 1ULL << 32, 0, dir, false),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 0, 1ULL << 32, dir, false),
			-EINVAL);
}

/* Only memory of the DMA API has an address for the device. */
static void test_dma_addr(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct shmbuf *buf;
	struct device *dev;

	dev = kunit_device_register(test, "api_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	buf = create(test, *backing, dev);
	if (*backing < SHMBUF_BACKING_COHERENT)
		KUNIT_EXPECT_EQ(test, shmbuf_dma_addr(buf), DMA_MAPPING_ERROR);
	else
		KUNIT_EXPECT_NE(test, shmbuf_dma_addr(buf), DMA_MAPPING_ERROR);
}

static const u32 backings[] = {
	SHMBUF_BACKING_PAGES, SHMBUF_BACKING_CONTIG, SHMBUF_BACKING_COHERENT,
	SHMBUF_BACKING_STREAM,
};

static void backing_desc(const u32 *backing, char *desc)
{
	static const char *const names[] = {
		"pages", "contig", "coherent", "stream"
	};

	strscpy(desc, names[*backing], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(backing, backings, backing_desc);

struct name_case {
	const char *sentence;
	const char *name;
	umode_t mode;
	int err;
};

static const struct name_case name_cases[] = {
	{ "a name", "kunit", 0600, 0 },
	{ "each kind of character", "aZ09._-", 0600, 0 },
	{ "31 characters", "0123456789012345678901234567890", 0600, 0 },
	{ "32 characters", "01234567890123456789012345678901", 0600, -EINVAL },
	{ "no name", "", 0600, -EINVAL },
	{ "a path", "a/b", 0600, -EINVAL },
	{ "a blank", "a b", 0600, -EINVAL },
	{ "a colon", "a:b", 0600, -EINVAL },
	{ "a control character", "a\n", 0600, -EINVAL },
	{ "not ASCII", "\xc3\xa9", 0600, -EINVAL },
	{ "for all users", "kunit", 0666, 0 },
	{ "without permissions", "kunit", 0, 0 },
	{ "to execute", "kunit", 0700, -EINVAL },
	{ "set-user-ID", "kunit", 04600, -EINVAL },
};

static void name_desc(const struct name_case *c, char *desc)
{
	strscpy(desc, c->sentence, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(name, name_cases, name_desc);

static void test_names(struct kunit *test)
{
	const struct name_case *c = test->param_value;
	struct shmbuf *buf = create_pages(test);
	int err = shmbuf_publish(buf, c->name, c->mode);

	KUNIT_EXPECT_EQ(test, err, c->err);
	/* A name is free again after unpublish(), and after a publish() that failed. */
	shmbuf_unpublish(buf);
	KUNIT_EXPECT_EQ(test, shmbuf_publish(buf, c->name, c->mode), c->err);
}

/* One name, one buffer. */
static void test_published_twice(struct kunit *test)
{
	struct shmbuf *one = create_pages(test), *two = create_pages(test);
	int count = icount_read_once(&two->inode);

	KUNIT_EXPECT_EQ(test, shmbuf_publish(one, "kunit", 0600), 0);
	KUNIT_EXPECT_EQ(test, shmbuf_publish(one, "other", 0600), -EBUSY);
	KUNIT_EXPECT_EQ(test, shmbuf_publish(two, "kunit", 0600), -EEXIST);
	KUNIT_EXPECT_EQ(test, icount_read_once(&two->inode), count);
	shmbuf_unpublish(two);
	KUNIT_EXPECT_EQ(test, shmbuf_publish(two, "kunit", 0600), -EEXIST);
	shmbuf_unpublish(one);
	KUNIT_EXPECT_EQ(test, shmbuf_publish(two, "kunit", 0600), 0);
}

/* The node keeps the buffer, not the one who published it, and so does its file. */
static void test_node_keeps_buffer(struct kunit *test)
{
	struct shmbuf *buf = create_pages(test);
	int count = icount_read_once(&buf->inode);
	struct file *node;

	KUNIT_EXPECT_EQ(test, shmbuf_publish(buf, "kunit", 0600), 0);
	KUNIT_EXPECT_EQ(test, icount_read_once(&buf->inode), count + 1);
	/* As if a program had opened the node. */
	node = anon_inode_getfile("[kunit]", &plain_ops, NULL, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(node));
	KUNIT_EXPECT_EQ(test, shmbuf_open_named(buf, node), 0);
	KUNIT_EXPECT_EQ(test, icount_read_once(&buf->inode), count + 2);
	shmbuf_unpublish(buf);
	shmbuf_unpublish(buf);
	KUNIT_EXPECT_EQ(test, icount_read_once(&buf->inode), count + 1);
	__fput_sync(node);
	KUNIT_EXPECT_EQ(test, icount_read_once(&buf->inode), count);
}

struct spec_case {
	const char *sentence;
	const char *spec;
	int err;
};

static const struct spec_case spec_cases[] = {
	{ "name and size", "first:4096", 0 },
	{ "a size with a unit", "first:64K", 0 },
	{ "a size in hexadecimal", "first:0x1000", 0 },
	{ "a backing", "first:1M:contig", 0 },
	{ "a cache attribute", "first:1M:pages:cached", 0 },
	{ "nothing", "", -EINVAL },
	{ "no size", "first", -EINVAL },
	{ "an empty size", "first:", -EINVAL },
	{ "size 0", "first:0", -EINVAL },
	{ "a negative size", "first:-1", -EINVAL },
	{ "not a size", "first:1X", -EINVAL },
	{ "no name", ":4096", -EINVAL },
	{ "a bad name", "a b:4096", -EINVAL },
	{ "an unknown backing", "first:4K:paper", -EINVAL },
	{ "an empty backing", "first:4K:", -EINVAL },
	{ "a backing that only drivers create", "first:4K:region", -EINVAL },
	{ "an unknown attribute", "first:4K:pages:warm", -EINVAL },
	{ "an impossible attribute", "first:4K:pages:device", -EOPNOTSUPP },
	{ "a fifth field", "first:4K:pages:cached:more", -EINVAL },
	{ "more memory than the machine has", "first:1024T",
	  IS_ENABLED(CONFIG_64BIT) ? -ENOMEM : -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(spec, spec_cases, sentence);

/* An element of the module parameter makes a node, or nothing. */
static void test_spec(struct kunit *test)
{
	const struct spec_case *c = test->param_value;
	struct shmbuf *other = create_pages(test), *buf;
	char spec[64];

	strscpy(spec, c->spec);
	buf = shmbuf_publish_spec(spec, NULL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(buf), c->err);
	if (IS_ERR(buf)) {
		KUNIT_EXPECT_EQ(test, shmbuf_publish(other, "first", 0600), 0);
		return;
	}
	KUNIT_EXPECT_EQ(test, shmbuf_publish(other, "first", 0600), -EEXIST);
	strscpy(spec, c->spec);
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_publish_spec(spec, NULL)),
			-EEXIST);
	shmbuf_unpublish(buf);
}

/* A driver with one node and two buffers, each at a multiple of this offset. */
#define STRIDE		(16 * PAGE_SIZE)

struct two_buffers {
	struct shmbuf *bufs[2];
};

static int two_mmap_prepare(struct vm_area_desc *desc)
{
	struct two_buffers *two = desc->file->private_data;
	unsigned long n = desc->pgoff / (STRIDE / PAGE_SIZE);

	if (n >= ARRAY_SIZE(two->bufs))
		return -EINVAL;
	desc->pgoff %= STRIDE / PAGE_SIZE;
	return shmbuf_mmap_prepare(two->bufs[n], desc);
}

static const struct file_operations two_ops = {
	.owner		= THIS_MODULE,
	.mmap_prepare	= two_mmap_prepare,
	.get_unmapped_area = thp_get_unmapped_area,
};

static struct file *open_two(struct kunit *test, u32 backing,
			     struct two_buffers *two, int flags)
{
	struct device *dev = kunit_device_register(test, "api_kunit");
	struct file *file;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	two->bufs[0] = create(test, backing, dev);
	two->bufs[1] = create(test, backing, dev);
	file = anon_inode_getfile("[kunit]", &two_ops, two, flags);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	return file;
}

static int read_byte(unsigned long addr)
{
	u8 byte;

	return get_user(byte, (u8 __user *)addr) ?: byte;
}

/* One open file maps both buffers, which are counted, sealed and revoked apart. */
static void test_two_buffers(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct two_buffers two;
	struct file *file = open_two(test, *backing, &two, O_RDWR);
	unsigned long first, second;

	*(u8 *)shmbuf_vmap(two.bufs[0]) = 1;
	*(u8 *)(shmbuf_vmap(two.bufs[1]) + PAGE_SIZE) = 2;
	first = vm_mmap(file, 0, SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, first, TASK_SIZE);
	second = vm_mmap(file, 0, 2 * PAGE_SIZE, PROT_READ, MAP_SHARED,
			 STRIDE + PAGE_SIZE);
	KUNIT_ASSERT_LT(test, second, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, read_byte(first), 1);
	KUNIT_EXPECT_EQ(test, read_byte(second), 2);
	KUNIT_EXPECT_EQ(test, two.bufs[0]->mappings, 1);
	KUNIT_EXPECT_EQ(test, two.bufs[1]->mappings, 1);
	/* The driver's file stays as it is. */
	KUNIT_EXPECT_PTR_EQ(test, file->private_data, &two);
	KUNIT_EXPECT_PTR_EQ(test, file->f_mapping, file_inode(file)->i_mapping);

	KUNIT_ASSERT_EQ(test, vm_munmap(first, SIZE), 0);
	KUNIT_EXPECT_EQ(test, two.bufs[0]->mappings, 0);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(two.bufs[0], SHMBUF_SEAL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-EPERM);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(two.bufs[1], SHMBUF_SEAL_WRITE),
			-EBUSY);
	shmbuf_revoke(two.bufs[0]);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, PROT_READ, MAP_SHARED, 0),
			(unsigned long)-ENODEV);
	KUNIT_EXPECT_EQ(test, read_byte(second), 2);
	shmbuf_revoke(two.bufs[1]);
	KUNIT_EXPECT_EQ(test, read_byte(second), -EFAULT);
	KUNIT_ASSERT_EQ(test, vm_munmap(second, 2 * PAGE_SIZE), 0);
	__fput_sync(file);
}

/* A mapping holds the buffer, not the driver; a refused one holds nothing. */
static void test_mapping_keeps_buffer(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct two_buffers two;
	struct file *file = open_two(test, *backing, &two, O_RDWR);
	struct inode *inode = &two.bufs[1]->inode;
	int count = icount_read_once(inode);
	unsigned long addr;

	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_SHARED,
				      STRIDE + PAGE_SIZE),
			(unsigned long)-EINVAL);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_PRIVATE, STRIDE),
			(unsigned long)-EINVAL);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, PROT_READ | PROT_EXEC,
				      MAP_SHARED, STRIDE),
			(unsigned long)-EPERM);
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, icount_read_once(inode), count);
	addr = vm_mmap(file, 0, SIZE, RW, MAP_SHARED, STRIDE);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	__fput_sync(file);
	KUNIT_EXPECT_EQ(test, icount_read_once(inode), count + 1);
	KUNIT_EXPECT_EQ(test, read_byte(addr), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, SIZE), 0);
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, icount_read_once(inode), count);
}

/* Adjacent mappings stay two: a merge would leak the file of the second. */
static void test_adjacent_mappings(struct kunit *test)
{
	struct two_buffers two;
	struct file *file = open_two(test, SHMBUF_BACKING_PAGES, &two, O_RDWR);
	struct inode *inode = &two.bufs[0]->inode;
	int count = icount_read_once(inode);
	unsigned long addr, next;

	addr = vm_mmap(file, 0, SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	next = addr + PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, vm_munmap(next, 2 * PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, vm_mmap(file, next, 2 * PAGE_SIZE, RW,
				      MAP_SHARED | MAP_FIXED, PAGE_SIZE), next);
	KUNIT_EXPECT_EQ(test, two.bufs[0]->mappings, 2);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, SIZE), 0);
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, two.bufs[0]->mappings, 0);
	KUNIT_EXPECT_EQ(test, icount_read_once(inode), count);
	__fput_sync(file);
}

/* The access mode is that of the driver's file. */
static void test_read_only_file(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct two_buffers two;
	struct file *file = open_two(test, *backing, &two, O_RDONLY);
	struct vm_area_struct *vma;
	struct file *again;
	unsigned long addr;

	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-EACCES);
	addr = vm_mmap(file, 0, SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, two.bufs[0]->writable_mappings, 0);
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma) {
		KUNIT_EXPECT_FALSE(test, vma->vm_file->f_mode & FMODE_WRITE);
		/* As /proc/PID/map_files does. */
		again = dentry_open(&vma->vm_file->f_path, O_RDWR,
				    current_cred());
		KUNIT_EXPECT_EQ(test, PTR_ERR(again), -ENXIO);
	}
	mmap_read_unlock(current->mm);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, SIZE), 0);
	__fput_sync(file);
}

/* A driver that forbids writable mappings of a file opened for writing. */
static int reading_mmap_prepare(struct vm_area_desc *desc)
{
	vma_desc_clear_flags(desc, VMA_MAYWRITE_BIT);
	return shmbuf_mmap_prepare(desc->file->private_data, desc);
}

static const struct file_operations reading_ops = {
	.owner		= THIS_MODULE,
	.mmap_prepare	= reading_mmap_prepare,
};

/* A private mapping without VM_MAYWRITE has no COW, so that it shows the buffer. */
static void test_private_mapping(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct two_buffers two;
	struct file *plain = open_two(test, *backing, &two, O_RDWR), *file;
	struct shmbuf *buf = two.bufs[0];
	u8 *memory = shmbuf_vmap(buf);
	unsigned long addr;

	file = anon_inode_getfile("[kunit]", &reading_ops, buf, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_EQ(test, vm_mmap(plain, 0, SIZE, PROT_READ, MAP_PRIVATE, 0),
			(unsigned long)-EINVAL);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_PRIVATE, 0),
			(unsigned long)-EINVAL);
	KUNIT_EXPECT_EQ(test, shmbuf_mappings(buf), 0);
	addr = vm_mmap(file, 0, SIZE, PROT_READ, MAP_PRIVATE, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, shmbuf_mappings(buf), 1);
	KUNIT_EXPECT_EQ(test, buf->writable_mappings, 0);
	KUNIT_EXPECT_EQ(test, read_byte(addr), 0);
	WRITE_ONCE(*memory, 1);
	KUNIT_EXPECT_EQ(test, read_byte(addr), 1);
	KUNIT_EXPECT_EQ(test, put_user(2, (u8 __user *)addr), -EFAULT);
	KUNIT_EXPECT_EQ(test, READ_ONCE(*memory), 1);
	shmbuf_revoke(buf);
	KUNIT_EXPECT_EQ(test, read_byte(addr), -EFAULT);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, SIZE), 0);
	KUNIT_EXPECT_EQ(test, shmbuf_mappings(buf), 0);
	__fput_sync(file);
	__fput_sync(plain);
}

/* A driver that replaces its buffer while an mmap() is under way. */
static int replacing_mmap_prepare(struct vm_area_desc *desc)
{
	struct shmbuf *buf = desc->file->private_data;

	return shmbuf_mmap_prepare(buf, desc) ?: shmbuf_revoke_unmapped(buf);
}

static const struct file_operations replacing_ops = {
	.owner		= THIS_MODULE,
	.mmap_prepare	= replacing_mmap_prepare,
};

static void test_revoke_unmapped(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct two_buffers two;
	struct file *plain = open_two(test, *backing, &two, O_RDWR), *file;
	unsigned long addr;

	addr = vm_mmap(plain, 0, SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, shmbuf_revoke_unmapped(two.bufs[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, read_byte(addr), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, SIZE), 0);
	KUNIT_EXPECT_EQ(test, shmbuf_revoke_unmapped(two.bufs[0]), 0);
	KUNIT_EXPECT_NULL(test, shmbuf_vmap(two.bufs[0]));
	KUNIT_EXPECT_EQ(test, vm_mmap(plain, 0, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-ENODEV);

	file = anon_inode_getfile("[kunit]", &replacing_ops, two.bufs[1],
				  O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-ENODEV);
	KUNIT_EXPECT_EQ(test, shmbuf_mappings(two.bufs[1]), 0);
	__fput_sync(file);
	__fput_sync(plain);
}

static int shmbuf_api_init(struct kunit *test)
{
	return kunit_attach_mm();
}

static struct kunit_case shmbuf_api_cases[] = {
	KUNIT_CASE(test_kernel_buffer),
	KUNIT_CASE(test_bad_arguments),
	KUNIT_CASE(test_references),
	KUNIT_CASE(test_revoked),
	KUNIT_CASE(test_sync_range),
	KUNIT_CASE_PARAM(test_dma_addr, backing_gen_params),
	KUNIT_CASE_PARAM(test_names, name_gen_params),
	KUNIT_CASE(test_published_twice),
	KUNIT_CASE(test_node_keeps_buffer),
	KUNIT_CASE_PARAM(test_spec, spec_gen_params),
	KUNIT_CASE_PARAM(test_two_buffers, backing_gen_params),
	KUNIT_CASE_PARAM(test_mapping_keeps_buffer, backing_gen_params),
	KUNIT_CASE(test_adjacent_mappings),
	KUNIT_CASE_PARAM(test_read_only_file, backing_gen_params),
	KUNIT_CASE_PARAM(test_private_mapping, backing_gen_params),
	KUNIT_CASE_PARAM(test_revoke_unmapped, backing_gen_params),
	{}
};

static struct kunit_suite shmbuf_api_suite = {
	.name		= "shmbuf_api",
	.init		= shmbuf_api_init,
	.test_cases	= shmbuf_api_cases,
};

kunit_test_suite(shmbuf_api_suite);

MODULE_DESCRIPTION("KUnit tests for the in-kernel interface of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
