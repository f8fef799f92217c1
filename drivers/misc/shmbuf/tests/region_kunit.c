// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for buffers of a physical range: pages of the test's own stand in
 * for a device's memory. On x86, a range of addresses with nothing behind it
 * shows what page table entries for registers look like.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/iosys-map.h>
#include <linux/log2.h>
#include <linux/logic_iomem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../shmbuf.h"

#define PAGES		4
#define ORDER		ilog2(PAGES)
#define SIZE		(PAGES * PAGE_SIZE)
#define RW		(PROT_READ | PROT_WRITE)
#define IO_FLAGS	(VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP)

struct region_test {
	u8 *memory;		/* what the kernel sees of it */
	struct shmbuf *buf;
	struct file *file;
};

/* Under UML memory is not among the resources, and memremap() not possible. */
static int map_own_memory(struct shmbuf *buf)
{
	iosys_map_set_vaddr(&buf->map, phys_to_virt(PFN_PHYS(buf->pfn)));
	return 0;
}

static struct shmbuf_region own_memory(struct region_test *t)
{
	return (struct shmbuf_region) {
		.start = virt_to_phys(t->memory),
		.size = SIZE,
		.name = "region_kunit",
	};
}

static void wrap(struct kunit *test, const struct shmbuf_region *region)
{
	struct region_test *t = test->priv;

	t->buf = shmbuf_wrap_region(region);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->buf));
	t->file = shmbuf_open_file(t->buf, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->file));
}

static void wrap_own_memory(struct kunit *test, bool privileged)
{
	struct shmbuf_region region = own_memory(test->priv);

	region.privileged = privileged;
	if (IS_ENABLED(CONFIG_UML))
		kunit_activate_static_stub(test, shmbuf_map_region,
					   map_own_memory);
	wrap(test, &region);
}

/* The process gets these very pages, and read() and write() do too. */
static void test_same_bytes(struct kunit *test)
{
	struct region_test *t = test->priv;
	unsigned long addr;
	loff_t pos;
	u8 byte;
	int i;

	wrap_own_memory(test, false);
	addr = vm_mmap(t->file, 0, SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	for (i = 0; i < PAGES; i++) {
		u8 __user *user = (u8 __user *)addr + i * PAGE_SIZE;

		t->memory[i * PAGE_SIZE] = i + 1;
		KUNIT_EXPECT_EQ(test, get_user(byte, user), 0);
		KUNIT_EXPECT_EQ(test, byte, i + 1);
		KUNIT_EXPECT_EQ(test, put_user(i + 100, user + 1), 0);
		KUNIT_EXPECT_EQ(test, t->memory[i * PAGE_SIZE + 1], i + 100);
		pos = i * PAGE_SIZE + 1;
		KUNIT_EXPECT_EQ(test, kernel_read(t->file, &byte, 1, &pos), 1);
		KUNIT_EXPECT_EQ(test, byte, i + 100);
		KUNIT_EXPECT_EQ(test, kernel_write(t->file, &byte, 1, &pos), 1);
		KUNIT_EXPECT_EQ(test, t->memory[i * PAGE_SIZE + 2], i + 100);
	}
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, SIZE), 0);
}

/* The memory belongs to the driver: it is neither cleared nor freed. */
static void test_memory_is_not_ours(struct kunit *test)
{
	struct region_test *t = test->priv;

	memset(t->memory, 0x5a, SIZE);
	wrap_own_memory(test, false);
	KUNIT_EXPECT_NULL(test, t->buf->user);
	__fput_sync(t->file);
	shmbuf_put(t->buf);
	t->file = NULL;
	t->buf = NULL;
	KUNIT_EXPECT_NULL(test, memchr_inv(t->memory, 0x5a, SIZE));
	KUNIT_EXPECT_EQ(test, page_count(virt_to_page(t->memory)), 1);
}

/* A device may write to the region, so it cannot be sealed. */
static void test_cannot_be_sealed(struct kunit *test)
{
	struct region_test *t = test->priv;

	wrap_own_memory(test, false);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(t->buf, SHMBUF_SEAL_WRITE), -EPERM);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(t->buf, SHMBUF_SEAL_SEAL), 0);
	KUNIT_EXPECT_EQ(test, t->buf->seals, SHMBUF_SEAL_SEAL);
}

/* I/O memory: no dump, no growing, no struct pages. */
static void test_flags(struct kunit *test)
{
	struct region_test *t = test->priv;
	struct vm_area_struct *vma;
	unsigned long addr;

	wrap_own_memory(test, false);
	addr = vm_mmap(t->file, 0, SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma)
		KUNIT_EXPECT_EQ(test, vma->vm_flags & IO_FLAGS, IO_FLAGS);
	mmap_read_unlock(current->mm);
}

/* Runs with the rights of a process that has lost one capability. */
static const struct cred *lower(struct kunit *test, int cap)
{
	struct cred *cred = prepare_creds();

	KUNIT_ASSERT_NOT_NULL(test, cred);
	cap_lower(cred->cap_effective, cap);
	return override_creds(cred);
}

/* Each access to a privileged region needs CAP_SYS_RAWIO. */
static void test_privileged(struct kunit *test)
{
	const bool *privileged = test->param_value;
	struct region_test *t = test->priv;
	const struct cred *old;
	unsigned long addr;
	ssize_t got, put;
	loff_t pos = 0;
	u8 byte = 0;

	wrap_own_memory(test, *privileged);
	old = lower(test, CAP_SYS_RAWIO);
	addr = vm_mmap(t->file, 0, SIZE, RW, MAP_SHARED, 0);
	got = kernel_read(t->file, &byte, 1, &pos);
	put = kernel_write(t->file, &byte, 1, &pos);
	put_cred(revert_creds(old));
	if (*privileged) {
		KUNIT_EXPECT_EQ(test, addr, (unsigned long)-EPERM);
		KUNIT_EXPECT_EQ(test, got, -EPERM);
		KUNIT_EXPECT_EQ(test, put, -EPERM);
	} else {
		KUNIT_EXPECT_LT(test, addr, TASK_SIZE);
		KUNIT_EXPECT_EQ(test, got, 1);
		KUNIT_EXPECT_EQ(test, put, 1);
	}
	addr = vm_mmap(t->file, 0, SIZE, RW, MAP_SHARED, 0);
	KUNIT_EXPECT_LT(test, addr, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, kernel_read(t->file, &byte, 1, &pos), 1);
}

/* Nor is it enough that the one who uses the file has it. */
static void test_opened_without_privilege(struct kunit *test)
{
	struct region_test *t = test->priv;
	const struct cred *old;
	struct file *file;
	loff_t pos = 0;
	u8 byte;

	wrap_own_memory(test, true);
	old = lower(test, CAP_SYS_RAWIO);
	file = shmbuf_open_file(t->buf, O_RDWR);
	put_cred(revert_creds(old));
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_EQ(test, vm_mmap(file, 0, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-EPERM);
	KUNIT_EXPECT_EQ(test, kernel_read(file, &byte, 1, &pos), -EPERM);
	KUNIT_EXPECT_EQ(test, kernel_write(file, &byte, 1, &pos), -EPERM);
	__fput_sync(file);
}

static const bool privileged_cases[] = { true, false };

static void privileged_desc(const bool *privileged, char *desc)
{
	strscpy(desc, *privileged ? "marked" : "not marked",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(privileged, privileged_cases, privileged_desc);

/* Read or write a word of the mapping at @addr, as a debugger does. */
static int access_vma(unsigned long addr, void *data, int len, int write)
{
	struct vm_area_struct *vma;
	int ret = -ENOENT;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	if (vma)
		ret = vma->vm_ops->access(vma, addr, data, len, write);
	mmap_read_unlock(current->mm);
	return ret;
}

/* A debugger reads and writes what the process could, without a struct page. */
static void test_debugger(struct kunit *test)
{
	struct region_test *t = test->priv;
	unsigned long addr, ro;
	char word[8] = "";

	wrap_own_memory(test, false);
	/* A window that does not begin where the buffer does. */
	addr = vm_mmap(t->file, 0, 2 * PAGE_SIZE, RW, MAP_SHARED, PAGE_SIZE);
	ro = vm_mmap(t->file, 0, PAGE_SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	KUNIT_ASSERT_LT(test, ro, TASK_SIZE);
	strscpy(t->memory + PAGE_SIZE + 5, "peeked!", 8);
	KUNIT_EXPECT_EQ(test, access_vma(addr + 5, word, 8, 0), 8);
	KUNIT_EXPECT_STREQ(test, word, "peeked!");
	KUNIT_EXPECT_EQ(test, access_vma(addr + PAGE_SIZE, "poked!!", 8, 1), 8);
	KUNIT_EXPECT_STREQ(test, t->memory + 2 * PAGE_SIZE, "poked!!");

	/* Not past the end of the mapping, nor against its protection. */
	KUNIT_EXPECT_EQ(test, access_vma(addr + 2 * PAGE_SIZE - 3, word, 8, 0),
			3);
	KUNIT_EXPECT_EQ(test, access_vma(ro, word, 8, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, access_vma(ro, word, 8, 0), 8);

	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_EQ(test, access_vma(addr, word, 8, 0), -EFAULT);
}

/* The range goes back to its owner while a process has it mapped. */
static void test_revoke(struct kunit *test)
{
	struct region_test *t = test->priv;
	unsigned long addr;
	loff_t pos = 0;
	u8 byte;

	wrap_own_memory(test, false);
	addr = vm_mmap(t->file, 0, SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, get_user(byte, (u8 __user *)addr), 0);
	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_EQ(test, get_user(byte, (u8 __user *)addr), -EFAULT);
	KUNIT_EXPECT_EQ(test, kernel_read(t->file, &byte, 1, &pos), -ENODEV);
	KUNIT_EXPECT_NULL(test, t->buf->map.vaddr);
}

static int signals_passed_on;

static void count_signal(struct device *dev)
{
	signals_passed_on++;
}

static long signal_through(struct file *file, unsigned long arg)
{
	return file->f_op->unlocked_ioctl(file, SHMBUF_IOC_SIGNAL, arg);
}

/* A program's signal is passed on, until there is no device to pass it to. */
static void test_signal_device(struct kunit *test)
{
	struct region_test *t = test->priv;
	struct shmbuf_region region = own_memory(t);
	const struct cred *old;
	unsigned long addr;

	region.signal = count_signal;
	signals_passed_on = 0;
	if (IS_ENABLED(CONFIG_UML))
		kunit_activate_static_stub(test, shmbuf_map_region,
					   map_own_memory);
	wrap(test, &region);
	/* The argument of the ioctl, all 0, is in the memory itself. */
	addr = vm_mmap(t->file, 0, SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	memset(t->memory, 0, sizeof(struct shmbuf_notify));
	KUNIT_EXPECT_EQ(test, signal_through(t->file, addr), 0);
	KUNIT_EXPECT_EQ(test, signals_passed_on, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&t->buf->sequence), 1);

	/* It takes what a store to the memory takes. */
	memset(t->memory, 0, sizeof(struct shmbuf_notify));
	t->file->f_mode &= ~FMODE_WRITE;
	KUNIT_EXPECT_EQ(test, signal_through(t->file, addr), -EPERM);
	t->file->f_mode |= FMODE_WRITE;
	t->buf->privileged = true;
	old = lower(test, CAP_SYS_RAWIO);
	KUNIT_EXPECT_EQ(test, signal_through(t->file, addr), -EPERM);
	put_cred(revert_creds(old));
	KUNIT_EXPECT_EQ(test, signals_passed_on, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&t->buf->sequence), 1);
	/* Which a driver's own is not: it comes from there. */
	shmbuf_signal(t->buf);
	KUNIT_EXPECT_EQ(test, signals_passed_on, 1);
	shmbuf_revoke(t->buf);
	shmbuf_signal_device(t->buf);
	KUNIT_EXPECT_EQ(test, signals_passed_on, 1);
}

#if defined(CONFIG_INDIRECT_IOMEM) && defined(CONFIG_64BIT) && !defined(MODULE)
/* A device whose registers are an array, where I/O memory is functions (UML). */
static u8 registers[2 * PAGE_SIZE];

static unsigned long read_register(void *priv, unsigned int offset, int size)
{
	unsigned long val = 0;

	memcpy(&val, registers + offset, size);
	return val;
}

static void write_register(void *priv, unsigned int offset, int size,
			   unsigned long val)
{
	memcpy(registers + offset, &val, size);
}

static const struct logic_iomem_ops register_ops = {
	.read	= read_register,
	.write	= write_register,
};

static long map_registers(unsigned long offset, size_t size,
			  const struct logic_iomem_ops **ops, void **priv)
{
	*ops = &register_ops;
	return offset;
}

static const struct logic_iomem_region_ops registers_ops = {
	.map = map_registers,
};

static const u32 register_caches[] = {
	SHMBUF_CACHE_UNCACHED, SHMBUF_CACHE_DEVICE
};

static void register_cache_desc(const u32 *cache, char *desc)
{
	strscpy(desc, *cache == SHMBUF_CACHE_DEVICE ? "device" : "uncached",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(register_cache, register_caches, register_cache_desc);

/* I/O memory has no address, and is read and written as such. */
static void test_registers(struct kunit *test)
{
	static struct resource device = DEFINE_RES_MEM_NAMED(1ULL << 40,
							     sizeof(registers),
							     "shmbuf_kunit");
	const u32 *cache = test->param_value;
	struct shmbuf_region region = {
		.size = sizeof(registers),
		.cache = *cache,
		.name = "registers",
	};
	struct region_test *t = test->priv;
	loff_t pos = PAGE_SIZE - 3;
	char word[8] = "";

	region.start = device.start;
	/* It cannot be taken away: it stays, also in /proc/iomem. */
	if (!device.parent)
		KUNIT_ASSERT_EQ(test, logic_iomem_add_region(&device,
							     &registers_ops),
				0);
	wrap(test, &region);
	KUNIT_EXPECT_NULL(test, shmbuf_vmap(t->buf));
	KUNIT_EXPECT_TRUE(test, t->buf->map.is_iomem);
	KUNIT_EXPECT_EQ(test, kernel_write(t->file, "written", 8, &pos), 8);
	KUNIT_EXPECT_STREQ(test, registers + PAGE_SIZE - 3, "written");
	pos = PAGE_SIZE - 3;
	KUNIT_EXPECT_EQ(test, kernel_read(t->file, word, 8, &pos), 8);
	KUNIT_EXPECT_STREQ(test, word, "written");
	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_FALSE(test, t->buf->map.is_iomem);
	KUNIT_EXPECT_EQ(test, kernel_read(t->file, word, 8, &pos), -ENODEV);
}
#endif

/* An invalid region is refused. */
static void test_refused(struct kunit *test)
{
	struct region_test *t = test->priv;
	struct shmbuf_region region = own_memory(t);

	region.size--;
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_wrap_region(&region)), -EINVAL);
	region = own_memory(t);
	region.start++;
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_wrap_region(&region)), -EINVAL);
	region = own_memory(t);
	region.cache = SHMBUF_CACHE_DEVICE + 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_wrap_region(&region)), -EINVAL);
}

static int no_mapping(struct shmbuf *buf)
{
	return -ENOMEM;
}

static void test_no_kernel_addresses(struct kunit *test)
{
	struct region_test *t = test->priv;
	struct shmbuf_region region = own_memory(t);

	kunit_activate_static_stub(test, shmbuf_map_region, no_mapping);
	KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_wrap_region(&region)), -ENOMEM);
}

#ifndef CONFIG_UML	/* which has no record of its memory */
/* Memory that the kernel has mapped as cached cannot be anything else. */
static void test_memory_stays_cached(struct kunit *test)
{
	struct region_test *t = test->priv;
	struct shmbuf_region region = own_memory(t);

	for (region.cache = 1; region.cache <= SHMBUF_CACHE_DEVICE;
	     region.cache++)
		KUNIT_EXPECT_EQ(test, PTR_ERR(shmbuf_wrap_region(&region)),
				-EOPNOTSUPP);
}
#endif

#ifdef CONFIG_X86
#define HOLE_SIZE	SZ_4M

struct attribute_case {
	const char *sentence;
	u32 cache;
	enum page_cache_mode mode;
};

static const struct attribute_case attribute_cases[] = {
	{ "write combine", SHMBUF_CACHE_WRITE_COMBINE,
	  _PAGE_CACHE_MODE_WC },
	{ "uncached", SHMBUF_CACHE_UNCACHED, _PAGE_CACHE_MODE_UC_MINUS },
	{ "device", SHMBUF_CACHE_DEVICE, _PAGE_CACHE_MODE_UC_MINUS },
};

/*
 * PTEs and PMDs have the attribute. No driver has claimed these addresses, and
 * the test does not read from them.
 */
static void test_attribute(struct kunit *test)
{
	const struct attribute_case *c = test->param_value;
	struct resource hole = { .name = "shmbuf", .flags = IORESOURCE_MEM };
	struct region_test *t = test->priv;
	struct shmbuf_region region = { .size = HOLE_SIZE, .cache = c->cache,
					.name = "hole" };
	struct follow_pfnmap_args args = {};
	unsigned long addr, bits = 0;

	if (allocate_resource(&iomem_resource, &hole, HOLE_SIZE, SZ_1G,
			      SZ_4G - 1, SZ_4M, NULL, NULL))
		kunit_skip(test, "no range of addresses is free");
	region.start = hole.start;
	t->buf = shmbuf_wrap_region(&region);
	release_resource(&hole);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->buf));
	t->file = shmbuf_open_file(t->buf, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->file));
	KUNIT_EXPECT_EQ(test, !!t->buf->map.is_iomem,
			c->cache != SHMBUF_CACHE_WRITE_COMBINE);

	addr = vm_mmap(t->file, 0, HOLE_SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	mmap_read_lock(current->mm);
	KUNIT_EXPECT_EQ(test, fixup_user_fault(current->mm, addr, 0, NULL), 0);
	args.vma = vma_lookup(current->mm, addr);
	args.address = addr;
	if (args.vma && !follow_pfnmap_start(&args)) {
		bits = pgprot_val(args.pgprot) & _PAGE_CACHE_MASK;
		if (-args.addr_mask != PAGE_SIZE)
			bits = pgprot_val(pgprot_large_2_4k(args.pgprot)) &
			       _PAGE_CACHE_MASK;
		follow_pfnmap_end(&args);
	}
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, args.pfn, PHYS_PFN(hole.start));
	KUNIT_EXPECT_EQ(test, -args.addr_mask, t->buf->map_unit);
	KUNIT_EXPECT_EQ(test, bits, cachemode2protval(c->mode));
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, HOLE_SIZE), 0);
}

KUNIT_ARRAY_PARAM_DESC(attribute, attribute_cases, sentence);
#endif

static int region_test_init(struct kunit *test)
{
	struct region_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct page *page;
	int err;

	if (!t)
		return -ENOMEM;
	err = kunit_attach_mm();
	if (err)
		return err;
	page = alloc_pages(GFP_KERNEL | __GFP_ZERO, ORDER);
	if (!page)
		return -ENOMEM;
	split_page(page, ORDER);
	t->memory = page_address(page);
	test->priv = t;
	return 0;
}

static void region_test_exit(struct kunit *test)
{
	struct region_test *t = test->priv;
	int i;

	if (!t)
		return;
	if (!IS_ERR_OR_NULL(t->buf)) {
		/* No mapping outlives the memory. */
		shmbuf_revoke(t->buf);
		shmbuf_put(t->buf);
	}
	if (!IS_ERR_OR_NULL(t->file))
		__fput_sync(t->file);
	for (i = 0; i < PAGES; i++)
		free_page((unsigned long)t->memory + i * PAGE_SIZE);
}

static struct kunit_case shmbuf_region_cases[] = {
	KUNIT_CASE(test_same_bytes),
	KUNIT_CASE(test_memory_is_not_ours),
	KUNIT_CASE(test_cannot_be_sealed),
	KUNIT_CASE(test_flags),
	KUNIT_CASE_PARAM(test_privileged, privileged_gen_params),
	KUNIT_CASE(test_opened_without_privilege),
	KUNIT_CASE(test_debugger),
	KUNIT_CASE(test_revoke),
	KUNIT_CASE(test_signal_device),
#if defined(CONFIG_INDIRECT_IOMEM) && defined(CONFIG_64BIT) && !defined(MODULE)
	KUNIT_CASE_PARAM(test_registers, register_cache_gen_params),
#endif
	KUNIT_CASE(test_refused),
	KUNIT_CASE(test_no_kernel_addresses),
#ifndef CONFIG_UML
	KUNIT_CASE(test_memory_stays_cached),
#endif
#ifdef CONFIG_X86
	KUNIT_CASE_PARAM(test_attribute, attribute_gen_params),
#endif
	{}
};

static struct kunit_suite shmbuf_region_suite = {
	.name = "shmbuf_region",
	.init = region_test_init,
	.exit = region_test_exit,
	.test_cases = shmbuf_region_cases,
};

kunit_test_suite(shmbuf_region_suite);

MODULE_DESCRIPTION("KUnit tests for regions of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
