// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the files of a buffer: what each of them has seen of the
 * signals.
 */

#include <kunit/test.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>

#include "../shmbuf.h"

static void put_file(void *file)
{
	__fput_sync(file);
}

static struct file *keep(struct kunit *test, struct file *file)
{
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_file, file),
			0);
	return file;
}

static struct file *create(struct kunit *test)
{
	struct shmbuf_create args = {
		.size = 1,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "file_kunit",
	};

	return keep(test, shmbuf_create_file(&args, NULL));
}

static struct file *open_again(struct kunit *test, struct file *file)
{
	return keep(test, dentry_open(&file->f_path, O_RDONLY, current_cred()));
}

static u64 ack(struct file *file)
{
	u64 count;

	shmbuf_ack(shmbuf_of_file(file), file, &count);
	return count;
}

static bool readable(struct file *file)
{
	return vfs_poll(file, NULL) & EPOLLIN;
}

/* A file is ready from a signal until the next ACK, and can always be written. */
static void test_poll(struct kunit *test)
{
	struct file *file = create(test);

	KUNIT_EXPECT_EQ(test, vfs_poll(file, NULL), EPOLLOUT | EPOLLWRNORM);
	shmbuf_signal(shmbuf_of_file(file));
	KUNIT_EXPECT_EQ(test, vfs_poll(file, NULL),
			EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
	KUNIT_EXPECT_EQ(test, ack(file), 1);
	KUNIT_EXPECT_FALSE(test, readable(file));
}

/* Each open file counts for itself, from when it was opened. */
static void test_files_count_apart(struct kunit *test)
{
	struct file *first = create(test), *second;
	struct shmbuf *buf = shmbuf_of_file(first);

	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), 1);
	second = open_again(test, first);
	KUNIT_EXPECT_PTR_EQ(test, shmbuf_of_file(second), buf);
	KUNIT_EXPECT_FALSE(test, readable(second));
	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), 2);
	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), 3);
	KUNIT_EXPECT_EQ(test, ack(first), 3);
	KUNIT_EXPECT_TRUE(test, readable(second));
	KUNIT_EXPECT_EQ(test, ack(second), 2);
	KUNIT_EXPECT_EQ(test, ack(first), 0);
}

/* The counts stay right where the low 32 bits of the sequence wrap. */
static void test_count_over_the_wrap(struct kunit *test)
{
	struct file *first = create(test), *second;
	struct shmbuf *buf = shmbuf_of_file(first);

	buf->sequence = U32_MAX - 1;
	second = open_again(test, first);
	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), U32_MAX);
	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), 1ULL << 32);
	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), (1ULL << 32) + 1);
	KUNIT_EXPECT_TRUE(test, readable(second));
	KUNIT_EXPECT_EQ(test, ack(second), 3);
	KUNIT_EXPECT_FALSE(test, readable(second));
}

static struct kunit_case shmbuf_file_cases[] = {
	KUNIT_CASE(test_poll),
	KUNIT_CASE(test_files_count_apart),
	KUNIT_CASE(test_count_over_the_wrap),
	{}
};

static struct kunit_suite shmbuf_file_suite = {
	.name = "shmbuf_file",
	.test_cases = shmbuf_file_cases,
};

kunit_test_suite(shmbuf_file_suite);

MODULE_DESCRIPTION("KUnit tests for the files of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
