// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the memory behind a buffer: got in full or not at all, whole
 * when there is plenty, in pieces when there is not, and given back to the last
 * page.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "../shmbuf.h"

static struct file *create(u32 backing, u64 size)
{
	struct shmbuf_create args = {
		.size = size,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "backing_kunit",
	};

	return shmbuf_create_file(&args);
}

static void put_file(void *file)
{
	__fput_sync(file);
}

/* A file that is closed at the latest when the test ends. */
static struct file *create_file(struct kunit *test, u32 backing, u64 size)
{
	struct file *file = create(backing, size);

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_file, file),
			0);
	return file;
}

/* The page cache of the buffer has a folio at @index; its order. */
static unsigned int order_at(struct kunit *test, struct file *file,
			     pgoff_t index)
{
	struct folio *folio = filemap_get_folio(file->f_mapping, index);
	unsigned int order;

	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	order = folio_order(folio);
	folio_put(folio);
	return order;
}

static const u32 backings[] = { SHMBUF_BACKING_PAGES, SHMBUF_BACKING_CONTIG };

static void backing_desc(const u32 *backing, char *desc)
{
	strscpy(desc, *backing == SHMBUF_BACKING_PAGES ? "pages" : "contig",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(backing, backings, backing_desc);

/* Every byte is 0, those that nobody asked for too. */
static void test_zeroed(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct file *file;
	void *vaddr;
	int round;

	/* Memory that was just freed is the next to be given out. */
	for (round = 0; round < 3; round++) {
		file = create_file(test, *backing, 5 * PAGE_SIZE - 100);
		vaddr = shmbuf_vmap(shmbuf_of_file(file));
		KUNIT_ASSERT_NOT_NULL(test, vaddr);
		KUNIT_EXPECT_NULL(test, memchr_inv(vaddr, 0, 5 * PAGE_SIZE));
		memset(vaddr, 0xaa, 5 * PAGE_SIZE);
		kunit_release_action(test, put_file, file);
	}
}

/* When the buffer is gone, only the test's own reference is left. */
static void test_freed_to_the_last_page(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct page *pages[5];
	struct file *file;
	void *vaddr;
	int i;

	file = create_file(test, *backing, sizeof(pages) / sizeof(*pages) *
					   PAGE_SIZE);
	vaddr = shmbuf_vmap(shmbuf_of_file(file));
	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = is_vmalloc_addr(vaddr) ?
			   vmalloc_to_page(vaddr + i * PAGE_SIZE) :
			   virt_to_page(vaddr + i * PAGE_SIZE);
		get_page(pages[i]);
	}
	kunit_release_action(test, put_file, file);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		struct folio *folio = page_folio(pages[i]);

		KUNIT_EXPECT_NULL(test, folio->mapping);
		/* Pages of one folio have their references in common. */
		KUNIT_EXPECT_LE(test, folio_ref_count(folio),
				folio_nr_pages(folio));
	}
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		put_page(pages[i]);
}

/* More than there is: an errno, and neither a warning nor a killed process. */
static void test_too_large(struct kunit *test)
{
	const u32 *backing = test->param_value;

	KUNIT_EXPECT_EQ(test, PTR_ERR(create(*backing, (u64)LONG_MAX / 2)),
			-ENOMEM);
}

/* A kernel address is there when asked for, and then stays the same. */
static void test_vmap_once(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct file *file = create_file(test, *backing, 3 * PAGE_SIZE);
	struct shmbuf *buf = shmbuf_of_file(file);
	void *vaddr = shmbuf_vmap(buf);

	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	KUNIT_EXPECT_PTR_EQ(test, shmbuf_vmap(buf), vaddr);
	KUNIT_EXPECT_PTR_EQ(test, buf->vaddr, vaddr);
}

/* With plenty of memory, the folios are as large as the size allows. */
static void test_large_folios(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_PAGES,
					13 * PAGE_SIZE);

	if (!mapping_large_folio_support(file->f_mapping)) {
		KUNIT_EXPECT_EQ(test, order_at(test, file, 0), 0);
		return;
	}
	KUNIT_EXPECT_EQ(test, order_at(test, file, 0), 3);
	KUNIT_EXPECT_EQ(test, order_at(test, file, 8), 2);
	KUNIT_EXPECT_EQ(test, order_at(test, file, 12), 0);
}

/* What is given out before memory "runs out", and in which pieces. */
static unsigned int largest_order;
static int folios_left;

static struct folio *stingy_alloc(unsigned int order, int numa_node)
{
	struct folio *folio;

	if (order > largest_order || folios_left-- <= 0)
		return NULL;
	folio = folio_alloc(GFP_KERNEL | __GFP_ZERO, order);
	return folio;
}

/* Fragmented memory is no failure. */
static void test_fragmented(struct kunit *test)
{
	struct file *file;
	int i;

	largest_order = 0;
	folios_left = 1000;
	kunit_activate_static_stub(test, shmbuf_alloc_folio, stingy_alloc);
	file = create_file(test, SHMBUF_BACKING_PAGES, 600 * PAGE_SIZE);
	for (i = 0; i < 600; i++)
		KUNIT_EXPECT_EQ(test, order_at(test, file, i), 0);
	KUNIT_EXPECT_EQ(test, folios_left, 400);
	KUNIT_EXPECT_EQ(test, shmbuf_of_file(file)->map_unit, PAGE_SIZE);
}

/* When memory ends half-way, what there was goes back. */
static void test_memory_ends(struct kunit *test)
{
	static const int steps[] = { 0, 1, 2, 7 };
	struct folio *folio;
	int i;

	largest_order = 0;
	kunit_activate_static_stub(test, shmbuf_alloc_folio, stingy_alloc);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		folios_left = steps[i];
		KUNIT_EXPECT_EQ(test, PTR_ERR(create(SHMBUF_BACKING_PAGES,
						     8 * PAGE_SIZE)), -ENOMEM);
	}
	/* And the next one that fits is a good one. */
	folios_left = 8;
	folio = filemap_get_folio(create_file(test, SHMBUF_BACKING_PAGES,
					      8 * PAGE_SIZE)->f_mapping, 7);
	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_uptodate(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(folio));
	KUNIT_EXPECT_TRUE(test, mapping_unevictable(folio->mapping));
	folio_put(folio);
}

static struct kunit_case shmbuf_backing_cases[] = {
	KUNIT_CASE_PARAM(test_zeroed, backing_gen_params),
	KUNIT_CASE_PARAM(test_freed_to_the_last_page, backing_gen_params),
	KUNIT_CASE_PARAM(test_too_large, backing_gen_params),
	KUNIT_CASE_PARAM(test_vmap_once, backing_gen_params),
	KUNIT_CASE(test_large_folios),
	KUNIT_CASE(test_fragmented),
	KUNIT_CASE(test_memory_ends),
	{}
};

static struct kunit_suite shmbuf_backing_suite = {
	.name = "shmbuf_backing",
	.test_cases = shmbuf_backing_cases,
};

kunit_test_suite(shmbuf_backing_suite);

MODULE_DESCRIPTION("KUnit tests for the memory of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
