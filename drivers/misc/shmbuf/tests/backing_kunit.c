// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the memory behind a buffer: got in full or not at all, whole
 * when there is plenty, in pieces when there is not, and given back to the last
 * page.
 */

#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "../geometry.h"
#include "../shmbuf.h"
#include "create.h"

static struct file *create(struct kunit *test, u32 backing, u64 size)
{
	struct shmbuf_create args = {
		.size = size,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "backing_kunit",
	};

	return create_buffer_file(&args, test->priv);
}

static void put_file(void *file)
{
	__fput_sync(file);
}

/* A file that is closed at the latest when the test ends. */
static struct file *create_file(struct kunit *test, u32 backing, u64 size)
{
	struct file *file = create(test, backing, size);

	if (PTR_ERR(file) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel has no such backing");
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

static int refs_at(struct kunit *test, struct file *file, pgoff_t index)
{
	struct folio *folio = filemap_get_folio(file->f_mapping, index);
	int refs;

	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	refs = folio_ref_count(folio);
	folio_put(folio);
	return refs;
}

static const u32 backings[] = {
	SHMBUF_BACKING_PAGES, SHMBUF_BACKING_CONTIG, SHMBUF_BACKING_COHERENT,
	SHMBUF_BACKING_STREAM
};

static void backing_desc(const u32 *backing, char *desc)
{
	static const char *const names[] = {
		"pages", "contig", "coherent", "stream"
	};

	strscpy(desc, names[*backing], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(backing, backings, backing_desc);

/* Every byte is 0, also those that rounding up the size has added. */
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

/* Not those of the DMA API, whose pages have no references of their own. */
static const u32 page_backings[] = {
	SHMBUF_BACKING_PAGES, SHMBUF_BACKING_CONTIG
};

KUNIT_ARRAY_PARAM(page_backing, page_backings, backing_desc);

/* When the buffer is gone, only the test's own reference is left. */
static void test_freed_to_the_last_page(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct page *pages[5];
	struct file *file;
	void *vaddr;
	int i;

	file = create_file(test, *backing, ARRAY_SIZE(pages) * PAGE_SIZE);
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

	if (totalram_pages() >= SHMBUF_MAX_SIZE >> PAGE_SHIFT)
		kunit_skip(test, "this machine has more than a buffer can");
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(test, *backing, SHMBUF_MAX_SIZE)),
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
	KUNIT_EXPECT_PTR_EQ(test, buf->map.vaddr, vaddr);
}

/* With plenty of memory, the folios are as large as the size allows. */
static void test_large_folios(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_PAGES,
					13 * PAGE_SIZE);

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE)) {
		KUNIT_EXPECT_EQ(test, order_at(test, file, 0), 0);
		return;
	}
	KUNIT_EXPECT_EQ(test, order_at(test, file, 0), 3);
	KUNIT_EXPECT_EQ(test, order_at(test, file, 8), 2);
	KUNIT_EXPECT_EQ(test, order_at(test, file, 12), 0);
}

/* The stub allocates so many folios, of at most this order. */
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
		KUNIT_EXPECT_EQ(test, PTR_ERR(create(test,
						     SHMBUF_BACKING_PAGES,
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

static const u32 dma_backings[] = {
	SHMBUF_BACKING_COHERENT, SHMBUF_BACKING_STREAM
};

KUNIT_ARRAY_PARAM(dma, dma_backings, backing_desc);

/* A request that the DMA API cannot satisfy fails, without a fallback. */
static void test_dma_refusals(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct shmbuf_create args = {
		.size = 1,
		.backing = *backing,
		.numa_node = SHMBUF_NUMA_ANY,
	};
	struct device *dev = test->priv;
	u64 mask = dev->coherent_dma_mask;

	KUNIT_EXPECT_EQ(test, PTR_ERR(create_buffer_file(&args, NULL)),
			-EOPNOTSUPP);
	dev->coherent_dma_mask = 0;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create_buffer_file(&args, dev)),
			-EOPNOTSUPP);
	dev->coherent_dma_mask = mask;
	args.numa_node = first_memory_node;
	KUNIT_ASSERT_NE(test, dev_to_node(dev), args.numa_node);
	KUNIT_EXPECT_EQ(test, PTR_ERR(create_buffer_file(&args, dev)),
			-EOPNOTSUPP);
	if (*backing == SHMBUF_BACKING_COHERENT && !dev_is_dma_coherent(dev))
		return;
	args.numa_node = SHMBUF_NUMA_ANY;
	args.cache = SHMBUF_CACHE_WRITE_COMBINE;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create_buffer_file(&args, dev)),
			-EOPNOTSUPP);
}

#ifdef CONFIG_HAS_DMA
/* The last call of the DMA API. */
static struct {
	size_t offset;
	size_t len;
	enum dma_data_direction dir;
	bool end;
	int calls;
} synced;

static void record_sync(struct shmbuf *buf, size_t offset, size_t len,
			enum dma_data_direction dir, bool end)
{
	synced.offset = offset;
	synced.len = len;
	synced.dir = dir;
	synced.end = end;
	synced.calls++;
}

/* The range that was asked for is handed over, no more and no less. */
static void test_sync_range(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_STREAM,
					3 * PAGE_SIZE);
	struct shmbuf *buf = shmbuf_of_file(file);

	/* On this machine it may do something or nothing, but it must work. */
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 0, 3 * PAGE_SIZE,
					  DMA_BIDIRECTIONAL, false), 0);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 0, 3 * PAGE_SIZE,
					  DMA_BIDIRECTIONAL, true), 0);

	synced.calls = 0;
	kunit_activate_static_stub(test, shmbuf_stream_sync, record_sync);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, PAGE_SIZE + 7, 100,
					  DMA_FROM_DEVICE, false), 0);
	KUNIT_EXPECT_EQ(test, synced.offset, PAGE_SIZE + 7);
	KUNIT_EXPECT_EQ(test, synced.len, 100);
	KUNIT_EXPECT_EQ(test, synced.dir, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, synced.end);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 0, 1, DMA_TO_DEVICE, true), 0);
	KUNIT_EXPECT_EQ(test, synced.offset, 0);
	KUNIT_EXPECT_EQ(test, synced.len, 1);
	KUNIT_EXPECT_EQ(test, synced.dir, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, synced.end);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(buf, 5, 0, DMA_TO_DEVICE, true), 0);
	KUNIT_EXPECT_EQ(test, synced.calls, 2);
	kunit_deactivate_static_stub(test, shmbuf_stream_sync);
}

/* A sealed buffer is in memory, where no SYNC of a reader can undo it. */
static void test_seal_writes_back(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_STREAM,
					3 * PAGE_SIZE);
	struct shmbuf *buf = shmbuf_of_file(file);

	synced.calls = 0;
	kunit_activate_static_stub(test, shmbuf_stream_sync, record_sync);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(buf, SHMBUF_SEAL_SEAL), 0);
	KUNIT_EXPECT_EQ(test, synced.calls, 0);
	file = create_file(test, SHMBUF_BACKING_STREAM, 3 * PAGE_SIZE);
	buf = shmbuf_of_file(file);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(buf, SHMBUF_SEAL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, synced.calls, 1);
	KUNIT_EXPECT_EQ(test, synced.offset, 0);
	KUNIT_EXPECT_EQ(test, synced.len, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, synced.dir, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, synced.end);
	kunit_deactivate_static_stub(test, shmbuf_stream_sync);
}

/* The device can reach what the process sees. */
static void test_dma_address(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_STREAM, PAGE_SIZE);
	struct shmbuf *buf = shmbuf_of_file(file);
	struct device *dev = test->priv;

	KUNIT_EXPECT_EQ(test, dma_mapping_error(dev, buf->dma), 0);
	KUNIT_EXPECT_LE(test, buf->dma + PAGE_SIZE - 1, dev->coherent_dma_mask);
}
#endif

/* The device stays as long as memory of it does, and no longer. */
static void test_device_is_held(struct kunit *test)
{
	struct device *dev = test->priv;
	unsigned int before = kref_read(&dev->kobj.kref);
	struct file *file = create_file(test, SHMBUF_BACKING_COHERENT, 1);

	KUNIT_EXPECT_EQ(test, kref_read(&dev->kobj.kref), before + 1);
	kunit_release_action(test, put_file, file);
	KUNIT_EXPECT_EQ(test, kref_read(&dev->kobj.kref), before);
}

static int backing_test_init(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "shmbuf_backing_kunit");

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	test->priv = dev;
	return 0;
}

#if IS_ENABLED(CONFIG_FAULT_INJECTION_DEBUG_FS) && \
	IS_ENABLED(CONFIG_FAILSLAB) && IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC)
/* To be set to 0, which lets every kind of allocation fail, without a trace. */
static struct {
	const char *kind;
	const char *name;
	size_t size;
	void *value;
	unsigned long old;
} fault_settings[] = {
	{ "failslab", "ignore-gfp-wait", sizeof(bool) },
	{ "failslab", "verbose", sizeof(unsigned long) },
	{ "fail_page_alloc", "ignore-gfp-wait", sizeof(bool) },
	{ "fail_page_alloc", "ignore-gfp-highmem", sizeof(bool) },
	{ "fail_page_alloc", "min-order", sizeof(u32) },
	{ "fail_page_alloc", "verbose", sizeof(unsigned long) },
};

static void restore_fault_settings(void *unused)
{
	int i;

	current->fail_nth = 0;
	for (i = 0; i < ARRAY_SIZE(fault_settings); i++)
		memcpy(fault_settings[i].value, &fault_settings[i].old,
		       fault_settings[i].size);
}

/* They are variables that only their files in debugfs lead to. */
static void *find_setting(const char *kind, const char *name)
{
	struct dentry *dir = debugfs_lookup(kind, NULL);
	struct dentry *file = dir ? debugfs_lookup(name, dir) : NULL;
	void *value = file ? d_inode(file)->i_private : NULL;

	dput(file);
	dput(dir);
	return value;
}

static void inject_faults(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(fault_settings); i++) {
		fault_settings[i].value = find_setting(fault_settings[i].kind,
						       fault_settings[i].name);
		if (!fault_settings[i].value)
			kunit_skip(test, "this kernel was booted without debugfs");
	}
	for (i = 0; i < ARRAY_SIZE(fault_settings); i++) {
		memcpy(&fault_settings[i].old, fault_settings[i].value,
		       fault_settings[i].size);
		memset(fault_settings[i].value, 0, fault_settings[i].size);
	}
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test,
							restore_fault_settings,
							NULL), 0);
}

/* From CREATE to a byte that the process and the kernel see; or an errno. */
static int use_buffer(struct kunit *test, u32 backing)
{
	struct file *file = create(test, backing, 5 * PAGE_SIZE);
	unsigned long addr;
	unsigned int nth;
	int err = 0;
	u8 *vaddr;

	if (IS_ERR(file))
		return PTR_ERR(file);
	addr = vm_mmap(file, 0, 5 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED, 0);
	vaddr = shmbuf_vmap(shmbuf_of_file(file));

	/* Faults and cleaning up take the allocations of others. */
	nth = current->fail_nth;
	current->fail_nth = 0;
	if (!vaddr)
		err = -ENOMEM;
	if (IS_ERR_VALUE(addr)) {
		err = addr;
	} else {
		if (put_user(0x5a, (u8 __user *)addr + 4 * PAGE_SIZE))
			err = -EFAULT;
		else if (vaddr && READ_ONCE(vaddr[4 * PAGE_SIZE]) != 0x5a)
			err = -EIO;
		KUNIT_EXPECT_EQ(test, vm_munmap(addr, 5 * PAGE_SIZE), 0);
	}
	KUNIT_EXPECT_EQ(test, shmbuf_of_file(file)->mappings, 0);
	__fput_sync(file);
	current->fail_nth = nth;
	return err;
}

/* Each allocation fails in its turn: an errno, and nothing half-made stays. */
static void test_allocation_fails(struct kunit *test)
{
	const u32 *backing = test->param_value;
	int nth = 0, failed = 0, err, held = atomic_read(&shmbuf_mnt_pins);

	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	err = use_buffer(test, *backing);
	if (err == -EOPNOTSUPP)
		kunit_skip(test, "this kernel has no such backing");
	KUNIT_ASSERT_EQ(test, err, 0);
	inject_faults(test);
	do {
		current->fail_nth = ++nth;
		err = use_buffer(test, *backing);
		if (err) {
			KUNIT_EXPECT_EQ(test, err, -ENOMEM);
			failed++;
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&shmbuf_mnt_pins), held);
	} while (!current->fail_nth && nth < 1000);
	current->fail_nth = 0;
	kunit_info(test, "%d allocations, %d of them needed\n", nth - 1,
		   failed);
	/* Six or more, some of which a slab that is refilled meanwhile hides. */
	KUNIT_EXPECT_GT(test, failed, 2);
	KUNIT_EXPECT_LT(test, nth, 1000);
}
#else
static void test_allocation_fails(struct kunit *test)
{
	kunit_skip(test,
		   "this kernel has no CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and CONFIG_FAULT_INJECTION_DEBUG_FS");
}
#endif

/* Memory of a node that there is; a node without memory is refused elsewhere. */
static void test_numa_node(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct shmbuf_create args = {
		.size = 3 * PAGE_SIZE,
		.backing = *backing,
		.numa_node = first_memory_node,
	};
	struct file *file = create_buffer_file(&args, NULL);
	struct page *page;
	void *vaddr;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_file, file),
			0);
	vaddr = shmbuf_vmap(shmbuf_of_file(file));
	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	page = is_vmalloc_addr(vaddr) ? vmalloc_to_page(vaddr) :
					virt_to_page(vaddr);
	KUNIT_EXPECT_EQ(test, page_to_nid(page), first_memory_node);
}

/* More than the page allocator has in one piece. */
static void test_large_contig(struct kunit *test)
{
	const size_t size = (PAGE_SIZE << MAX_PAGE_ORDER) + PAGE_SIZE;
	struct file *file = create(test, SHMBUF_BACKING_CONTIG, size);
	u8 *vaddr;

	if (!IS_ENABLED(CONFIG_CONTIG_ALLOC)) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(file), -ENOMEM);
		return;
	}
	if (PTR_ERR(file) == -ENOMEM)
		kunit_skip(test, "this machine has not as much in one piece");
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	vaddr = shmbuf_vmap(shmbuf_of_file(file));
	KUNIT_EXPECT_EQ(test, page_to_pfn(virt_to_page(vaddr + size - 1)),
			shmbuf_of_file(file)->pfn + size / PAGE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, vaddr[size - 1], 0);
	__fput_sync(file);
}

/*
 * An access to a page that is missing, after a memory error, raises SIGBUS. mm puts
 * a page in its place that is not cleared, and no process sees that page.
 */
static void test_lost_page(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_PAGES,
					4 * PAGE_SIZE);
	struct shmbuf *buf = shmbuf_of_file(file);
	u8 *data = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	unsigned long addr;
	loff_t pos;
	int refs;
	u8 byte;

	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	addr = vm_mmap(file, 0, 4 * PAGE_SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	/* As after a memory error, the folio may be split. */
	mapping_clear_release_always(file->f_mapping);
	truncate_inode_pages_range(file->f_mapping, 2 * PAGE_SIZE,
				   4 * PAGE_SIZE - 1);
	mapping_set_release_always(file->f_mapping);
	KUNIT_ASSERT_TRUE(test, IS_ERR(filemap_get_folio(file->f_mapping, 2)));
	refs = refs_at(test, file, 0);
	pos = 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, kernel_read(file, data, PAGE_SIZE, &pos), -EIO);
	KUNIT_EXPECT_NULL(test, shmbuf_vmap(buf));
	KUNIT_EXPECT_EQ(test, shmbuf_seal(buf, SHMBUF_SEAL_WRITE), -EBUSY);
	/* A kernel mapping that came to nothing kept nothing. */
	KUNIT_EXPECT_EQ(test, refs_at(test, file, 0), refs);

	KUNIT_EXPECT_EQ(test, get_user(byte, (u8 __user *)addr), 0);
	KUNIT_EXPECT_EQ(test, byte, 0);
	KUNIT_EXPECT_EQ(test, get_user(byte, (u8 __user *)addr + 2 * PAGE_SIZE),
			-EFAULT);
	pos = 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, kernel_read(file, data, PAGE_SIZE, &pos), -EIO);
	pos = 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, kernel_write(file, data, PAGE_SIZE, &pos), -EIO);
	KUNIT_EXPECT_NULL(test, shmbuf_vmap(buf));
	KUNIT_EXPECT_EQ(test, shmbuf_seal(buf, SHMBUF_SEAL_WRITE), -EBUSY);
	pos = 0;
	KUNIT_EXPECT_EQ(test, kernel_read(file, data, PAGE_SIZE, &pos),
			PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, 4 * PAGE_SIZE), 0);
	/* The lost page may have users, so no seal is possible. */
	KUNIT_EXPECT_EQ(test, shmbuf_seal(buf, SHMBUF_SEAL_WRITE), -EBUSY);
	/* The buffer can still be revoked. */
	shmbuf_revoke(buf);
}

/* The kernel mapping lets go of its pages, also of those that went missing. */
static void test_lost_page_with_vmap(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_PAGES,
					4 * PAGE_SIZE);
	struct page *pages[4];
	u8 *vaddr;
	int i;

	vaddr = shmbuf_vmap(shmbuf_of_file(file));
	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = vmalloc_to_page(vaddr + i * PAGE_SIZE);
		get_page(pages[i]);
	}
	truncate_inode_pages_range(file->f_mapping, 0, 4 * PAGE_SIZE - 1);
	vaddr[0] = 0x5a;
	kunit_release_action(test, put_file, file);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		KUNIT_EXPECT_LE(test, page_count(pages[i]),
				folio_nr_pages(page_folio(pages[i])));
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		put_page(pages[i]);
}

#ifdef CONFIG_MEMORY_FAILURE
/* A page with a memory error is not read, not even by the kernel. */
static void test_poisoned_page(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_PAGES, PAGE_SIZE);
	struct folio *folio = filemap_get_folio(file->f_mapping, 0);
	loff_t pos = 0;
	u8 byte;

	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	SetPageHWPoison(folio_page(folio, 0));
	KUNIT_EXPECT_EQ(test, kernel_read(file, &byte, 1, &pos), -EIO);
	KUNIT_EXPECT_EQ(test, kernel_write(file, &byte, 1, &pos), -EIO);
	KUNIT_EXPECT_NULL(test, shmbuf_vmap(shmbuf_of_file(file)));
	ClearPageHWPoison(folio_page(folio, 0));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, kernel_read(file, &byte, 1, &pos), 1);
}
#endif

/* The holder of a reference to a page may write to it. */
static void test_seal_of_what_is_in_use(struct kunit *test)
{
	struct file *file = create_file(test, SHMBUF_BACKING_PAGES,
					3 * PAGE_SIZE);
	struct shmbuf *buf = shmbuf_of_file(file);
	struct folio *folio = filemap_get_folio(file->f_mapping, 2);

	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	KUNIT_EXPECT_EQ(test, shmbuf_seal(buf, SHMBUF_SEAL_WRITE), -EBUSY);
	KUNIT_EXPECT_EQ(test, buf->seals, 0);
	KUNIT_EXPECT_FALSE(test, buf->sealing);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(buf, SHMBUF_SEAL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, buf->seals, SHMBUF_SEAL_WRITE);
}

static struct folio *alloc_and_be_killed(unsigned int order, int numa_node)
{
	if (folios_left == 3) {
		sigaddset(&current->pending.signal, SIGKILL);
		set_thread_flag(TIF_SIGPENDING);
	}
	return stingy_alloc(order, numa_node);
}

/* An allocation ends early if its process is killed. */
static void test_killed(struct kunit *test)
{
	struct file *file;

	largest_order = 0;
	folios_left = 8;
	kunit_activate_static_stub(test, shmbuf_alloc_folio,
				   alloc_and_be_killed);
	file = create(test, SHMBUF_BACKING_PAGES, 8 * PAGE_SIZE);
	sigdelset(&current->pending.signal, SIGKILL);
	clear_thread_flag(TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, PTR_ERR(file), -EINTR);
	KUNIT_EXPECT_EQ(test, folios_left, 2);
}

static struct kunit_case shmbuf_backing_cases[] = {
	KUNIT_CASE_PARAM(test_zeroed, backing_gen_params),
	KUNIT_CASE_PARAM(test_freed_to_the_last_page, page_backing_gen_params),
	KUNIT_CASE_PARAM(test_too_large, backing_gen_params),
	KUNIT_CASE_PARAM(test_vmap_once, backing_gen_params),
	KUNIT_CASE(test_large_folios),
	KUNIT_CASE(test_fragmented),
	KUNIT_CASE(test_memory_ends),
	KUNIT_CASE_PARAM(test_allocation_fails, backing_gen_params),
	KUNIT_CASE_PARAM(test_numa_node, page_backing_gen_params),
	KUNIT_CASE(test_large_contig),
	KUNIT_CASE(test_lost_page),
	KUNIT_CASE(test_lost_page_with_vmap),
#ifdef CONFIG_MEMORY_FAILURE
	KUNIT_CASE(test_poisoned_page),
#endif
	KUNIT_CASE(test_seal_of_what_is_in_use),
	KUNIT_CASE(test_killed),
	KUNIT_CASE_PARAM(test_dma_refusals, dma_gen_params),
#ifdef CONFIG_HAS_DMA
	KUNIT_CASE(test_sync_range),
	KUNIT_CASE(test_seal_writes_back),
	KUNIT_CASE(test_dma_address),
#endif
	KUNIT_CASE(test_device_is_held),
	{}
};

static struct kunit_suite shmbuf_backing_suite = {
	.name = "shmbuf_backing",
	.init = backing_test_init,
	.test_cases = shmbuf_backing_cases,
};

kunit_test_suite(shmbuf_backing_suite);

MODULE_DESCRIPTION("KUnit tests for the memory of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
