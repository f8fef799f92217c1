// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the DMA-BUF of a buffer: an importer with a device that does no
 * DMA attaches, maps, and loses its mapping at revocation.
 */

#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/pfn.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../shmbuf.h"

#define PAGES		5
#define SIZE		(PAGES * PAGE_SIZE)
#define RW		(PROT_READ | PROT_WRITE)

struct dmabuf_test {
	struct device *owner;	/* of DMA memory */
	struct device *importer;
	struct shmbuf *buf;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct completion told;
};

static void invalidate(struct dma_buf_attachment *attach)
{
	struct dmabuf_test *t = attach->importer_priv;

	complete(&t->told);
}

static const struct dma_buf_attach_ops revocable_ops = {
	.invalidate_mappings	= invalidate,
};

static struct dma_buf_attachment *attach(struct dmabuf_test *t, bool revocable)
{
	if (!revocable)
		return dma_buf_attach(t->dmabuf, t->importer);
	return dma_buf_dynamic_attach(t->dmabuf, t->importer, &revocable_ops, t);
}

static void put_dmabuf(struct dma_buf *dmabuf)
{
	dma_buf_put(dmabuf);
	flush_delayed_fput();
}

static void clean_up(void *data)
{
	struct dmabuf_test *t = data;

	if (!IS_ERR_OR_NULL(t->sgt))
		dma_buf_unmap_attachment_unlocked(t->attach, t->sgt,
						  DMA_BIDIRECTIONAL);
	if (!IS_ERR_OR_NULL(t->attach))
		dma_buf_detach(t->dmabuf, t->attach);
	if (!IS_ERR_OR_NULL(t->dmabuf))
		put_dmabuf(t->dmabuf);
	if (!IS_ERR_OR_NULL(t->buf)) {
		shmbuf_revoke(t->buf);
		shmbuf_put(t->buf);
	}
}

static struct device *register_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	return dev;
}

static struct dmabuf_test *create(struct kunit *test, u32 backing)
{
	struct shmbuf_create args = {
		.size = SIZE,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "dmabuf_kunit",
	};
	struct dmabuf_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	init_completion(&t->told);
	t->owner = register_device(test, "dmabuf_owner");
	t->importer = register_device(test, "dmabuf_importer");
	t->buf = shmbuf_create(&args, t->owner);
	if (PTR_ERR(t->buf) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel has no such backing");
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->buf));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, clean_up, t), 0);
	return t;
}

static struct dmabuf_test *export(struct kunit *test, u32 backing)
{
	struct dmabuf_test *t = create(test, backing);

	t->dmabuf = shmbuf_export(t->buf);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->dmabuf));
	return t;
}

/* Attached and mapped for the importer. */
static struct dmabuf_test *import(struct kunit *test, u32 backing)
{
	struct dmabuf_test *t = export(test, backing);

	t->attach = attach(t, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->attach));
	t->sgt = dma_buf_map_attachment_unlocked(t->attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->sgt));
	return t;
}

static const u32 backings[] = {
	SHMBUF_BACKING_PAGES, SHMBUF_BACKING_CONTIG, SHMBUF_BACKING_STREAM,
};

static void backing_desc(const u32 *backing, char *desc)
{
	static const char *const names[] = {
		"pages", "contig", "coherent", "stream"
	};

	strscpy(desc, names[*backing], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(backing, backings, backing_desc);

/* While it exists, there is one DMA-BUF. It holds the buffer. */
static void test_one_dmabuf(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = create(test, *backing);
	int count = icount_read_once(&t->buf->inode);
	struct dma_buf *again;

	t->dmabuf = shmbuf_export(t->buf);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->dmabuf));
	KUNIT_EXPECT_EQ(test, t->dmabuf->size, SIZE);
	KUNIT_EXPECT_EQ(test, icount_read_once(&t->buf->inode), count + 1);
	again = shmbuf_export(t->buf);
	KUNIT_EXPECT_PTR_EQ(test, again, t->dmabuf);
	put_dmabuf(again);
	KUNIT_EXPECT_EQ(test, t->buf->writers, 1);
	put_dmabuf(t->dmabuf);
	KUNIT_EXPECT_NULL(test, t->buf->dmabuf);
	KUNIT_EXPECT_EQ(test, t->buf->writers, 0);
	KUNIT_EXPECT_EQ(test, icount_read_once(&t->buf->inode), count);
	t->dmabuf = shmbuf_export(t->buf);
	KUNIT_EXPECT_FALSE(test, IS_ERR(t->dmabuf));
}

/* A path descriptor delays the release, and the file is not used again meanwhile. */
static void test_export_during_release(struct kunit *test)
{
	struct dmabuf_test *t = export(test, SHMBUF_BACKING_PAGES);
	struct path path = t->dmabuf->file->f_path;
	struct dma_buf *old = t->dmabuf;

	path_get(&path);
	put_dmabuf(old);
	t->dmabuf = shmbuf_export(t->buf);
	KUNIT_EXPECT_FALSE(test, IS_ERR(t->dmabuf));
	KUNIT_EXPECT_PTR_NE(test, t->dmabuf, old);
	KUNIT_EXPECT_EQ(test, t->buf->writers, 2);
	path_put(&path);
	KUNIT_EXPECT_EQ(test, t->buf->writers, 1);
	KUNIT_EXPECT_NOT_NULL(test, t->buf->dmabuf);
}

/* The importer's device sees the pages of the buffer, in order. */
static void test_same_bytes(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = import(test, *backing);
	u8 *vaddr = shmbuf_vmap(t->buf);
	struct scatterlist *sg;
	size_t offset = 0;
	phys_addr_t phys;
	int i;

	for (i = 0; i < SIZE; i++)
		vaddr[i] = i / PAGE_SIZE + i;
	for_each_sgtable_dma_sg(t->sgt, sg, i) {
		phys = dma_to_phys(t->importer, sg_dma_address(sg));
		KUNIT_ASSERT_LE(test, sg_dma_len(sg), SIZE - offset);
		KUNIT_EXPECT_MEMEQ(test, phys_to_virt(phys), vaddr + offset,
				   sg_dma_len(sg));
		offset += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, offset, SIZE);
}

/* No segment is longer than the device can take. */
static void test_segments(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = export(test, *backing);
	struct device_dma_parameters params = {
		.max_segment_size = PAGE_SIZE
	};

	t->importer->dma_parms = &params;
	t->attach = attach(t, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->attach));
	/* Not even a page: refused, and no endless loop. */
	params.max_segment_size = PAGE_SIZE - 1;
	t->sgt = dma_buf_map_attachment_unlocked(t->attach, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, PTR_ERR(t->sgt), -EINVAL);
	params.max_segment_size = PAGE_SIZE;
	t->sgt = dma_buf_map_attachment_unlocked(t->attach, DMA_TO_DEVICE);
	t->importer->dma_parms = NULL;
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->sgt));
	KUNIT_EXPECT_EQ(test, t->sgt->nents, PAGES);
	dma_buf_unmap_attachment_unlocked(t->attach, t->sgt, DMA_TO_DEVICE);
	t->sgt = NULL;
}

/* Memory of a device is only for importers that can give it up. */
static void test_static_importer(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = export(test, *backing);

	t->attach = attach(t, false);
	if (*backing == SHMBUF_BACKING_STREAM) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(t->attach), -EOPNOTSUPP);
		return;
	}
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->attach));
	t->sgt = dma_buf_map_attachment_unlocked(t->attach, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_FALSE(test, IS_ERR(t->sgt));
}

struct revoker {
	struct shmbuf *buf;
	struct completion done;
};

static int revoke_in_thread(void *data)
{
	struct revoker *revoker = data;

	shmbuf_revoke(revoker->buf);
	complete(&revoker->done);
	return 0;
}

/* Importers are told, and the memory of a device stays until they have let go. */
static void test_revoked(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = import(test, *backing);
	struct revoker revoker = { .buf = t->buf };
	bool waits = *backing == SHMBUF_BACKING_STREAM;
	struct task_struct *task;
	struct sg_table *sgt;

	init_completion(&revoker.done);
	task = kthread_run(revoke_in_thread, &revoker, "shmbuf_revoker");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wait_for_completion(&t->told);
	if (waits) {
		KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&revoker.done,
								  HZ / 10), 0);
		KUNIT_EXPECT_NOT_NULL(test, t->buf->map.vaddr);
	}
	sgt = dma_buf_map_attachment_unlocked(t->attach, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, PTR_ERR(sgt), -ENODEV);
	if (!waits)
		wait_for_completion(&revoker.done);
	dma_buf_unmap_attachment_unlocked(t->attach, t->sgt, DMA_BIDIRECTIONAL);
	t->sgt = NULL;
	if (waits)
		wait_for_completion(&revoker.done);
	KUNIT_EXPECT_EQ(test, !t->buf->map.vaddr, waits);
	dma_buf_detach(t->dmabuf, t->attach);
	t->attach = attach(t, true);
	KUNIT_EXPECT_EQ(test, PTR_ERR(t->attach), -ENODEV);
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_export(t->buf)), -ENODEV);
}

static void test_vmap(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = export(test, *backing);
	struct iosys_map map;
	int err = dma_buf_vmap_unlocked(t->dmabuf, &map);

	if (*backing == SHMBUF_BACKING_STREAM) {
		KUNIT_EXPECT_EQ(test, err, -EINVAL);
		return;
	}
	KUNIT_ASSERT_EQ(test, err, 0);
	KUNIT_EXPECT_PTR_EQ(test, map.vaddr, shmbuf_vmap(t->buf));
	shmbuf_revoke(t->buf);
	memset(map.vaddr, 1, SIZE);
	dma_buf_vunmap_unlocked(t->dmabuf, &map);
}

/* mmap() of the DMA-BUF is mmap() of the buffer. */
static void test_mmap(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = export(test, *backing);
	struct file *file = t->dmabuf->file;
	u8 __user *user;
	u8 byte;

	*(u8 *)(shmbuf_vmap(t->buf) + PAGE_SIZE) = 42;
	user = (u8 __user *)vm_mmap(file, 0, 2 * PAGE_SIZE, RW, MAP_SHARED,
				    PAGE_SIZE);
	KUNIT_ASSERT_LT(test, (unsigned long)user, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, t->buf->mappings, 1);
	KUNIT_EXPECT_EQ(test, t->buf->writable_mappings, 1);
	KUNIT_EXPECT_EQ(test, get_user(byte, user), 0);
	KUNIT_EXPECT_EQ(test, byte, 42);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_SHARED, PAGE_SIZE),
			(unsigned long)-EINVAL);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_PRIVATE, 0),
			(unsigned long)-EINVAL);
	KUNIT_EXPECT_EQ(test, t->buf->mappings, 1);
	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_EQ(test, get_user(byte, user), -EFAULT);
	KUNIT_EXPECT_EQ(test, vm_munmap((unsigned long)user, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, t->buf->mappings, 0);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-ENODEV);
}

/* A DMA-BUF counts as a writer for as long as it exists. */
static void test_seals(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = export(test, *backing);

	KUNIT_EXPECT_EQ(test, shmbuf_seal(t->buf, SHMBUF_SEAL_WRITE), -EBUSY);
	put_dmabuf(t->dmabuf);
	t->dmabuf = NULL;
	t->buf->sealing = true;
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_export(t->buf)), -EAGAIN);
	t->buf->sealing = false;
	KUNIT_EXPECT_EQ(test, shmbuf_seal(t->buf, SHMBUF_SEAL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_export(t->buf)), -EPERM);
	KUNIT_EXPECT_EQ(test, t->buf->writers, 0);
}

/* dma_get_sgtable() is not reliable, so coherent memory is not exported. */
static void test_coherent(struct kunit *test)
{
	struct dmabuf_test *t = create(test, SHMBUF_BACKING_COHERENT);

	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_export(t->buf)), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, t->buf->writers, 0);
}

/* Access of the CPU, with and without mappings, and after revocation. */
static void test_cpu_access(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct dmabuf_test *t = import(test, *backing);
	const enum dma_data_direction dir = DMA_BIDIRECTIONAL;

	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(t->dmabuf, dir), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(t->dmabuf, dir), 0);
	dma_buf_unmap_attachment_unlocked(t->attach, t->sgt, dir);
	t->sgt = NULL;
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(t->dmabuf, dir), 0);
	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(t->dmabuf, dir), -ENODEV);
}

/* The DMA-BUF is enough to keep the memory. */
static void test_outlives_buffer(struct kunit *test)
{
	struct dmabuf_test *t = import(test, SHMBUF_BACKING_PAGES);
	struct iosys_map map;

	memset(shmbuf_vmap(t->buf), 7, SIZE);
	shmbuf_put(t->buf);
	t->buf = NULL;
	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(t->dmabuf, &map), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(map.vaddr, 7, SIZE));
	dma_buf_vunmap_unlocked(t->dmabuf, &map);
}

static int map_direct(struct shmbuf *buf)
{
	iosys_map_set_vaddr(&buf->map, phys_to_virt(PFN_PHYS(buf->pfn)));
	return 0;
}

/*
 * A region is exported if it has a provider, and only for importers that can reach
 * memory of another device. This importer cannot be reached by the provider.
 */
static void test_region(struct kunit *test)
{
	static const struct dma_buf_attach_ops peer_ops = {
		.allow_peer2peer	= true,
		.invalidate_mappings	= invalidate,
	};
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	void *memory = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	struct dmabuf_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct shmbuf_region region = {
		.size = PAGE_SIZE,
		.name = "dmabuf_kunit",
	};
	struct p2pdma_provider provider = {};

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	KUNIT_ASSERT_NOT_NULL(test, t);
	kunit_activate_static_stub(test, shmbuf_map_region, map_direct);
	init_completion(&t->told);
	t->importer = register_device(test, "dmabuf_importer");
	region.start = virt_to_phys(PTR_ALIGN(memory, PAGE_SIZE));
	t->buf = shmbuf_wrap_region(&region);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->buf));
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_export(t->buf)), -EOPNOTSUPP);
	shmbuf_put(t->buf);

	provider.owner = &pdev->dev;
	region.provider = &provider;
	t->buf = shmbuf_wrap_region(&region);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->buf));
	t->dmabuf = shmbuf_export(t->buf);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->dmabuf));
	KUNIT_EXPECT_EQ(test, PTR_ERR(attach(t, false)), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, PTR_ERR(attach(t, true)), -EOPNOTSUPP);
	t->attach = dma_buf_dynamic_attach(t->dmabuf, t->importer, &peer_ops, t);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->attach));
	t->sgt = dma_buf_map_attachment_unlocked(t->attach, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(t->sgt), -EINVAL);
	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_TRUE(test, completion_done(&t->told));
	t->sgt = dma_buf_map_attachment_unlocked(t->attach, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(t->sgt), -ENODEV);
	clean_up(t);
}

static int shmbuf_dmabuf_init(struct kunit *test)
{
	return kunit_attach_mm();
}

static struct kunit_case shmbuf_dmabuf_cases[] = {
	KUNIT_CASE_PARAM(test_one_dmabuf, backing_gen_params),
	KUNIT_CASE(test_export_during_release),
	KUNIT_CASE_PARAM(test_same_bytes, backing_gen_params),
	KUNIT_CASE_PARAM(test_segments, backing_gen_params),
	KUNIT_CASE_PARAM(test_static_importer, backing_gen_params),
	KUNIT_CASE_PARAM(test_revoked, backing_gen_params),
	KUNIT_CASE_PARAM(test_vmap, backing_gen_params),
	KUNIT_CASE_PARAM(test_mmap, backing_gen_params),
	KUNIT_CASE_PARAM(test_seals, backing_gen_params),
	KUNIT_CASE(test_coherent),
	KUNIT_CASE_PARAM(test_cpu_access, backing_gen_params),
	KUNIT_CASE(test_outlives_buffer),
	KUNIT_CASE(test_region),
	{}
};

static struct kunit_suite shmbuf_dmabuf_suite = {
	.name		= "shmbuf_dmabuf",
	.init		= shmbuf_dmabuf_init,
	.test_cases	= shmbuf_dmabuf_cases,
};

kunit_test_suite(shmbuf_dmabuf_suite);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for the DMA-BUF of shmbuf");
MODULE_LICENSE("GPL");
