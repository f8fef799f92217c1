// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for revocation: it ends each way of access to a buffer, also an
 * access that has begun.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/capability.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/user.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "../shmbuf.h"
#include "create.h"

#define PAGES		32
#define SIZE		(PAGES * PAGE_SIZE)
#define RW		(PROT_READ | PROT_WRITE)

struct revoke_test {
	struct file *file;
	struct shmbuf *buf;
	struct device *dev;
};

static struct file *create(u32 backing, size_t size, struct device *dev)
{
	struct shmbuf_create args = {
		.size = size,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "revoke_kunit",
	};

	return create_buffer_file(&args, dev);
}

static unsigned long map_all(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	unsigned long addr = vm_mmap(t->file, 0, SIZE, RW, MAP_SHARED, 0);

	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	return addr;
}

/* The first byte of a page of the mapping, or an errno. */
static int touch(unsigned long addr, int page)
{
	u8 byte;

	return get_user(byte, (u8 __user *)addr + page * PAGE_SIZE) ?: byte;
}

/* PTEs are gone, a fault installs none, and the counts stay exact. */
static void test_mapping_is_zapped(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	unsigned long addr = map_all(test);
	int i;

	for (i = 0; i < PAGES / 2; i++)
		KUNIT_EXPECT_EQ(test, touch(addr, i), 0);
	shmbuf_revoke(t->buf);
	for (i = 0; i < PAGES; i++)
		KUNIT_EXPECT_EQ(test, touch(addr, i), -EFAULT);
	KUNIT_EXPECT_EQ(test, put_user(1, (u8 __user *)addr), -EFAULT);
	KUNIT_EXPECT_EQ(test, t->buf->mappings, 1);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, SIZE), 0);
	KUNIT_EXPECT_EQ(test, t->buf->mappings, 0);
	KUNIT_EXPECT_EQ(test, t->buf->writable_mappings, 0);
}

/* Entries of huge pages go too, and none is made where there was none yet. */
static void test_huge_mapping_is_zapped(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	struct file *small = t->file;
	unsigned long addr;

	t->file = create(t->buf->ops->backing, 2 * PMD_SIZE, t->dev);
	if (PTR_ERR(t->file) == -ENOMEM) {
		t->file = small;
		kunit_skip(test, "no two huge pages in one piece");
	}
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->file));
	__fput_sync(small);
	t->buf = shmbuf_of_file(t->file);
	addr = vm_mmap(t->file, 0, 2 * PMD_SIZE, RW, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, touch(addr, 0), 0);
	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_EQ(test, touch(addr, 0), -EFAULT);
	KUNIT_EXPECT_EQ(test, touch(addr + PMD_SIZE, 0), -EFAULT);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, 2 * PMD_SIZE), 0);
}

/* It is the fault handlers that say no, each of them. */
static void test_faults(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	unsigned long addr = map_all(test);
	struct vm_area_struct *vma;

	shmbuf_revoke(t->buf);
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma) {
		struct vm_fault vmf = { .vma = vma, .address = addr };

		/* Without a handler mm itself says SIGBUS. */
		if (vma->vm_ops->fault)
			KUNIT_EXPECT_EQ(test, vma->vm_ops->fault(&vmf),
					VM_FAULT_SIGBUS);
		else
			KUNIT_EXPECT_EQ(test, t->buf->ops->backing,
					SHMBUF_BACKING_COHERENT);
	}
	mmap_read_unlock(current->mm);
}

/* No other way to the memory is left. */
static void test_every_door(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	struct file *file;
	loff_t pos = 0;
	u8 byte = 1;

	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_EQ(test, vm_mmap(t->file, 0, SIZE, RW, MAP_SHARED, 0),
			(unsigned long)-ENODEV);
	KUNIT_EXPECT_EQ(test, vm_mmap(t->file, 0, SIZE, PROT_READ, MAP_SHARED,
				      0), (unsigned long)-ENODEV);
	KUNIT_EXPECT_EQ(test, kernel_read(t->file, &byte, 1, &pos), -ENODEV);
	KUNIT_EXPECT_EQ(test, kernel_write(t->file, &byte, 1, &pos), -ENODEV);
	KUNIT_EXPECT_EQ(test, shmbuf_seal(t->buf, SHMBUF_SEAL_WRITE), -ENODEV);
	KUNIT_EXPECT_EQ(test, shmbuf_sync(t->buf, 0, 1, DMA_FROM_DEVICE, false),
			-ENODEV);
	file = dentry_open(&t->file->f_path, O_RDONLY, current_cred());
	KUNIT_EXPECT_EQ(test, PTR_ERR(file), -ENODEV);
	if (!IS_ERR(file))
		__fput_sync(file);
}

/* A copy that has begun does not access memory that is freed. */
static void test_copy_under_way(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	ssize_t expected = t->buf->ops->of_device ? -ENODEV : 1;
	struct iov_iter iter;
	u8 byte = 1;
	struct kvec vec = { &byte, 1 };

	shmbuf_revoke(t->buf);
	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, 1);
	KUNIT_EXPECT_EQ(test, t->buf->ops->copy(t->buf, 0, &iter), expected);
	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, 1);
	KUNIT_EXPECT_EQ(test, t->buf->ops->copy(t->buf, 0, &iter), expected);
}

/* The charge of the user ends when the memory is freed. */
static void test_refund(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	struct cred *cred = prepare_creds();
	const struct cred *old;
	struct file *file;
	long before, during;

	KUNIT_ASSERT_NOT_NULL(test, cred);
	before = atomic_long_read(&cred->user->locked_vm);
	cap_lower(cred->cap_effective, CAP_IPC_LOCK);
	old = override_creds(cred);
	file = create(t->buf->ops->backing, SIZE, t->dev);
	revert_creds(old);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	during = atomic_long_read(&cred->user->locked_vm);
	KUNIT_EXPECT_EQ(test, during - before, PAGES);
	shmbuf_revoke(shmbuf_of_file(file));
	during = atomic_long_read(&cred->user->locked_vm);
	KUNIT_EXPECT_EQ(test, during - before,
			t->buf->ops->of_device ? 0 : PAGES);
	__fput_sync(file);
	during = atomic_long_read(&cred->user->locked_vm);
	KUNIT_EXPECT_EQ(test, during, before);
	put_cred(cred);
}

/* A waiter gets EPOLLHUP, after the signals of before. */
static void test_hang_up(struct kunit *test)
{
	struct revoke_test *t = test->priv;

	KUNIT_EXPECT_FALSE(test, vfs_poll(t->file, NULL) & EPOLLHUP);
	shmbuf_signal(t->buf);
	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_EQ(test, vfs_poll(t->file, NULL),
			EPOLLHUP | EPOLLIN | EPOLLRDNORM);
}

/* Revoked between ->mmap_prepare() and ->mapped(): no mapping. */
static int prepare_then_revoke(struct vm_area_desc *desc)
{
	int err = shmbuf_prepare_mapping(shmbuf_of_file(desc->file),
					 desc);

	shmbuf_revoke(shmbuf_of_file(desc->file));
	return err;
}

static void test_revoked_while_mapping(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	const struct file_operations *real = t->file->f_op;
	struct file_operations revoking = *real;
	unsigned long addr;

	revoking.mmap_prepare = prepare_then_revoke;
	t->file->f_op = &revoking;
	addr = vm_mmap(t->file, 0, SIZE, RW, MAP_SHARED, 0);
	t->file->f_op = real;
	KUNIT_EXPECT_EQ(test, addr, (unsigned long)-ENODEV);
	KUNIT_EXPECT_EQ(test, t->buf->mappings, 0);
}

/*
 * The memory of a device is freed while processes still have the buffer; of
 * other memory the kernel's own address is good for as long as its reference.
 */
static void test_kernel_address(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	u8 *vaddr = shmbuf_vmap(t->buf);

	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	vaddr[SIZE - 1] = 0x5a;
	shmbuf_revoke(t->buf);
	if (t->buf->ops->of_device)
		KUNIT_EXPECT_NULL(test, t->buf->map.vaddr);
	else
		KUNIT_EXPECT_EQ(test, vaddr[SIZE - 1], 0x5a);
	/* But there will be no other. */
	KUNIT_EXPECT_NULL(test, shmbuf_vmap(t->buf));
}

/* The second time changes nothing. */
static void test_twice(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	unsigned long addr = map_all(test);

	shmbuf_revoke(t->buf);
	shmbuf_revoke(t->buf);
	KUNIT_EXPECT_EQ(test, touch(addr, 0), -EFAULT);
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

/* ACK with WAIT sleeps no longer than the buffer exists. */
static void test_waiter(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	struct revoker revoker = { .buf = t->buf };
	struct task_struct *task;

	init_completion(&revoker.done);
	task = kthread_run(revoke_in_thread, &revoker, "shmbuf_revoker");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	KUNIT_EXPECT_EQ(test, shmbuf_wait(t->buf, t->file), -ENODEV);
	wait_for_completion(&revoker.done);
}

struct toucher {
	struct mm_struct *mm;
	struct file *file;
	unsigned long addr;
	int page;
	int ret;
	struct completion done;
};

static int map_and_touch(void *data)
{
	struct toucher *toucher = data;

	kthread_use_mm(toucher->mm);
	toucher->addr = vm_mmap(toucher->file, 0, SIZE, RW, MAP_SHARED, 0);
	toucher->ret = touch(toucher->addr, 0);
	kthread_unuse_mm(toucher->mm);
	complete(&toucher->done);
	return 0;
}

/* Runs what has to wait for a lock that is between faults and revocations. */
static void run_against_lock(struct kunit *test, bool exclusive,
			     int (*fn)(void *data), void *data,
			     struct completion *done)
{
	struct revoke_test *t = test->priv;
	struct address_space *mapping = t->file->f_mapping;
	struct folio *folio = NULL;
	struct task_struct *task;

	if (t->buf->ops->backing == SHMBUF_BACKING_PAGES) {
		folio = filemap_lock_folio(mapping, 0);
		KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	} else if (exclusive) {
		filemap_invalidate_lock(mapping);
	} else {
		filemap_invalidate_lock_shared(mapping);
	}
	init_completion(done);
	task = kthread_run(fn, data, "shmbuf_waiter");
	KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(done, HZ / 10), 0);
	if (folio) {
		folio_unlock(folio);
		folio_put(folio);
	} else if (exclusive) {
		filemap_invalidate_unlock(mapping);
	} else {
		filemap_invalidate_unlock_shared(mapping);
	}
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wait_for_completion(done);
}

/* A fault waits for a revocation, and a revocation for a fault, which it undoes. */
static void test_each_waits(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	struct toucher *toucher;
	struct revoker *revoker;

	toucher = kunit_kzalloc(test, sizeof(*toucher), GFP_KERNEL);
	revoker = kunit_kzalloc(test, sizeof(*revoker), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, toucher);
	KUNIT_ASSERT_NOT_NULL(test, revoker);

	toucher->mm = current->mm;
	toucher->file = t->file;
	run_against_lock(test, true, map_and_touch, toucher, &toucher->done);
	KUNIT_EXPECT_EQ(test, toucher->ret, 0);

	revoker->buf = t->buf;
	run_against_lock(test, false, revoke_in_thread, revoker,
			 &revoker->done);
	KUNIT_EXPECT_TRUE(test, shmbuf_revoked(t->buf));
	KUNIT_EXPECT_EQ(test, touch(toucher->addr, 0), -EFAULT);
}

/* Faults on one page after the other, until one is refused. */
static int touch_until_revoked(void *data)
{
	struct toucher *toucher = data;
	int page;

	kthread_use_mm(toucher->mm);
	for (page = 0; page < PAGES; page++) {
		WRITE_ONCE(toucher->page, page);
		if (touch(toucher->addr, page))
			break;
	}
	kthread_unuse_mm(toucher->mm);
	complete(&toucher->done);
	return 0;
}

/* Faults on another processor race with the revocation: none leaves an entry. */
static void test_race_with_faults(struct kunit *test)
{
	struct revoke_test *t = test->priv;
	u32 backing = t->buf->ops->backing;
	struct toucher *toucher;
	struct task_struct *task;
	int round, page;

	toucher = kunit_kzalloc(test, sizeof(*toucher), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, toucher);
	for (round = 0; round < PAGES; round++) {
		init_completion(&toucher->done);
		toucher->mm = current->mm;
		toucher->addr = map_all(test);
		toucher->page = 0;
		task = kthread_run(touch_until_revoked, toucher,
				   "shmbuf_toucher");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		while (READ_ONCE(toucher->page) < round &&
		       !completion_done(&toucher->done))
			cond_resched();
		shmbuf_revoke(t->buf);
		for (page = 0; page < PAGES; page++)
			KUNIT_EXPECT_EQ(test, touch(toucher->addr, page),
					-EFAULT);
		wait_for_completion(&toucher->done);
		for (page = 0; page < PAGES; page++)
			KUNIT_EXPECT_EQ(test, touch(toucher->addr, page),
					-EFAULT);
		KUNIT_ASSERT_EQ(test, vm_munmap(toucher->addr, SIZE), 0);
		KUNIT_EXPECT_EQ(test, t->buf->mappings, 0);

		__fput_sync(t->file);
		t->file = create(backing, SIZE, t->dev);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t->file));
		t->buf = shmbuf_of_file(t->file);
	}
}

static int revoke_test_init(struct kunit *test, u32 backing)
{
	struct revoke_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int err;

	if (!t)
		return -ENOMEM;
	err = kunit_attach_mm();
	if (err)
		return err;
	t->dev = kunit_device_register(test, "shmbuf_revoke_kunit");
	if (IS_ERR(t->dev))
		return PTR_ERR(t->dev);
	dma_coerce_mask_and_coherent(t->dev, DMA_BIT_MASK(64));
	t->file = create(backing, SIZE, t->dev);
	if (PTR_ERR(t->file) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel has no such backing");
	if (IS_ERR(t->file))
		return PTR_ERR(t->file);
	t->buf = shmbuf_of_file(t->file);
	test->priv = t;
	return 0;
}

static int revoke_test_init_pages(struct kunit *test)
{
	return revoke_test_init(test, SHMBUF_BACKING_PAGES);
}

static int revoke_test_init_contig(struct kunit *test)
{
	return revoke_test_init(test, SHMBUF_BACKING_CONTIG);
}

static int revoke_test_init_coherent(struct kunit *test)
{
	return revoke_test_init(test, SHMBUF_BACKING_COHERENT);
}

static int revoke_test_init_stream(struct kunit *test)
{
	return revoke_test_init(test, SHMBUF_BACKING_STREAM);
}

static void revoke_test_exit(struct kunit *test)
{
	struct revoke_test *t = test->priv;

	if (t && !IS_ERR(t->file))
		__fput_sync(t->file);
}

static struct kunit_case shmbuf_revoke_cases[] = {
	KUNIT_CASE(test_mapping_is_zapped),
	KUNIT_CASE(test_huge_mapping_is_zapped),
	KUNIT_CASE(test_faults),
	KUNIT_CASE(test_every_door),
	KUNIT_CASE(test_copy_under_way),
	KUNIT_CASE(test_refund),
	KUNIT_CASE(test_hang_up),
	KUNIT_CASE(test_waiter),
	KUNIT_CASE(test_revoked_while_mapping),
	KUNIT_CASE(test_kernel_address),
	KUNIT_CASE(test_twice),
	KUNIT_CASE(test_each_waits),
	KUNIT_CASE(test_race_with_faults),
	{}
};

static struct kunit_suite shmbuf_revoke_pages_suite = {
	.name = "shmbuf_revoke_pages",
	.init = revoke_test_init_pages,
	.exit = revoke_test_exit,
	.test_cases = shmbuf_revoke_cases,
};

static struct kunit_suite shmbuf_revoke_contig_suite = {
	.name = "shmbuf_revoke_contig",
	.init = revoke_test_init_contig,
	.exit = revoke_test_exit,
	.test_cases = shmbuf_revoke_cases,
};

static struct kunit_suite shmbuf_revoke_coherent_suite = {
	.name = "shmbuf_revoke_coherent",
	.init = revoke_test_init_coherent,
	.exit = revoke_test_exit,
	.test_cases = shmbuf_revoke_cases,
};

static struct kunit_suite shmbuf_revoke_stream_suite = {
	.name = "shmbuf_revoke_stream",
	.init = revoke_test_init_stream,
	.exit = revoke_test_exit,
	.test_cases = shmbuf_revoke_cases,
};

kunit_test_suites(&shmbuf_revoke_pages_suite, &shmbuf_revoke_contig_suite,
		  &shmbuf_revoke_coherent_suite, &shmbuf_revoke_stream_suite);

MODULE_DESCRIPTION("KUnit tests for the revocation of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
