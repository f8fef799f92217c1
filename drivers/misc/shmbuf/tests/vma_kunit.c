// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the mappings of a buffer: real ones, made by mm in an
 * address space of the test's own, and what they count.
 */

#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#ifdef CONFIG_X86
#include <asm/memtype.h>
#endif

#include "../shmbuf.h"
#include "create.h"

#define PAGES		4
#define SIZE		(PAGES * PAGE_SIZE)
#define RW		(PROT_READ | PROT_WRITE)

struct vma_test {
	struct file *file;
	struct shmbuf *buf;
	struct device *dev;
};

static void expect_counts(struct kunit *test, unsigned int mappings,
			  unsigned int writable)
{
	struct vma_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, t->buf->mappings, mappings);
	KUNIT_EXPECT_EQ(test, t->buf->writable_mappings, writable);
}

static unsigned long map(struct kunit *test, unsigned long len,
			 unsigned long prot, unsigned long flags,
			 unsigned long offset)
{
	struct vma_test *t = test->priv;

	return vm_mmap(t->file, 0, len, prot, flags, offset);
}

static unsigned long map_all(struct kunit *test)
{
	unsigned long addr = map(test, SIZE, RW, MAP_SHARED, 0);

	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	return addr;
}

static void unmap(struct kunit *test, unsigned long addr, size_t len)
{
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, len), 0);
}

/* A mapping counts once, whatever its size, and no longer than it is there. */
static void test_map_unmap(struct kunit *test)
{
	unsigned long all, part;

	all = map_all(test);
	expect_counts(test, 1, 1);
	part = map(test, PAGE_SIZE, RW, MAP_SHARED, PAGE_SIZE);
	KUNIT_ASSERT_LT(test, part, TASK_SIZE);
	expect_counts(test, 2, 2);
	unmap(test, all, SIZE);
	expect_counts(test, 1, 1);
	unmap(test, part, PAGE_SIZE);
	expect_counts(test, 0, 0);
}

/* PROT_READ on a writable file may become writable, so it counts as such. */
static void test_prot_read_may_be_written(struct kunit *test)
{
	unsigned long addr = map(test, SIZE, PROT_READ, MAP_SHARED, 0);

	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	expect_counts(test, 1, 1);
	unmap(test, addr, SIZE);
	expect_counts(test, 0, 0);
}

/* A mapping of a file opened read-only can never be written. */
static void test_read_only_file(struct kunit *test)
{
	struct vma_test *t = test->priv;
	struct file *file;
	unsigned long addr;

	file = dentry_open(&t->file->f_path, O_RDONLY, current_cred());
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	addr = vm_mmap(file, 0, SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_EXPECT_LT(test, addr, TASK_SIZE);
	expect_counts(test, 1, 0);
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-EACCES);
	expect_counts(test, 1, 0);
	__fput_sync(file);
	unmap(test, addr, SIZE);
	expect_counts(test, 0, 0);
}

/* A hole in the middle leaves two mappings, one less at each unmapping. */
static void test_hole(struct kunit *test)
{
	unsigned long addr = map_all(test);

	unmap(test, addr + PAGE_SIZE, PAGE_SIZE);
	expect_counts(test, 2, 2);
	unmap(test, addr, PAGE_SIZE);
	expect_counts(test, 1, 1);
	unmap(test, addr + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
	expect_counts(test, 0, 0);
}

/* Cutting off an end leaves one mapping. */
static void test_cut_ends(struct kunit *test)
{
	unsigned long addr = map_all(test);

	unmap(test, addr, PAGE_SIZE);
	expect_counts(test, 1, 1);
	unmap(test, addr + 3 * PAGE_SIZE, PAGE_SIZE);
	expect_counts(test, 1, 1);
	unmap(test, addr + PAGE_SIZE, 2 * PAGE_SIZE);
	expect_counts(test, 0, 0);
}

/* Mapping over a part of oneself splits, and adds the new one. */
static void test_overlay(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr = map_all(test), over;

	over = vm_mmap(t->file, addr + PAGE_SIZE, PAGE_SIZE, RW,
		       MAP_SHARED | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, over, addr + PAGE_SIZE);
	expect_counts(test, 3, 3);
	over = vm_mmap(t->file, addr, SIZE, RW, MAP_SHARED | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, over, addr);
	expect_counts(test, 1, 1);
	unmap(test, addr, SIZE);
	expect_counts(test, 0, 0);
}

/* Neighbours of PAGES become one VMA, others stay two; the count follows. */
static void test_neighbours(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr = map_all(test), over;

	unmap(test, addr + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
	over = vm_mmap(t->file, addr + 2 * PAGE_SIZE, 2 * PAGE_SIZE, RW,
		       MAP_SHARED | MAP_FIXED, 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, over, addr + 2 * PAGE_SIZE);
	/* mm extends an ordinary file mapping instead of making a second VMA. */
	if (t->buf->ops->backing == SHMBUF_BACKING_PAGES)
		expect_counts(test, 1, 1);
	else
		expect_counts(test, 2, 2);
	unmap(test, addr, SIZE);
	expect_counts(test, 0, 0);
}

struct refused_case {
	const char *sentence;
	unsigned long len;
	unsigned long prot;
	unsigned long flags;
	unsigned long offset;
	int err;
};

static const struct refused_case refused_cases[] = {
	{ "a page more than the buffer",
	  SIZE + PAGE_SIZE, RW, MAP_SHARED, 0, -EINVAL },
	{ "the last page and the one after it",
	  2 * PAGE_SIZE, RW, MAP_SHARED, SIZE - PAGE_SIZE, -EINVAL },
	{ "the page after the last",
	  PAGE_SIZE, RW, MAP_SHARED, SIZE, -EINVAL },
	{ "a page far past the last",
	  PAGE_SIZE, RW, MAP_SHARED, 1UL << 30, -EINVAL },
	{ "a private mapping", SIZE, RW, MAP_PRIVATE, 0, -EINVAL },
	{ "a private mapping to be read only",
	  SIZE, PROT_READ, MAP_PRIVATE, 0, -EINVAL },
	{ "an executable mapping",
	  SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, 0, -EPERM },
};

/* A mapping that is refused leaves the counts unchanged. */
static void test_refused(struct kunit *test)
{
	const struct refused_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, map(test, c->len, c->prot, c->flags, c->offset),
			(unsigned long)c->err);
	expect_counts(test, 0, 0);
}

KUNIT_ARRAY_PARAM_DESC(refused, refused_cases, sentence);

/*
 * Two ways in which mmap() fails after the VMA exists. mm then closes a VMA
 * whose ->mapped() has not run, or has failed: nothing must be counted back.
 */
static struct vm_operations_struct failing_vm_ops;
static void (*real_close)(struct vm_area_struct *vma);
static int closed;

/* Proves that mmap() failed late, not before there was a VMA. */
static void counting_close(struct vm_area_struct *vma)
{
	closed++;
	real_close(vma);
}

static int failing_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
			  const struct file *file, void **vm_private_data)
{
	*vm_private_data = shmbuf_of_file(file);
	return -ENODEV;
}

static int prepare_to_count_close(struct vm_area_desc *desc)
{
	int err = shmbuf_prepare_mapping(shmbuf_of_file(desc->file),
					 desc);

	if (err)
		return err;
	closed = 0;
	failing_vm_ops = *desc->vm_ops;
	real_close = failing_vm_ops.close;
	failing_vm_ops.close = counting_close;
	desc->vm_ops = &failing_vm_ops;
	return 0;
}

static int prepare_with_failing_action(struct vm_area_desc *desc)
{
	struct kunit *test = kunit_get_current_test();
	static struct page *pages[PAGES];
	int err, i;

	err = prepare_to_count_close(desc);
	if (err)
		return err;
	/* A slab page cannot be mapped. */
	for (i = 0; i < PAGES; i++)
		pages[i] = virt_to_page(test->priv);
	vma_desc_clear_flags(desc, VMA_PFNMAP_BIT);
	mmap_action_map_kernel_pages_full(desc, pages);
	return 0;
}

static int prepare_with_failing_mapped(struct vm_area_desc *desc)
{
	int err = prepare_to_count_close(desc);

	failing_vm_ops.mapped = failing_mapped;
	return err;
}

struct failing_case {
	const char *sentence;
	int (*mmap_prepare)(struct vm_area_desc *desc);
	int err;
};

static const struct failing_case failing_cases[] = {
	{ "the action fails, mapped is never called",
	  prepare_with_failing_action, -EINVAL },
	{ "mapped itself fails", prepare_with_failing_mapped, -ENODEV },
};

static void test_mmap_fails_late(struct kunit *test)
{
	const struct failing_case *c = test->param_value;
	struct vma_test *t = test->priv;
	const struct file_operations *real = t->file->f_op;
	struct file_operations failing = *real;
	unsigned long other, addr;

	other = map_all(test);
	failing.mmap_prepare = c->mmap_prepare;
	t->file->f_op = &failing;
	addr = map(test, SIZE, RW, MAP_SHARED, 0);
	t->file->f_op = real;
	KUNIT_EXPECT_EQ(test, addr, (unsigned long)c->err);
	KUNIT_EXPECT_EQ(test, closed, 1);
	expect_counts(test, 1, 1);
	unmap(test, other, SIZE);
	expect_counts(test, 0, 0);
}

KUNIT_ARRAY_PARAM_DESC(failing, failing_cases, sentence);

/* Sealed between ->mmap_prepare() and ->mapped(): no writable mapping. */
static int prepare_then_seal(struct vm_area_desc *desc)
{
	int err = prepare_to_count_close(desc);

	return err ?: shmbuf_seal(shmbuf_of_file(desc->file),
				  SHMBUF_SEAL_WRITE);
}

static void test_sealed_while_mapping(struct kunit *test)
{
	struct vma_test *t = test->priv;
	const struct file_operations *real = t->file->f_op;
	struct file_operations sealing = *real;
	unsigned long addr;

	sealing.mmap_prepare = prepare_then_seal;
	t->file->f_op = &sealing;
	addr = map(test, SIZE, RW, MAP_SHARED, 0);
	t->file->f_op = real;
	KUNIT_EXPECT_EQ(test, addr, (unsigned long)-EAGAIN);
	KUNIT_EXPECT_EQ(test, closed, 1);
	expect_counts(test, 0, 0);

	addr = map(test, SIZE, RW, MAP_SHARED, 0);
	KUNIT_EXPECT_EQ(test, addr, (unsigned long)-EPERM);
	addr = map(test, SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	expect_counts(test, 1, 0);
	unmap(test, addr, SIZE);
	expect_counts(test, 0, 0);
}

/* While a seal is being added, only readers get in. */
static void test_mapping_while_sealing(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr;
	struct file *file;

	file = dentry_open(&t->file->f_path, O_RDONLY, current_cred());
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	t->buf->sealing = true;
	KUNIT_EXPECT_EQ(test, map(test, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-EAGAIN);
	expect_counts(test, 0, 0);
	addr = vm_mmap(file, 0, SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_EXPECT_LT(test, addr, TASK_SIZE);
	expect_counts(test, 1, 0);
	t->buf->sealing = false;
	__fput_sync(file);
}

/* A write() that is under way keeps the seal away, the next one is refused. */
static void test_seal_and_write(struct kunit *test)
{
	struct vma_test *t = test->priv;

	/* The kernel's own mapping does not count as a writer. */
	KUNIT_ASSERT_NOT_NULL(test, shmbuf_vmap(t->buf));
	KUNIT_ASSERT_EQ(test, shmbuf_begin_write(t->buf), 0);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(t->buf, SHMBUF_SEAL_WRITE), -EBUSY);
	shmbuf_end_write(t->buf);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(t->buf, SHMBUF_SEAL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, shmbuf_begin_write(t->buf), -EPERM);
	KUNIT_EXPECT_EQ(test, t->buf->writers, 0);
}

/* Each page of the mapping is the kernel's page of the same offset. */
static void test_same_bytes(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr = map_all(test);
	u8 *kernel = shmbuf_vmap(t->buf);
	u8 __user *user = (u8 __user *)addr;
	u8 byte;
	int i;

	for (i = 0; i < PAGES; i++) {
		KUNIT_ASSERT_EQ(test, get_user(byte, user + i * PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, byte, 0);
		KUNIT_ASSERT_EQ(test, put_user(i + 1, user + i * PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, kernel[i * PAGE_SIZE], i + 1);
		kernel[i * PAGE_SIZE + 1] = i + 100;
		KUNIT_ASSERT_EQ(test,
				get_user(byte, user + i * PAGE_SIZE + 1), 0);
		KUNIT_EXPECT_EQ(test, byte, i + 100);
	}
	unmap(test, addr, SIZE);
}

/* A window in the middle shows the pages of the middle. */
static void test_window_in_the_middle(struct kunit *test)
{
	struct vma_test *t = test->priv;
	u8 *kernel = shmbuf_vmap(t->buf);
	unsigned long addr;
	u8 byte;

	kernel[2 * PAGE_SIZE] = 0x5a;
	addr = map(test, PAGE_SIZE, PROT_READ, MAP_SHARED, 2 * PAGE_SIZE);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	KUNIT_ASSERT_EQ(test, get_user(byte, (u8 __user *)addr), 0);
	KUNIT_EXPECT_EQ(test, byte, 0x5a);
	unmap(test, addr, PAGE_SIZE);
}

/* The fault handler does not rely on the checks made at mmap() time. */
static void test_fault_beyond_the_end(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr = map_all(test);
	struct vm_area_struct *vma;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	if (vma && !vma->vm_ops->fault) {
		/* All is mapped, so that mm says SIGBUS by itself. */
		KUNIT_EXPECT_EQ(test, t->buf->ops->backing,
				SHMBUF_BACKING_COHERENT);
		KUNIT_EXPECT_EQ(test, t->buf->pfn, 0);
	} else if (vma) {
		struct vm_fault vmf = {
			.vma = vma,
			.address = addr,
			.pgoff = PAGES,
		};

		KUNIT_EXPECT_EQ(test, vma->vm_ops->fault(&vmf),
				VM_FAULT_SIGBUS);
	}
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	unmap(test, addr, SIZE);
}

static int failing_backing(struct shmbuf *buf, const struct file *file,
			   unsigned long start, unsigned long end,
			   vm_flags_t flags)
{
	return -ENXIO;
}

/* When the backing cannot map, there is no mapping, and none is counted. */
static void test_backing_cannot_map(struct kunit *test)
{
	struct vma_test *t = test->priv;
	const struct shmbuf_backing *real = t->buf->ops;
	struct shmbuf_backing failing = *real;
	unsigned long addr;

	failing.mapped = failing_backing;
	t->buf->ops = &failing;
	addr = map(test, SIZE, RW, MAP_SHARED, 0);
	t->buf->ops = real;
	KUNIT_EXPECT_EQ(test, addr, (unsigned long)-ENXIO);
	expect_counts(test, 0, 0);
}

/* Nor when there is another mapping in the place of the one to be filled. */
static void test_mapped_elsewhere(struct kunit *test)
{
	struct vma_test *t = test->priv;
	const struct vm_operations_struct *ops;
	void *private_data = NULL;
	unsigned long addr, other;
	struct vm_area_struct *vma;

	addr = map_all(test);
	other = vm_mmap(NULL, 0, PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_LT(test, other, TASK_SIZE);
	mmap_write_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	ops = vma ? vma->vm_ops : NULL;
	KUNIT_EXPECT_NOT_NULL(test, ops);
	if (ops) {
		KUNIT_EXPECT_EQ(test, ops->mapped(other, other + PAGE_SIZE, 0,
						  t->file, &private_data),
				-EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, ops->mapped(0, PAGE_SIZE, 0, t->file,
						  &private_data), -EOPNOTSUPP);
	}
	mmap_write_unlock(current->mm);
	expect_counts(test, 1, 1);
	unmap(test, addr, SIZE);
}

/* The mapping keeps the buffer when the last file descriptor is gone. */
static void test_mapping_outlives_the_file(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr = map_all(test);
	u8 byte;

	KUNIT_ASSERT_EQ(test, put_user(0x77, (u8 __user *)addr), 0);
	__fput_sync(t->file);
	t->file = NULL;
	expect_counts(test, 1, 1);
	KUNIT_ASSERT_EQ(test, get_user(byte, (u8 __user *)addr), 0);
	KUNIT_EXPECT_EQ(test, byte, 0x77);
	unmap(test, addr, SIZE);
}

/* Bytes that the page table entry at an address maps; 0 when there is none. */
static unsigned long entry_size(unsigned long addr, unsigned long *pfn,
				pgprot_t *prot)
{
	struct follow_pfnmap_args args = { .address = addr };
	unsigned long size = 0;

	mmap_read_lock(current->mm);
	args.vma = vma_lookup(current->mm, addr);
	if (args.vma && !follow_pfnmap_start(&args)) {
		size = -args.addr_mask;
		*pfn = args.pfn;
		*prot = args.pgprot;
		follow_pfnmap_end(&args);
	}
	mmap_read_unlock(current->mm);
	return size;
}

/* Touches a page of the mapping and checks what is mapped there, and how. */
static void expect_entry(struct kunit *test, unsigned long addr, pgoff_t pgoff,
			 unsigned long size)
{
	struct vma_test *t = test->priv;
	unsigned long pfn = 0;
	pgprot_t prot;

	KUNIT_EXPECT_EQ(test, fault_in_readable((char __user *)addr, 1), 0);
	KUNIT_EXPECT_EQ(test, entry_size(addr, &pfn, &prot), size);
	KUNIT_EXPECT_EQ(test, pfn, t->buf->pfn + pgoff);
}

#define HUGE_PAGES	(PMD_SIZE / PAGE_SIZE)
#define BUFFER_SIZE	(2 * PMD_SIZE)

/* A mapping of whole blocks, as mm places it, is mapped by huge entries. */
static void test_huge_entries(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr = map(test, BUFFER_SIZE, RW, MAP_SHARED, 0);

	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	expect_entry(test, addr + 5 * PAGE_SIZE, 5, t->buf->map_unit);
	expect_entry(test, addr, 0, t->buf->map_unit);
	expect_entry(test, addr + BUFFER_SIZE - PAGE_SIZE, 2 * HUGE_PAGES - 1,
		     t->buf->map_unit);

	/* An entry that is cut is gone, and comes back in pages. */
	unmap(test, addr + 7 * PAGE_SIZE, PAGE_SIZE);
	expect_entry(test, addr + 6 * PAGE_SIZE, 6, PAGE_SIZE);
	expect_entry(test, addr + 8 * PAGE_SIZE, 8, PAGE_SIZE);
	expect_counts(test, 2, 2);
	unmap(test, addr, BUFFER_SIZE);
	expect_counts(test, 0, 0);
}

/* A fault fills the entries that follow, so that they need none. */
static void test_fault_around(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr = map(test, BUFFER_SIZE, RW, MAP_SHARED, 0);
	unsigned long next = addr + PMD_SIZE, expected = 0, pfn = 0;
	pgprot_t prot;

	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	if (t->buf->map_unit == PMD_SIZE && next % SHMBUF_FAULT_AROUND)
		expected = PMD_SIZE;
	expect_entry(test, addr, 0, t->buf->map_unit);
	KUNIT_EXPECT_EQ(test, entry_size(next, &pfn, &prot), expected);
	if (expected)
		KUNIT_EXPECT_EQ(test, pfn, t->buf->pfn + HUGE_PAGES);
	unmap(test, addr, BUFFER_SIZE);

	/* Not past the end of the mapping. */
	addr = map(test, PMD_SIZE + PAGE_SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	next = addr + PMD_SIZE;
	expect_entry(test, next - 1, HUGE_PAGES - 1, t->buf->map_unit);
	KUNIT_EXPECT_EQ(test, entry_size(next, &pfn, &prot), 0);
	expect_entry(test, next, HUGE_PAGES, PAGE_SIZE);
	unmap(test, addr, PMD_SIZE + PAGE_SIZE);
}

/* A fault of a page also maps the pages after it, up to a multiple of 64 KiB. */
static void test_pages_around(struct kunit *test)
{
	const unsigned long around = SHMBUF_PTES_AROUND;
	unsigned long addr, cut, page, pfn;
	pgprot_t prot;

	addr = map(test, BUFFER_SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	/* The rest of the mapping has no room for a PMD. */
	cut = addr + PMD_SIZE;
	unmap(test, cut, PAGE_SIZE);
	page = ALIGN(cut + PAGE_SIZE, around);
	KUNIT_EXPECT_EQ(test, fault_in_readable((char __user *)page, 1), 0);
	KUNIT_EXPECT_EQ(test, entry_size(page - PAGE_SIZE, &pfn, &prot), 0);
	KUNIT_EXPECT_EQ(test, entry_size(page + around, &pfn, &prot), 0);
	page += around - PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, entry_size(page, &pfn, &prot), PAGE_SIZE);
	expect_entry(test, page, (page - addr) >> PAGE_SHIFT, PAGE_SIZE);
	unmap(test, addr, BUFFER_SIZE);
}

static struct folio *alloc_single_page(unsigned int order, int numa_node)
{
	return order ? NULL : folio_alloc(GFP_HIGHUSER | __GFP_ZERO, 0);
}

/* If memory was fragmented, a write fault maps the folios around the page too. */
static void test_folios_around(struct kunit *test)
{
	const unsigned long around = SHMBUF_PTES_AROUND;
	struct shmbuf_create args = {
		.size = 3 * around,
		.backing = SHMBUF_BACKING_PAGES,
		.numa_node = SHMBUF_NUMA_ANY,
	};
	struct mm_struct *mm = current->mm;
	unsigned long addr, before;
	struct file *file;

	kunit_activate_static_stub(test, shmbuf_alloc_folio, alloc_single_page);
	file = create_buffer_file(&args, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	addr = vm_mmap(file, 0, 3 * around, RW, MAP_SHARED, 0);
	__fput_sync(file);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	before = get_mm_counter_sum(mm, MM_FILEPAGES);
	KUNIT_EXPECT_EQ(test, put_user(1, (u8 __user *)ALIGN(addr, around)), 0);
	KUNIT_EXPECT_EQ(test, get_mm_counter_sum(mm, MM_FILEPAGES) - before,
			around / PAGE_SIZE);

	/* Not past the end of the mapping. */
	unmap(test, addr, 2 * around + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, get_mm_counter_sum(mm, MM_FILEPAGES), before);
	addr += 2 * around + PAGE_SIZE;
	if (around > PAGE_SIZE)
		KUNIT_EXPECT_EQ(test, put_user(1, (u8 __user *)addr), 0);
	KUNIT_EXPECT_LT(test, get_mm_counter_sum(mm, MM_FILEPAGES) - before,
			around / PAGE_SIZE);
	unmap(test, addr, around - PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, get_mm_counter_sum(mm, MM_FILEPAGES), before);
}

static void expect_window(struct kunit *test, unsigned long addr,
			  unsigned long pages, unsigned long size)
{
	struct vma_test *t = test->priv;
	unsigned long i, pfn;
	pgprot_t prot;

	for (i = 0; i < pages; i++, addr += PAGE_SIZE) {
		pfn = t->buf->pfn + 1 + i;
		KUNIT_EXPECT_EQ(test, entry_size(addr, &pfn, &prot), size);
		KUNIT_EXPECT_EQ(test, pfn, t->buf->pfn + 1 + i);
	}
}

/* A window too small for a PMD has its PTEs from the start, if it has access. */
static void test_small_window(struct kunit *test)
{
	unsigned long addr, pages;

	for (pages = 1; pages <= 3; pages += 2) {
		addr = map(test, pages * PAGE_SIZE, RW, MAP_SHARED, PAGE_SIZE);
		KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
		expect_window(test, addr, pages, PAGE_SIZE);
		unmap(test, addr, pages * PAGE_SIZE);

		addr = map(test, pages * PAGE_SIZE, PROT_NONE, MAP_SHARED,
			   PAGE_SIZE);
		KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
		expect_window(test, addr, pages, 0);
		unmap(test, addr, pages * PAGE_SIZE);
	}
}

/* No PTE appears if the buffer is revoked after the VMA was counted. */
static void test_small_window_revoked(struct kunit *test)
{
	const vm_flags_t flags = VM_READ | VM_WRITE;
	struct vma_test *t = test->priv;
	struct vm_area_struct *vma;
	unsigned long addr;

	/* On x86, mm does not map a window of several pages twice. */
	addr = map(test, PAGE_SIZE, RW, MAP_SHARED, PAGE_SIZE);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	unmap_mapping_range(t->file->f_mapping, 0, 0, 1);
	mmap_write_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	if (vma) {
		vma->vm_private_data = (void *)flags;
		i_size_write(&t->buf->inode, 0);
		t->buf->ops->mapped(t->buf, t->file, addr, addr + PAGE_SIZE,
				    flags);
		i_size_write(&t->buf->inode, t->buf->size);
	}
	mmap_write_unlock(current->mm);
	KUNIT_ASSERT_NOT_NULL(test, vma);
	expect_window(test, addr, 1, 0);

	mmap_write_lock(current->mm);
	t->buf->ops->mapped(t->buf, t->file, addr, addr + PAGE_SIZE,
				    flags);
	vma->vm_private_data = t->buf;
	mmap_write_unlock(current->mm);
	expect_window(test, addr, 1, PAGE_SIZE);
	unmap(test, addr, PAGE_SIZE);
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
/* A fault for a page that finds a huge entry there by now leaves it there. */
static void test_page_fault_meets_huge_entry(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr = map(test, BUFFER_SIZE, RW, MAP_SHARED, 0);
	struct vm_area_struct *vma;
	p4d_t *p4d;
	pud_t *pud;

	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	expect_entry(test, addr, 0, t->buf->map_unit);
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	p4d = p4d_offset(pgd_offset(current->mm, addr), addr);
	pud = pud_offset(p4d, addr);
	if (vma) {
		struct vm_fault vmf = {
			.vma = vma,
			.address = addr,
			.pmd = pmd_offset(pud, addr),
		};

		KUNIT_EXPECT_EQ(test, vma->vm_ops->fault(&vmf),
				VM_FAULT_NOPAGE);
	}
	mmap_read_unlock(current->mm);
	expect_entry(test, addr, 0, t->buf->map_unit);
	unmap(test, addr, BUFFER_SIZE);
}
#endif

/* At an address that does not suit, or less than a block, it is pages. */
static void test_no_huge_entries(struct kunit *test)
{
	struct vma_test *t = test->priv;
	unsigned long addr, odd;

	addr = map(test, BUFFER_SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	odd = addr + PAGE_SIZE;
	unmap(test, addr, BUFFER_SIZE);
	KUNIT_ASSERT_EQ(test, vm_mmap(t->file, odd, PMD_SIZE, RW,
				      MAP_SHARED | MAP_FIXED, 0), odd);
	expect_entry(test, odd, 0, PAGE_SIZE);
	expect_entry(test, odd + PMD_SIZE - PAGE_SIZE, HUGE_PAGES - 1,
		     PAGE_SIZE);
	unmap(test, odd, PMD_SIZE);

	addr = map(test, PMD_SIZE - PAGE_SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	expect_entry(test, addr + PAGE_SIZE, 1, PAGE_SIZE);
	unmap(test, addr, PMD_SIZE - PAGE_SIZE);
}

/* The unit that INFO reports is that of the architecture. */
static void test_map_unit(struct kunit *test)
{
	struct vma_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, t->buf->map_unit,
			IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) ?
			PMD_SIZE : PAGE_SIZE);
}

static int vma_test_init(struct kunit *test, u32 backing, size_t size)
{
	struct shmbuf_create args = {
		.size = size,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "vma_kunit",
	};
	struct vma_test *t;
	int err;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	err = kunit_attach_mm();
	if (err)
		return err;
	t->dev = kunit_device_register(test, "shmbuf_vma_kunit");
	if (IS_ERR(t->dev))
		return PTR_ERR(t->dev);
	dma_coerce_mask_and_coherent(t->dev, DMA_BIT_MASK(64));
	t->file = create_buffer_file(&args, t->dev);
	if (PTR_ERR(t->file) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel has no such backing");
	if (PTR_ERR(t->file) == -ENOMEM && size > SIZE)
		kunit_skip(test, "no two huge pages in one piece");
	if (IS_ERR(t->file))
		return PTR_ERR(t->file);
	t->buf = shmbuf_of_file(t->file);
	test->priv = t;
	return 0;
}

static int vma_test_init_pages(struct kunit *test)
{
	return vma_test_init(test, SHMBUF_BACKING_PAGES, SIZE);
}

static int vma_test_init_contig(struct kunit *test)
{
	return vma_test_init(test, SHMBUF_BACKING_CONTIG, SIZE);
}

static int vma_test_init_coherent(struct kunit *test)
{
	return vma_test_init(test, SHMBUF_BACKING_COHERENT, SIZE);
}

/* As if the memory were not in the direct map, so that the DMA API maps it. */
static int vma_test_init_dma_mmap(struct kunit *test)
{
	int err = vma_test_init(test, SHMBUF_BACKING_COHERENT, SIZE);
	struct vma_test *t = test->priv;

	if (!err)
		t->buf->pfn = 0;
	return err;
}

static int vma_test_init_stream(struct kunit *test)
{
	return vma_test_init(test, SHMBUF_BACKING_STREAM, SIZE);
}

static int vma_test_init_huge(struct kunit *test)
{
	return vma_test_init(test, SHMBUF_BACKING_CONTIG, BUFFER_SIZE);
}

static void vma_test_exit(struct kunit *test)
{
	struct vma_test *t = test->priv;

	if (t && t->file)
		__fput_sync(t->file);
}

static struct kunit_case shmbuf_vma_cases[] = {
	KUNIT_CASE(test_map_unmap),
	KUNIT_CASE(test_prot_read_may_be_written),
	KUNIT_CASE(test_read_only_file),
	KUNIT_CASE(test_hole),
	KUNIT_CASE(test_cut_ends),
	KUNIT_CASE(test_overlay),
	KUNIT_CASE(test_neighbours),
	KUNIT_CASE_PARAM(test_refused, refused_gen_params),
	KUNIT_CASE_PARAM(test_mmap_fails_late, failing_gen_params),
	KUNIT_CASE(test_sealed_while_mapping),
	KUNIT_CASE(test_mapping_while_sealing),
	KUNIT_CASE(test_seal_and_write),
	KUNIT_CASE(test_same_bytes),
	KUNIT_CASE(test_window_in_the_middle),
	KUNIT_CASE(test_fault_beyond_the_end),
	KUNIT_CASE(test_mapping_outlives_the_file),
	{}
};

static struct kunit_suite shmbuf_vma_pages_suite = {
	.name = "shmbuf_vma_pages",
	.init = vma_test_init_pages,
	.exit = vma_test_exit,
	.test_cases = shmbuf_vma_cases,
};

static struct kunit_suite shmbuf_vma_contig_suite = {
	.name = "shmbuf_vma_contig",
	.init = vma_test_init_contig,
	.exit = vma_test_exit,
	.test_cases = shmbuf_vma_cases,
};

static struct kunit_suite shmbuf_vma_coherent_suite = {
	.name = "shmbuf_vma_coherent",
	.init = vma_test_init_coherent,
	.exit = vma_test_exit,
	.test_cases = shmbuf_vma_cases,
};

static struct kunit_suite shmbuf_vma_dma_mmap_suite = {
	.name = "shmbuf_vma_dma_mmap",
	.init = vma_test_init_dma_mmap,
	.exit = vma_test_exit,
	.test_cases = shmbuf_vma_cases,
};

static struct kunit_suite shmbuf_vma_stream_suite = {
	.name = "shmbuf_vma_stream",
	.init = vma_test_init_stream,
	.exit = vma_test_exit,
	.test_cases = shmbuf_vma_cases,
};

static struct kunit_case shmbuf_vma_at_once_cases[] = {
	KUNIT_CASE(test_backing_cannot_map),
	KUNIT_CASE(test_mapped_elsewhere),
	{}
};

static struct kunit_suite shmbuf_vma_at_once_suite = {
	.name = "shmbuf_vma_at_once",
	.init = vma_test_init_dma_mmap,
	.exit = vma_test_exit,
	.test_cases = shmbuf_vma_at_once_cases,
};

#ifdef CONFIG_X86
static unsigned long cache_bits(pgprot_t prot)
{
	return pgprot_val(prot) & _PAGE_CACHE_MASK;
}

static unsigned long kernel_cache_bits(struct kunit *test, void *vaddr)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)vaddr, &level);

	KUNIT_ASSERT_NOT_NULL(test, pte);
	if (level != PG_LEVEL_4K)
		return cache_bits(pgprot_large_2_4k(__pgprot(pte_flags(*pte))));
	return cache_bits(__pgprot(pte_flags(*pte)));
}

/*
 * The process and the kernel have the memory cached in the same way, over the
 * whole buffer, and the kernel has it as before when the buffer is gone.
 */
static void test_cache_attribute(struct kunit *test)
{
	const u32 *cache = test->param_value;
	struct shmbuf_create args = {
		.size = 3 * PAGE_SIZE,
		.backing = SHMBUF_BACKING_CONTIG,
		.cache = *cache,
		.numa_node = SHMBUF_NUMA_ANY,
	};
	unsigned long addr, pfn, expected;
	struct file *file;
	void *vaddr;
	pgprot_t prot;
	u8 byte;
	int i;

	expected = cache_bits(*cache == SHMBUF_CACHE_UNCACHED ?
			      pgprot_noncached(PAGE_KERNEL) :
			      pgprot_writecombine(PAGE_KERNEL));
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	file = create_buffer_file(&args, NULL);
	if (!pat_enabled()) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(file), -EOPNOTSUPP);
		kunit_skip(test, "this machine has no page attribute table");
	}
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	vaddr = shmbuf_vmap(shmbuf_of_file(file));
	addr = vm_mmap(file, 0, args.size, RW, MAP_SHARED, 0);
	KUNIT_EXPECT_LT(test, addr, TASK_SIZE);
	for (i = 0; i < 3 && addr < TASK_SIZE; i++) {
		KUNIT_EXPECT_EQ(test, put_user(i + 1, (u8 __user *)addr +
						      i * PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, READ_ONCE(*(u8 *)(vaddr + i * PAGE_SIZE)),
				i + 1);
		KUNIT_EXPECT_EQ(test, get_user(byte, (u8 __user *)addr), 0);
		KUNIT_EXPECT_EQ(test, kernel_cache_bits(test, vaddr +
							i * PAGE_SIZE),
				expected);
		KUNIT_EXPECT_EQ(test, entry_size(addr + i * PAGE_SIZE, &pfn,
						 &prot), PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, cache_bits(prot), expected);
	}
	vm_munmap(addr, args.size);
	__fput_sync(file);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kernel_cache_bits(test, vaddr +
							i * PAGE_SIZE), 0);
}
#else
/* Without a way to change the kernel's own mapping, there is only one. */
static void test_cache_attribute(struct kunit *test)
{
	const u32 *cache = test->param_value;
	struct shmbuf_create args = {
		.size = 1,
		.backing = SHMBUF_BACKING_CONTIG,
		.cache = *cache,
		.numa_node = SHMBUF_NUMA_ANY,
	};

	KUNIT_EXPECT_EQ(test, PTR_ERR(create_buffer_file(&args, NULL)), -EOPNOTSUPP);
}
#endif

static const u32 cache_cases[] = {
	SHMBUF_CACHE_WRITE_COMBINE, SHMBUF_CACHE_UNCACHED
};

static void cache_desc(const u32 *cache, char *desc)
{
	strscpy(desc, *cache == SHMBUF_CACHE_UNCACHED ? "uncached" :
		"write combine", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(cache, cache_cases, cache_desc);

static struct kunit_case shmbuf_vma_cache_cases[] = {
	KUNIT_CASE_PARAM(test_cache_attribute, cache_gen_params),
	{}
};

static struct kunit_suite shmbuf_vma_cache_suite = {
	.name = "shmbuf_vma_cache",
	.test_cases = shmbuf_vma_cache_cases,
};

static struct kunit_case shmbuf_vma_huge_cases[] = {
	KUNIT_CASE(test_huge_entries),
	KUNIT_CASE(test_fault_around),
	KUNIT_CASE(test_pages_around),
	KUNIT_CASE(test_folios_around),
	KUNIT_CASE(test_small_window),
	KUNIT_CASE(test_small_window_revoked),
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	KUNIT_CASE(test_page_fault_meets_huge_entry),
#endif
	KUNIT_CASE(test_no_huge_entries),
	KUNIT_CASE(test_map_unit),
	{}
};

static struct kunit_suite shmbuf_vma_huge_suite = {
	.name = "shmbuf_vma_huge",
	.init = vma_test_init_huge,
	.exit = vma_test_exit,
	.test_cases = shmbuf_vma_huge_cases,
};

kunit_test_suites(&shmbuf_vma_pages_suite, &shmbuf_vma_contig_suite,
		  &shmbuf_vma_coherent_suite, &shmbuf_vma_dma_mmap_suite,
		  &shmbuf_vma_at_once_suite, &shmbuf_vma_stream_suite, &shmbuf_vma_huge_suite,
		  &shmbuf_vma_cache_suite);

MODULE_DESCRIPTION("KUnit tests for the mappings of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
