// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for ->mmap_prepare(): what becomes of the description of a mapping
 * that a process asks for. Nothing is mapped here.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/string.h>

#include "../geometry.h"
#include "../shmbuf.h"
#include "create.h"

#define PAGES		4
#define SIZE		(PAGES * PAGE_SIZE)

/* The flags for PROT_READ of a file that is open for reading and writing. */
#define SHARED		mk_vma_flags(VMA_READ_BIT, VMA_MAYREAD_BIT,	\
				     VMA_MAYWRITE_BIT, VMA_MAYEXEC_BIT,	\
				     VMA_SHARED_BIT, VMA_MAYSHARE_BIT)
/* And of one open for reading. */
#define READ_ONLY	mk_vma_flags(VMA_READ_BIT, VMA_MAYREAD_BIT,	\
				     VMA_MAYEXEC_BIT, VMA_MAYSHARE_BIT)

static int prepare(struct vm_area_desc *desc)
{
	return shmbuf_prepare_mapping(shmbuf_of_file(desc->file), desc);
}

static void put_file(void *file)
{
	__fput_sync(file);
}

/* Or NULL where there is no such backing. */
static struct file *try_create(struct kunit *test, u32 backing)
{
	struct shmbuf_create args = {
		.size = SIZE,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
	};
	struct file *file = create_buffer_file(&args, test->priv);

	if (PTR_ERR(file) == -EOPNOTSUPP)
		return NULL;
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_file, file),
			0);
	return file;
}

static struct file *create(struct kunit *test, u32 backing)
{
	struct file *file = try_create(test, backing);

	if (!file)
		kunit_skip(test, "this kernel has no such backing");
	return file;
}

static const u32 backings[] = {
	SHMBUF_BACKING_PAGES,
	SHMBUF_BACKING_CONTIG,
	SHMBUF_BACKING_COHERENT,
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

/* The flags that a mapping gets, and the one that it loses. */
static void test_flags(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct file *file = create(test, *backing);
	struct shmbuf *buf = shmbuf_of_file(file);
	struct vm_area_desc desc = {
		.file = file,
		.end = SIZE,
		.vma_flags = SHARED,
	};
	bool pages = *backing == SHMBUF_BACKING_PAGES;
	bool coherent = *backing == SHMBUF_BACKING_COHERENT;

	KUNIT_ASSERT_EQ(test, prepare(&desc), 0);
	KUNIT_EXPECT_EQ(test, vma_desc_test(&desc, VMA_PFNMAP_BIT),
			!pages && (!coherent || buf->pfn));
	KUNIT_EXPECT_EQ(test, vma_desc_test(&desc, VMA_DONTDUMP_BIT), !pages);
	KUNIT_EXPECT_EQ(test, vma_desc_test(&desc, VMA_HUGEPAGE_BIT), pages);
	KUNIT_EXPECT_EQ(test, vma_desc_test(&desc, VMA_IO_BIT), !pages);
	/* mm may extend or merge an ordinary file mapping. */
	KUNIT_EXPECT_EQ(test, vma_desc_test(&desc, VMA_DONTEXPAND_BIT), !pages);
	/* With struct pages, only a plain VMA splits huge entries right. */
	KUNIT_EXPECT_FALSE(test, vma_desc_test(&desc, VMA_MIXEDMAP_BIT));
	KUNIT_EXPECT_TRUE(test, vma_desc_test(&desc, VMA_MAYWRITE_BIT));
	KUNIT_EXPECT_FALSE(test, vma_desc_test(&desc, VMA_MAYEXEC_BIT));
	/* ->mapped() is where a mapping begins to count. */
	KUNIT_EXPECT_PTR_NE(test, desc.private_data, (void *)buf);
	KUNIT_EXPECT_EQ(test, buf->mappings, 0);
	KUNIT_EXPECT_EQ(test, desc.action.type, MMAP_NOTHING);
}

/* ->mapped() learns from the private data which mappings may be written. */
static void test_operations(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct file *file = create(test, *backing);
	struct vm_area_desc writable = {
		.file = file,
		.end = SIZE,
		.vma_flags = SHARED,
	};
	struct vm_area_desc read_only = {
		.file = file,
		.end = SIZE,
		.vma_flags = READ_ONLY,
	};

	KUNIT_ASSERT_EQ(test, prepare(&writable), 0);
	KUNIT_ASSERT_EQ(test, prepare(&read_only), 0);
	KUNIT_ASSERT_NOT_NULL(test, writable.vm_ops);
	KUNIT_EXPECT_PTR_EQ(test, writable.vm_ops, read_only.vm_ops);
	KUNIT_EXPECT_TRUE(test, (unsigned long)writable.private_data & VM_MAYWRITE);
	KUNIT_EXPECT_FALSE(test, (unsigned long)read_only.private_data & VM_MAYWRITE);
	KUNIT_EXPECT_FALSE(test, vma_desc_test(&read_only, VMA_MAYWRITE_BIT));
}

struct window_case {
	const char *sentence;
	pgoff_t pgoff;
	size_t len;
	int err;
};

static const struct window_case window_cases[] = {
	{ "all of the buffer", 0, SIZE, 0 },
	{ "the first page", 0, PAGE_SIZE, 0 },
	{ "pages in the middle", 1, 2 * PAGE_SIZE, 0 },
	{ "the last page", PAGES - 1, PAGE_SIZE, 0 },
	{ "a page more than all", 0, SIZE + PAGE_SIZE, -EINVAL },
	{ "the last page and one more", PAGES - 1, 2 * PAGE_SIZE, -EINVAL },
	{ "the page after the last", PAGES, PAGE_SIZE, -EINVAL },
	{ "an offset whose bytes wrap to 0", ULONG_MAX / PAGE_SIZE + 1,
	  PAGE_SIZE, -EINVAL },
	{ "an offset whose end wraps to 0", ULONG_MAX, PAGE_SIZE, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(window, window_cases, sentence);

/* The window is inside the buffer, or there is none, whatever the backing. */
static void test_window(struct kunit *test)
{
	const struct window_case *c = test->param_value;
	int i;

	for (i = 0; i < ARRAY_SIZE(backings); i++) {
		struct vm_area_desc desc = {
			.file = try_create(test, backings[i]),
			.pgoff = c->pgoff,
			.start = SIZE,
			.end = SIZE + c->len,
			.vma_flags = SHARED,
		};

		if (!desc.file)
			continue;
		KUNIT_EXPECT_EQ(test, prepare(&desc), c->err);
		KUNIT_EXPECT_EQ(test, !desc.vm_ops, !!c->err);
	}
}

/* A private mapping could be written without the buffer being so. */
static void test_private(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct vm_area_desc desc = {
		.file = create(test, *backing),
		.end = SIZE,
		.vma_flags = mk_vma_flags(VMA_READ_BIT, VMA_MAYREAD_BIT,
					  VMA_MAYWRITE_BIT, VMA_MAYEXEC_BIT),
	};

	KUNIT_EXPECT_EQ(test, prepare(&desc), -EINVAL);
	KUNIT_EXPECT_NULL(test, desc.vm_ops);
}

/*
 * Pseudo filesystems are noexec (SB_I_NOEXEC), so mm refuses this before the
 * driver is asked; a file of another driver need not be on one.
 */
static void test_exec(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct vm_area_desc desc = {
		.file = create(test, *backing),
		.end = SIZE,
		.vma_flags = SHARED,
	};

	vma_desc_set_flags(&desc, VMA_EXEC_BIT);
	KUNIT_EXPECT_EQ(test, prepare(&desc), -EPERM);
	KUNIT_EXPECT_NULL(test, desc.vm_ops);
}

/* A mapping of a sealed buffer is read-only, and cannot become writable. */
static void test_sealed(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct file *file = create(test, *backing);
	struct vm_area_desc shared = {
		.file = file,
		.end = SIZE,
		.vma_flags = SHARED,
	};
	struct vm_area_desc read_only = {
		.file = file,
		.end = SIZE,
		.vma_flags = READ_ONLY,
	};

	KUNIT_ASSERT_EQ(test, shmbuf_seal(shmbuf_of_file(file),
					  SHMBUF_SEAL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, prepare(&shared), 0);
	KUNIT_EXPECT_FALSE(test, vma_desc_test(&shared, VMA_MAYWRITE_BIT));
	KUNIT_EXPECT_EQ(test, prepare(&read_only), 0);
	KUNIT_EXPECT_PTR_EQ(test, shared.vm_ops, read_only.vm_ops);
}

/* And not to be written; other seals have nothing to do with it. */
static void test_writing_sealed(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct file *file = create(test, *backing);
	struct vm_area_desc desc = {
		.file = file,
		.end = SIZE,
		.vma_flags = SHARED,
	};

	vma_desc_set_flags(&desc, VMA_WRITE_BIT);
	KUNIT_ASSERT_EQ(test, shmbuf_seal(shmbuf_of_file(file),
					  SHMBUF_SEAL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, prepare(&desc), -EPERM);
	KUNIT_EXPECT_NULL(test, desc.vm_ops);

	desc.file = create(test, *backing);
	KUNIT_ASSERT_EQ(test, shmbuf_seal(shmbuf_of_file(desc.file),
					  SHMBUF_SEAL_SEAL), 0);
	KUNIT_EXPECT_EQ(test, prepare(&desc), 0);
}

/* A revoked buffer cannot be mapped. ENODEV precedes other errors. */
static void test_revoked(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct vm_area_desc desc = {
		.file = create(test, *backing),
		.end = SIZE,
		.vma_flags = SHARED,
	};

	shmbuf_revoke(shmbuf_of_file(desc.file));
	KUNIT_EXPECT_EQ(test, prepare(&desc), -ENODEV);
	desc.pgoff = PAGES;
	KUNIT_EXPECT_EQ(test, prepare(&desc), -ENODEV);
	KUNIT_EXPECT_NULL(test, desc.vm_ops);
}

/*
 * Page table entries are to have the cache attribute of the buffer. Where an
 * architecture knows but one, all of these are the same.
 */
static void test_cache_attribute(struct kunit *test)
{
	struct file *file = create(test, SHMBUF_BACKING_CONTIG);
	struct shmbuf *buf = shmbuf_of_file(file);
	const pgprot_t prot = vm_get_page_prot(VM_READ | VM_SHARED);
	const pgprot_t expected[] = {
		[SHMBUF_CACHE_CACHED]		= prot,
		[SHMBUF_CACHE_WRITE_COMBINE]	= pgprot_writecombine(prot),
		[SHMBUF_CACHE_UNCACHED]		= pgprot_noncached(prot),
		[SHMBUF_CACHE_DEVICE]		= pgprot_device(prot),
	};
	u32 cache;

	for (cache = 0; cache < ARRAY_SIZE(expected); cache++) {
		struct vm_area_desc desc = {
			.file = file,
			.end = SIZE,
			.page_prot = prot,
			.vma_flags = SHARED,
		};

		buf->cache = cache;
		KUNIT_EXPECT_EQ(test, prepare(&desc), 0);
		KUNIT_EXPECT_EQ(test, pgprot_val(desc.page_prot),
				pgprot_val(expected[cache]));
	}
	buf->cache = SHMBUF_CACHE_CACHED;
}

static int mmap_test_init(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "shmbuf_mmap_kunit");

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	test->priv = dev;
	return 0;
}

static struct kunit_case shmbuf_mmap_cases[] = {
	KUNIT_CASE_PARAM(test_flags, backing_gen_params),
	KUNIT_CASE_PARAM(test_operations, backing_gen_params),
	KUNIT_CASE_PARAM(test_window, window_gen_params),
	KUNIT_CASE_PARAM(test_private, backing_gen_params),
	KUNIT_CASE_PARAM(test_exec, backing_gen_params),
	KUNIT_CASE_PARAM(test_sealed, backing_gen_params),
	KUNIT_CASE_PARAM(test_writing_sealed, backing_gen_params),
	KUNIT_CASE_PARAM(test_revoked, backing_gen_params),
	KUNIT_CASE(test_cache_attribute),
	{}
};

static struct kunit_suite shmbuf_mmap_suite = {
	.name = "shmbuf_mmap",
	.init = mmap_test_init,
	.test_cases = shmbuf_mmap_cases,
};

kunit_test_suite(shmbuf_mmap_suite);

MODULE_DESCRIPTION("KUnit tests for ->mmap_prepare() of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
