// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the arithmetic of shmbuf: every function at its boundaries,
 * one step to each side of them, and where a careless sum would wrap.
 */

#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "../geometry.h"

#define UNTOUCHED	0xa5a5

struct round_case {
	const char *sentence;
	u64 size;
	int err;
	size_t rounded;
};

static const struct round_case round_cases[] = {
	{ "zero bytes are refused", 0, -EINVAL },
	{ "one byte takes a whole page", 1, 0, PAGE_SIZE },
	{ "a hundred bytes take a whole page", 100, 0, PAGE_SIZE },
	{ "a page less one takes the page", PAGE_SIZE - 1, 0, PAGE_SIZE },
	{ "a page stays a page", PAGE_SIZE, 0, PAGE_SIZE },
	{ "a page and one byte take two", PAGE_SIZE + 1, 0, 2 * PAGE_SIZE },
	{ "the largest buffer is allowed",
	  SHMBUF_MAX_SIZE, 0, SHMBUF_MAX_SIZE },
	{ "the largest buffer less one is rounded up to it",
	  SHMBUF_MAX_SIZE - 1, 0, SHMBUF_MAX_SIZE },
	{ "one byte more than the largest is refused",
	  (u64)SHMBUF_MAX_SIZE + 1, -EINVAL },
	{ "LONG_MAX is refused", LONG_MAX, -EINVAL },
	{ "the last whole page of the range is refused",
	  ULONG_MAX - PAGE_SIZE + 1, -EINVAL },
	{ "what PAGE_ALIGN() would wrap to 0 is refused", ULONG_MAX, -EINVAL },
	{ "more than 32 bits are not cut off", (1ULL << 32) + 1,
	  sizeof(long) == 4 ? -EINVAL : 0,
	  sizeof(long) == 4 ? 0 : (size_t)((1ULL << 32) + PAGE_SIZE) },
	{ "the largest number is refused", U64_MAX, -EINVAL },
};

static void test_round_size(struct kunit *test)
{
	const struct round_case *c = test->param_value;
	size_t rounded = UNTOUCHED;

	KUNIT_EXPECT_EQ(test, shmbuf_round_size(c->size, &rounded), c->err);
	KUNIT_EXPECT_EQ(test, rounded, c->err ? UNTOUCHED : c->rounded);
}

struct window_case {
	const char *sentence;
	size_t pages;
	pgoff_t pgoff;
	size_t len;
	int err;
};

#define MAX_PAGES	(SHMBUF_MAX_SIZE >> PAGE_SHIFT)

static const struct window_case window_cases[] = {
	{ "the whole buffer", 4, 0, 4 * PAGE_SIZE, 0 },
	{ "the first page", 4, 0, PAGE_SIZE, 0 },
	{ "a page in the middle", 4, 2, PAGE_SIZE, 0 },
	{ "the last page", 4, 3, PAGE_SIZE, 0 },
	{ "the only page of a page", 1, 0, PAGE_SIZE, 0 },
	{ "nothing at the end is inside", 4, 4, 0, 0 },
	{ "a byte less than the rest is inside", 4, 1, 3 * PAGE_SIZE - 1, 0 },
	{ "a byte more than the buffer is not",
	  4, 0, 4 * PAGE_SIZE + 1, -EINVAL },
	{ "a page more than the buffer is not", 4, 0, 5 * PAGE_SIZE, -EINVAL },
	{ "the last page and the one after it",
	  4, 3, 2 * PAGE_SIZE, -EINVAL },
	{ "the page after the last", 4, 4, PAGE_SIZE, -EINVAL },
	{ "nothing, but from past the end", 4, 5, 0, -EINVAL },
	{ "a start one page past the end", 4, 5, PAGE_SIZE, -EINVAL },
	{ "an offset whose bytes wrap to 0",
	  4, ULONG_MAX / PAGE_SIZE + 1, PAGE_SIZE, -EINVAL },
	{ "an offset whose end wraps to 0", 4, ULONG_MAX, PAGE_SIZE, -EINVAL },
	{ "a length that wraps with its offset",
	  4, 1, -(size_t)PAGE_SIZE, -EINVAL },
	{ "the largest length", 4, 0, SIZE_MAX, -EINVAL },
	{ "the last page of the largest buffer",
	  MAX_PAGES, MAX_PAGES - 1, PAGE_SIZE, 0 },
	{ "the page after the largest buffer",
	  MAX_PAGES, MAX_PAGES, PAGE_SIZE, -EINVAL },
};

static void test_check_window(struct kunit *test)
{
	const struct window_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, c->err,
			shmbuf_check_window(c->pages * PAGE_SIZE, c->pgoff,
					    c->len));
}

struct range_case {
	const char *sentence;
	size_t size;
	u64 offset;
	u64 len;
	int err;
};

static const struct range_case range_cases[] = {
	{ "all of it", PAGE_SIZE, 0, PAGE_SIZE, 0 },
	{ "one byte in the middle", PAGE_SIZE, 100, 1, 0 },
	{ "the last byte", PAGE_SIZE, PAGE_SIZE - 1, 1, 0 },
	{ "nothing at the end", PAGE_SIZE, PAGE_SIZE, 0, 0 },
	{ "nothing past the end", PAGE_SIZE, PAGE_SIZE + 1, 0, -EINVAL },
	{ "a byte past the end", PAGE_SIZE, PAGE_SIZE, 1, -EINVAL },
	{ "the last byte and one more", PAGE_SIZE, PAGE_SIZE - 1, 2, -EINVAL },
	{ "a length that wraps the sum", PAGE_SIZE, 2, U64_MAX, -EINVAL },
	{ "an offset that wraps the sum", PAGE_SIZE, U64_MAX, 2, -EINVAL },
	{ "an offset above 32 bits", PAGE_SIZE, 1ULL << 32, 1, -EINVAL },
	{ "a length above 32 bits", PAGE_SIZE, 0, (1ULL << 32) + 1, -EINVAL },
	{ "all of the largest buffer", SHMBUF_MAX_SIZE, 0, SHMBUF_MAX_SIZE, 0 },
};

static void test_check_range(struct kunit *test)
{
	const struct range_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, c->err,
			shmbuf_check_range(c->size, c->offset, c->len));
}

struct io_case {
	const char *sentence;
	size_t size;
	loff_t pos;
	size_t count;
	size_t clamped;
};

static const struct io_case io_cases[] = {
	{ "all of it", PAGE_SIZE, 0, PAGE_SIZE, PAGE_SIZE },
	{ "a part in the middle", PAGE_SIZE, 100, 50, 50 },
	{ "nothing", PAGE_SIZE, 0, 0, 0 },
	{ "the last byte", PAGE_SIZE, PAGE_SIZE - 1, 1, 1 },
	{ "the last byte and what is not there",
	  PAGE_SIZE, PAGE_SIZE - 1, 2, 1 },
	{ "from the end", PAGE_SIZE, PAGE_SIZE, 1, 0 },
	{ "from past the end", PAGE_SIZE, PAGE_SIZE + 1, 1, 0 },
	{ "more than any buffer has", PAGE_SIZE, 0, SIZE_MAX, PAGE_SIZE },
	{ "a sum that would wrap",
	  PAGE_SIZE, 100, SIZE_MAX, PAGE_SIZE - 100 },
	{ "the largest position", PAGE_SIZE, LLONG_MAX, 1, 0 },
	{ "a position that 32 bits would cut to 0",
	  PAGE_SIZE, 1LL << 32, 1, 0 },
	{ "a negative position", PAGE_SIZE, -1, 1, 0 },
	{ "the end of the largest buffer",
	  SHMBUF_MAX_SIZE, SHMBUF_MAX_SIZE - 1, SIZE_MAX, 1 },
};

static void test_clamp_io(struct kunit *test)
{
	const struct io_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, c->clamped,
			shmbuf_clamp_io(c->size, c->pos, c->count));
}

struct pfn_case {
	const char *sentence;
	unsigned long base_pfn;
	size_t pages;
	pgoff_t pgoff;
	int err;
	unsigned long pfn;
	unsigned int order;
};

static const struct pfn_case pfn_cases[] = {
	{ "the first page is the base", 0x1000, 4, 0, 0, 0x1000 },
	{ "a page in the middle", 0x1000, 4, 2, 0, 0x1002 },
	{ "the last page", 0x1000, 4, 3, 0, 0x1003 },
	{ "the page after the last", 0x1000, 4, 4, -EINVAL },
	{ "an offset that would wrap the sum", 0x1000, 4, ULONG_MAX, -EINVAL },
	{ "an offset whose bytes would wrap",
	  0x1000, 4, ULONG_MAX / PAGE_SIZE + 1, -EINVAL },
	{ "a base at 0", 0, 1, 0, 0, 0 },
	{ "memory above 4 GiB, also where a long has 32 bits",
	  0x140000, 4, 3, 0, 0x140003 },
	{ "a range that ends with the last number",
	  ULONG_MAX - 3, 4, 3, 0, ULONG_MAX },
	{ "a huge entry for the whole buffer",
	  0x1000, 512, 0, 0, 0x1000, 9 },
	{ "a huge entry for the last block",
	  0x1000, 1024, 512, 0, 0x1200, 9 },
	{ "a huge entry that ends after the buffer",
	  0x1000, 1023, 512, -EINVAL, 0, 9 },
	{ "a huge entry whose offset is not aligned but whose frame is",
	  0x1001, 1024, 511, 0, 0x1200, 9 },
	{ "a huge entry whose offset is aligned but whose frame is not",
	  0x1001, 1024, 512, -EINVAL, 0, 9 },
	{ "a huge entry for a small buffer", 0x1000, 4, 0, -EINVAL, 0, 9 },
	{ "a huge entry of 512 MiB, of pages of 64 KiB",
	  0x4000, 3 << 13, 2 << 13, 0, 0x8000, 13 },
	{ "the same, not at a multiple of its size",
	  0x5000, 3 << 13, 1 << 13, -EINVAL, 0, 13 },
	{ "an entry of 16 pages, as some architectures have",
	  0x1000, 32, 16, 0, 0x1010, 4 },
	{ "the last page that a physical address of 64 bits can have",
	  ULONG_MAX >> (sizeof(long) == 8 ? PAGE_SHIFT : 0), 1, 0, 0,
	  ULONG_MAX >> (sizeof(long) == 8 ? PAGE_SHIFT : 0) },
};

static void test_pgoff_to_pfn(struct kunit *test)
{
	const struct pfn_case *c = test->param_value;
	unsigned long pfn = UNTOUCHED;

	KUNIT_EXPECT_EQ(test, c->err,
			shmbuf_pgoff_to_pfn(c->base_pfn, c->pages * PAGE_SIZE,
					    c->pgoff, c->order, &pfn));
	KUNIT_EXPECT_EQ(test, pfn, c->err ? UNTOUCHED : c->pfn);
}

struct region_case {
	const char *sentence;
	phys_addr_t start;
	u64 size;
	int err;
	unsigned long pfn;
};

#define LAST_PAGE	(PHYS_ADDR_MAX & PAGE_MASK)

static const struct region_case region_cases[] = {
	{ "one page", 16 * PAGE_SIZE, PAGE_SIZE, 0, 16 },
	{ "the first page of all", 0, PAGE_SIZE, 0, 0 },
	{ "nothing", PAGE_SIZE, 0, -EINVAL },
	{ "a start inside a page", PAGE_SIZE + 1, PAGE_SIZE, -EINVAL },
	{ "an end inside a page", PAGE_SIZE, PAGE_SIZE + 1, -EINVAL },
	{ "less than a page", PAGE_SIZE, PAGE_SIZE / 2, -EINVAL },
	{ "an end that wraps", LAST_PAGE, 2 * PAGE_SIZE, -EINVAL },
	{ "a size larger than any buffer",
	  0, (u64)SHMBUF_MAX_SIZE + PAGE_SIZE, -EINVAL },
	{ "the largest size there is", PAGE_SIZE, U64_MAX & PAGE_MASK, -EINVAL },
#ifdef CONFIG_PHYS_ADDR_T_64BIT
	{ "memory above 4 GiB, also where a long has 32 bits",
	  (5ULL << 32) + PAGE_SIZE, PAGE_SIZE, 0, (5ULL << (32 - PAGE_SHIFT)) + 1 },
#ifndef CONFIG_64BIT
	{ "memory beyond the last page frame number",
	  LAST_PAGE, PAGE_SIZE, -EINVAL },
#endif
#endif
};

static void test_region_to_pfn(struct kunit *test)
{
	const struct region_case *c = test->param_value;
	unsigned long pfn = UNTOUCHED;

	KUNIT_EXPECT_EQ(test, c->err,
			shmbuf_region_to_pfn(c->start, c->size, &pfn));
	KUNIT_EXPECT_EQ(test, pfn, c->err ? UNTOUCHED : c->pfn);
}

struct order_case {
	const char *sentence;
	pgoff_t index;
	pgoff_t end;
	unsigned int limit;
	unsigned int order;
};

static const struct order_case order_cases[] = {
	{ "one page", 0, 1, 9, 0 },
	{ "at the start only the limit counts", 0, 1UL << 20, 9, 9 },
	{ "a limit of 0", 0, 1UL << 20, 0, 0 },
	{ "all that fits in one", 0, 512, 9, 9 },
	{ "a page less than one", 0, 511, 9, 8 },
	{ "aligned like its start", 256, 1UL << 20, 9, 8 },
	{ "an odd start", 3, 1UL << 20, 9, 0 },
	{ "no further than the end", 512, 515, 9, 1 },
	{ "the last page", 514, 515, 9, 0 },
	{ "a start aligned better than the limit", 1UL << 20, 1UL << 21, 9, 9 },
};

static void test_folio_order(struct kunit *test)
{
	const struct order_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, c->order,
			shmbuf_folio_order(c->index, c->end, c->limit));
}

KUNIT_ARRAY_PARAM_DESC(round, round_cases, sentence);
KUNIT_ARRAY_PARAM_DESC(window, window_cases, sentence);
KUNIT_ARRAY_PARAM_DESC(range, range_cases, sentence);
KUNIT_ARRAY_PARAM_DESC(io, io_cases, sentence);
KUNIT_ARRAY_PARAM_DESC(pfn, pfn_cases, sentence);
KUNIT_ARRAY_PARAM_DESC(region, region_cases, sentence);
KUNIT_ARRAY_PARAM_DESC(order, order_cases, sentence);

static struct kunit_case shmbuf_geometry_cases[] = {
	KUNIT_CASE_PARAM(test_round_size, round_gen_params),
	KUNIT_CASE_PARAM(test_check_window, window_gen_params),
	KUNIT_CASE_PARAM(test_check_range, range_gen_params),
	KUNIT_CASE_PARAM(test_clamp_io, io_gen_params),
	KUNIT_CASE_PARAM(test_pgoff_to_pfn, pfn_gen_params),
	KUNIT_CASE_PARAM(test_region_to_pfn, region_gen_params),
	KUNIT_CASE_PARAM(test_folio_order, order_gen_params),
	{}
};

static struct kunit_suite shmbuf_geometry_suite = {
	.name = "shmbuf_geometry",
	.test_cases = shmbuf_geometry_cases,
};

kunit_test_suite(shmbuf_geometry_suite);

MODULE_DESCRIPTION("KUnit tests for the arithmetic of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
