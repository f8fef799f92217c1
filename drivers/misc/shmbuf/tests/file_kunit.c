// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the files of shmbuf: each argument of an ioctl, valid or not,
 * read() and write() at the edges, and what each file has seen of the signals.
 */

#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/numa.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/thread_info.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "../geometry.h"
#include "../shmbuf.h"
#include "create.h"

#define PAGES		3
#define SIZE		(PAGES * PAGE_SIZE)

/* More than any struct of an ioctl has. */
#define ARG_SIZE	256

struct file_test {
	struct file *node;	/* /dev/shmbuf, opened */
	struct miscdevice misc;
	struct device *dev;
	void __user *user;	/* a page of memory of a process, and none after it */
	struct file *created;	/* by the last CREATE */
	u8 arg[ARG_SIZE] __aligned(8);
};

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

static struct file *create(struct kunit *test, u32 backing, size_t size)
{
	struct shmbuf_create args = {
		.size = size,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "file_kunit",
	};
	struct file_test *t = test->priv;
	struct file *file;

	file = create_buffer_file(&args, t->dev);
	if (PTR_ERR(file) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel has no such backing");
	if (PTR_ERR(file) == -ENOMEM && size > SIZE)
		kunit_skip(test, "no two huge pages in one piece");
	return keep(test, file);
}

static struct file *create_contig(struct kunit *test)
{
	return create(test, SHMBUF_BACKING_CONTIG, SIZE);
}

static struct file *open_again(struct kunit *test, struct file *file)
{
	return keep(test, dentry_open(&file->f_path, O_RDONLY, current_cred()));
}

/* CREATE has installed a file descriptor, which the kernel has no use for. */
static void take_created(struct kunit *test, int fd)
{
	struct file_test *t = test->priv;
	struct file *file = fget(fd);

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_EXPECT_EQ(test, close_fd(fd), 0);
	flush_delayed_fput();
	if (t->created)
		__fput_sync(t->created);
	t->created = file;
}

/* An ioctl of a process that has @arg in its memory; there and back. */
static int call(struct kunit *test, struct file *file, unsigned int cmd,
		void *arg, size_t size)
{
	struct file_test *t = test->priv;
	struct shmbuf_create *create = arg;
	int ret;

	KUNIT_ASSERT_EQ(test, copy_to_user(t->user, arg, size), 0);
	ret = file->f_op->unlocked_ioctl(file, cmd, (unsigned long)t->user);
	KUNIT_ASSERT_EQ(test, copy_from_user(arg, t->user, size), 0);
	if (!ret && file == t->node)
		take_created(test, create->fd);
	return ret;
}

/* A valid argument, with zeroes after it. */
static void *valid_argument(struct kunit *test, unsigned int cmd)
{
	struct file_test *t = test->priv;

	memset(t->arg, 0, sizeof(t->arg));
	switch (cmd) {
	case SHMBUF_IOC_CREATE:
		*(struct shmbuf_create *)t->arg = (struct shmbuf_create) {
			.size = SIZE - 1,
			.backing = SHMBUF_BACKING_CONTIG,
			.fd = -1,
			.numa_node = SHMBUF_NUMA_ANY,
			.name = "valid",
		};
		break;
	case SHMBUF_IOC_SYNC:
		*(struct shmbuf_sync *)t->arg = (struct shmbuf_sync) {
			.length = SIZE,
			.direction = SHMBUF_SYNC_READ,
		};
		break;
	}
	return t->arg;
}

/* The file that takes the command. */
static struct file *taker(struct kunit *test, unsigned int cmd)
{
	struct file_test *t = test->priv;

	return cmd == SHMBUF_IOC_CREATE ? t->node : create_contig(test);
}

struct command {
	const char *sentence;
	unsigned int cmd;
	size_t ver0;
};

static const struct command commands[] = {
	{ "CREATE", SHMBUF_IOC_CREATE, SHMBUF_CREATE_SIZE_VER0 },
	{ "INFO", SHMBUF_IOC_INFO, SHMBUF_INFO_SIZE_VER0 },
	{ "SEAL", SHMBUF_IOC_SEAL, SHMBUF_SEAL_SIZE_VER0 },
	{ "SIGNAL", SHMBUF_IOC_SIGNAL, SHMBUF_NOTIFY_SIZE_VER0 },
	{ "ACK", SHMBUF_IOC_ACK, SHMBUF_NOTIFY_SIZE_VER0 },
	{ "SYNC", SHMBUF_IOC_SYNC, SHMBUF_SYNC_SIZE_VER0 },
};

KUNIT_ARRAY_PARAM_DESC(command, commands, sentence);

static unsigned int with_size(unsigned int cmd, size_t size)
{
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

/* A struct may be longer than the kernel's, if there is nothing in the rest. */
static void test_struct_sizes(struct kunit *test)
{
	const struct command *c = test->param_value;
	unsigned int longer = with_size(c->cmd, ARG_SIZE);
	struct file *file = taker(test, c->cmd);
	size_t size = _IOC_SIZE(c->cmd);
	u8 *arg;

	arg = valid_argument(test, c->cmd);
	KUNIT_EXPECT_EQ(test, call(test, file, c->cmd, arg, size), 0);
	arg = valid_argument(test, c->cmd);
	KUNIT_EXPECT_EQ(test, call(test, file, longer, arg, ARG_SIZE), 0);
	arg = valid_argument(test, c->cmd);
	arg[size] = 1;
	KUNIT_EXPECT_EQ(test, call(test, file, longer, arg, ARG_SIZE), -E2BIG);
	arg = valid_argument(test, c->cmd);
	KUNIT_EXPECT_EQ(test, call(test, file, with_size(c->cmd,
							 c->ver0 - 1),
				   arg, size), -ENOTTY);
}

/* Near misses of a command are ENOTTY. */
static void test_no_such_command(struct kunit *test)
{
	const struct command *c = test->param_value;
	struct file *file = taker(test, c->cmd);
	size_t size = _IOC_SIZE(c->cmd);
	unsigned int nr = _IOC_NR(c->cmd);
	const unsigned int misses[] = {
		_IOC(_IOC_WRITE, SHMBUF_IOC_MAGIC, nr, size),
		_IOC(_IOC_READ, SHMBUF_IOC_MAGIC, nr, size),
		_IOC(_IOC_DIR(c->cmd), SHMBUF_IOC_MAGIC - 1, nr, size),
		_IOC(_IOC_DIR(c->cmd), SHMBUF_IOC_MAGIC, nr + 0x80, size),
	};
	void *arg;
	int i;

	for (i = 0; i < ARRAY_SIZE(misses); i++) {
		arg = valid_argument(test, c->cmd);
		KUNIT_EXPECT_EQ(test, call(test, file, misses[i], arg, size),
				-ENOTTY);
	}
}

static int next_fd(void)
{
	int fd = get_unused_fd_flags(0);

	if (fd >= 0)
		put_unused_fd(fd);
	return fd;
}

/* An argument that is only half there. */
static void test_bad_pointer(struct kunit *test)
{
	const struct command *c = test->param_value;
	struct file *file = taker(test, c->cmd);
	struct file_test *t = test->priv;
	unsigned long arg = (unsigned long)t->user + PAGE_SIZE -
			    _IOC_SIZE(c->cmd) / 2;

	KUNIT_EXPECT_EQ(test, file->f_op->unlocked_ioctl(file, c->cmd, arg),
			-EFAULT);
}

/* An argument that cannot be answered: no file descriptor is lost. */
static void test_read_only_argument(struct kunit *test)
{
	const struct command *c = test->param_value;
	struct file *file = taker(test, c->cmd);
	struct file *memory = create_contig(test);
	int fd = next_fd(), expected;
	unsigned long addr;
	loff_t pos = 0;

	/* SYNC has nothing to say. */
	expected = c->cmd == SHMBUF_IOC_SYNC ? 0 : -EFAULT;
	KUNIT_ASSERT_EQ(test, kernel_write(memory,
					   valid_argument(test, c->cmd),
					   ARG_SIZE, &pos), ARG_SIZE);
	addr = vm_mmap(memory, 0, PAGE_SIZE, PROT_READ, MAP_SHARED, 0);
	KUNIT_ASSERT_LT(test, addr, TASK_SIZE);
	KUNIT_EXPECT_EQ(test, file->f_op->unlocked_ioctl(file, c->cmd, addr),
			expected);
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, next_fd(), fd);
}

struct field {
	const char *sentence;
	unsigned int cmd;
	size_t offset;
	size_t len;
	u64 value;
	int err;
};

#define FIELD(_struct, _member, _value)			\
	.offset = offsetof(struct _struct, _member),	\
	.len = sizeof_field(struct _struct, _member),	\
	.value = (_value)

static const struct field fields[] = {
	{ "CREATE: no bytes", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, size, 0),
	  .err = -EINVAL },
	{ "CREATE: a byte", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, size, 1) },
	{ "CREATE: more than a buffer may have", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, size, (u64)SHMBUF_MAX_SIZE + 1),
	  .err = -EINVAL },
	{ "CREATE: a size that wraps", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, size, U64_MAX),
	  .err = -EINVAL },
	{ "CREATE: more than the machine has", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, size, SHMBUF_MAX_SIZE),
	  .err = -ENOMEM },
	{ "CREATE: the first unknown backing", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, backing, SHMBUF_BACKING_REGION + 1),
	  .err = -EINVAL },
	{ "CREATE: a region, which programs cannot make", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, backing, SHMBUF_BACKING_REGION),
	  .err = -EOPNOTSUPP },
	{ "CREATE: DMA memory without a device", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, backing, SHMBUF_BACKING_COHERENT),
	  .err = -EOPNOTSUPP },
	{ "CREATE: the last number of a backing", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, backing, U32_MAX),
	  .err = -EINVAL },
	{ "CREATE: the first unknown cache attribute", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, cache, SHMBUF_CACHE_DEVICE + 1),
	  .err = -EINVAL },
	{ "CREATE: an attribute that the backing cannot have",
	  SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, cache, SHMBUF_CACHE_DEVICE),
	  .err = -EOPNOTSUPP },
	{ "CREATE: the lowest flag", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, flags, 1),
	  .err = -EINVAL },
	{ "CREATE: the highest flag", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, flags, BIT(31)),
	  .err = -EINVAL },
	{ "CREATE: fd is not looked at", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, fd, U32_MAX) },
	{ "CREATE: a node below any", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, numa_node, -2),
	  .err = -EINVAL },
	{ "CREATE: a node above all", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, numa_node, MAX_NUMNODES),
	  .err = -EINVAL },
	{ "CREATE: the largest node", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, numa_node, S32_MAX),
	  .err = -EINVAL },
	{ "CREATE: reserved", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, reserved, 1),
	  .err = -EINVAL },
	{ "CREATE: no name", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, name[0], 0) },
	{ "CREATE: a name with a slash", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, name[1], '/'),
	  .err = -EINVAL },
	{ "CREATE: a name with a line feed", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, name[3], '\n'),
	  .err = -EINVAL },
	{ "CREATE: a name that is not ASCII", SHMBUF_IOC_CREATE,
	  FIELD(shmbuf_create, name[0], 0xe4),
	  .err = -EINVAL },
	{ "SEAL: an unknown seal", SHMBUF_IOC_SEAL,
	  FIELD(shmbuf_seal, seals, SHMBUF_SEAL_SEAL << 1),
	  .err = -EINVAL },
	{ "SEAL: a known one and an unknown one", SHMBUF_IOC_SEAL,
	  FIELD(shmbuf_seal, seals, SHMBUF_SEAL_WRITE | BIT(31)),
	  .err = -EINVAL },
	{ "SEAL: against writing", SHMBUF_IOC_SEAL,
	  FIELD(shmbuf_seal, seals, SHMBUF_SEAL_WRITE) },
	{ "SEAL: both", SHMBUF_IOC_SEAL,
	  FIELD(shmbuf_seal, seals, SHMBUF_SEAL_WRITE | SHMBUF_SEAL_SEAL) },
	{ "SEAL: reserved", SHMBUF_IOC_SEAL,
	  FIELD(shmbuf_seal, reserved, 1),
	  .err = -EINVAL },
	{ "SIGNAL: a flag", SHMBUF_IOC_SIGNAL,
	  FIELD(shmbuf_notify, flags, 1),
	  .err = -EINVAL },
	{ "SIGNAL: reserved", SHMBUF_IOC_SIGNAL,
	  FIELD(shmbuf_notify, reserved, 1),
	  .err = -EINVAL },
	{ "SIGNAL: a flag of ACK", SHMBUF_IOC_SIGNAL,
	  FIELD(shmbuf_notify, flags, SHMBUF_NOTIFY_WAIT),
	  -EINVAL },
	{ "ACK: a flag", SHMBUF_IOC_ACK,
	  FIELD(shmbuf_notify, flags, BIT(31)),
	  .err = -EINVAL },
	{ "ACK: reserved", SHMBUF_IOC_ACK,
	  FIELD(shmbuf_notify, reserved, BIT(31)),
	  .err = -EINVAL },
	{ "ACK: what comes out is not looked at", SHMBUF_IOC_ACK,
	  FIELD(shmbuf_notify, count, U64_MAX) },
	{ "SYNC: from the second byte to one past the end", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, offset, 1),
	  .err = -EINVAL },
	{ "SYNC: an offset that wraps", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, offset, U64_MAX),
	  .err = -EINVAL },
	{ "SYNC: nothing", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, length, 0) },
	{ "SYNC: a byte more than all", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, length, SIZE + 1),
	  .err = -EINVAL },
	{ "SYNC: in no direction", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, direction, 0),
	  .err = -EINVAL },
	{ "SYNC: in both directions", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, direction, SHMBUF_SYNC_READ | SHMBUF_SYNC_WRITE) },
	{ "SYNC: in a third direction", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, direction, SHMBUF_SYNC_WRITE << 1),
	  .err = -EINVAL },
	{ "SYNC: after the accesses", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, phase, SHMBUF_SYNC_END) },
	{ "SYNC: the first unknown phase", SHMBUF_IOC_SYNC,
	  FIELD(shmbuf_sync, phase, SHMBUF_SYNC_END + 1),
	  .err = -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(field, fields, sentence);

/* Each field of each struct, valid and not, with valid ones around it. */
static void test_fields(struct kunit *test)
{
	const struct field *c = test->param_value;
	struct file *file = taker(test, c->cmd);
	u8 *arg = valid_argument(test, c->cmd);

	switch (c->len) {
	case 1:
		*(arg + c->offset) = c->value;
		break;
	case 4:
		*(u32 *)(arg + c->offset) = c->value;
		break;
	case 8:
		*(u64 *)(arg + c->offset) = c->value;
		break;
	}
	KUNIT_EXPECT_EQ(test, call(test, file, c->cmd, arg, _IOC_SIZE(c->cmd)),
			c->err);
}

/* A name may fill the field but for its end. */
static void test_long_name(struct kunit *test)
{
	struct file_test *t = test->priv;
	struct shmbuf_create *arg = valid_argument(test, SHMBUF_IOC_CREATE);

	memset(arg->name, 'n', sizeof(arg->name));
	KUNIT_EXPECT_EQ(test, call(test, t->node, SHMBUF_IOC_CREATE, arg,
				   sizeof(*arg)), -EINVAL);
	arg->name[sizeof(arg->name) - 1] = 0;
	KUNIT_EXPECT_EQ(test, call(test, t->node, SHMBUF_IOC_CREATE, arg,
				   sizeof(*arg)), 0);
}

/* Only buffer files pin the mount, which all buffers share. */
static void test_mount(struct kunit *test)
{
	struct shmbuf_create *arg = valid_argument(test, SHMBUF_IOC_CREATE);
	struct file_test *t = test->priv;
	int held = atomic_read(&shmbuf_mnt_pins);
	struct file *file = create_contig(test);

	KUNIT_EXPECT_GT(test, atomic_read(&shmbuf_mnt_pins), held);
	kunit_release_action(test, put_file, file);
	KUNIT_EXPECT_EQ(test, atomic_read(&shmbuf_mnt_pins), held);

	/* There is a buffer before it turns out that there is no memory. */
	arg->backing = SHMBUF_BACKING_CONTIG;
	arg->size = (u64)totalram_pages() << PAGE_SHIFT;
	KUNIT_EXPECT_EQ(test, call(test, t->node, SHMBUF_IOC_CREATE, arg,
				   sizeof(*arg)), -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&shmbuf_mnt_pins), held);
}

/* CREATE gives a file for reading and writing, and says how large it is. */
static void test_create(struct kunit *test)
{
	struct file_test *t = test->priv;
	struct shmbuf_create *arg = valid_argument(test, SHMBUF_IOC_CREATE);

	KUNIT_ASSERT_EQ(test, call(test, t->node, SHMBUF_IOC_CREATE, arg,
				   sizeof(*arg)), 0);
	KUNIT_EXPECT_EQ(test, arg->size, SIZE);
	KUNIT_EXPECT_EQ(test, i_size_read(file_inode(t->created)), SIZE);
	KUNIT_EXPECT_TRUE(test, t->created->f_mode & FMODE_READ);
	KUNIT_EXPECT_TRUE(test, t->created->f_mode & FMODE_WRITE);
	KUNIT_EXPECT_STREQ(test, shmbuf_of_file(t->created)->name, "valid");
	KUNIT_EXPECT_EQ(test, shmbuf_of_file(t->created)->size, SIZE);
}

/* INFO says what the buffer is, whichever of its files is asked. */
static void test_info(struct kunit *test)
{
	struct file *file = create_contig(test);
	struct shmbuf *buf = shmbuf_of_file(file);
	struct shmbuf_info info = {};

	buf->mappings = 7;
	buf->writable_mappings = 3;
	buf->seals = SHMBUF_SEAL_SEAL;
	shmbuf_signal(buf);
	KUNIT_EXPECT_EQ(test, call(test, open_again(test, file),
				   SHMBUF_IOC_INFO, &info, sizeof(info)), 0);
	KUNIT_EXPECT_EQ(test, info.size, SIZE);
	KUNIT_EXPECT_EQ(test, info.map_unit, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, info.mappings, 7);
	KUNIT_EXPECT_EQ(test, info.writable_mappings, 3);
	KUNIT_EXPECT_EQ(test, info.backing, SHMBUF_BACKING_CONTIG);
	KUNIT_EXPECT_EQ(test, info.cache, SHMBUF_CACHE_CACHED);
	KUNIT_EXPECT_EQ(test, info.capabilities, 0);
	KUNIT_EXPECT_STREQ(test, info.name, "file_kunit");
	KUNIT_EXPECT_EQ(test, info.seals, SHMBUF_SEAL_SEAL);
	KUNIT_EXPECT_EQ(test, info.sequence, 1);
	buf->mappings = 0;
	buf->writable_mappings = 0;
}

/* PAGES can be pinned. */
static void test_info_of_pages(struct kunit *test)
{
	struct file *file = create(test, SHMBUF_BACKING_PAGES, SIZE);
	struct shmbuf_info info = {};

	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_INFO, &info,
				   sizeof(info)), 0);
	KUNIT_EXPECT_EQ(test, info.capabilities, SHMBUF_CAP_PINNABLE);
}

/* STREAM says whether the machine needs SYNC. */
static void test_info_of_stream(struct kunit *test)
{
	struct file *file = create(test, SHMBUF_BACKING_STREAM, SIZE);
	struct shmbuf *buf = shmbuf_of_file(file);
	struct shmbuf_info info = {};

	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_INFO, &info,
				   sizeof(info)), 0);
	KUNIT_EXPECT_EQ(test, info.capabilities,
			dma_need_sync(buf->dev, buf->dma) ?
			SHMBUF_CAP_NEEDS_SYNC : 0);
}

/* INFO tells that the buffer is revoked, and nothing else does anything. */
static void test_revoked(struct kunit *test)
{
	struct file *file = create_contig(test);
	const struct command *c = commands;
	struct shmbuf_info info = {};

	shmbuf_revoke(shmbuf_of_file(file));
	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_INFO, &info,
				   sizeof(info)), 0);
	KUNIT_EXPECT_EQ(test, info.capabilities, SHMBUF_CAP_REVOKED);
	KUNIT_EXPECT_EQ(test, info.size, SIZE);
	for (; c < commands + ARRAY_SIZE(commands); c++) {
		if (c->cmd == SHMBUF_IOC_CREATE || c->cmd == SHMBUF_IOC_INFO)
			continue;
		KUNIT_EXPECT_EQ(test, call(test, file, c->cmd,
					   valid_argument(test, c->cmd),
					   _IOC_SIZE(c->cmd)), -ENODEV);
	}
}

static int add_seals(struct kunit *test, struct file *file, u32 *seals)
{
	struct shmbuf_seal arg = { .seals = *seals };
	int ret = call(test, file, SHMBUF_IOC_SEAL, &arg, sizeof(arg));

	*seals = arg.seals;
	return ret;
}

/* SEAL adds, and says what is in force; who cannot write can only ask. */
static void test_seals(struct kunit *test)
{
	struct file *file = create_contig(test);
	struct file *reader = open_again(test, file);
	loff_t pos = 0;
	u32 seals = 0;

	KUNIT_EXPECT_EQ(test, add_seals(test, reader, &seals), 0);
	KUNIT_EXPECT_EQ(test, seals, 0);
	seals = SHMBUF_SEAL_WRITE;
	KUNIT_EXPECT_EQ(test, add_seals(test, reader, &seals), -EPERM);
	KUNIT_EXPECT_EQ(test, kernel_write(file, "x", 1, &pos), 1);
	seals = SHMBUF_SEAL_WRITE;
	KUNIT_EXPECT_EQ(test, add_seals(test, file, &seals), 0);
	KUNIT_EXPECT_EQ(test, kernel_write(file, "x", 1, &pos), -EPERM);
	seals = SHMBUF_SEAL_SEAL;
	KUNIT_EXPECT_EQ(test, add_seals(test, file, &seals), 0);
	KUNIT_EXPECT_EQ(test, seals, SHMBUF_SEAL_WRITE | SHMBUF_SEAL_SEAL);
	/* A seal can be added twice. */
	KUNIT_EXPECT_EQ(test, add_seals(test, file, &seals), 0);
	seals = 0;
	KUNIT_EXPECT_EQ(test, add_seals(test, reader, &seals), 0);
	KUNIT_EXPECT_EQ(test, seals, SHMBUF_SEAL_WRITE | SHMBUF_SEAL_SEAL);
}

/* The last seal is the last. */
static void test_seal_seal(struct kunit *test)
{
	struct file *file = create_contig(test);
	u32 seals = SHMBUF_SEAL_SEAL;

	KUNIT_EXPECT_EQ(test, add_seals(test, file, &seals), 0);
	seals = SHMBUF_SEAL_WRITE;
	KUNIT_EXPECT_EQ(test, add_seals(test, file, &seals), -EPERM);
	KUNIT_EXPECT_EQ(test, shmbuf_of_file(file)->seals, SHMBUF_SEAL_SEAL);
}

/* While a seal is being added, no write begins. */
static void test_write_while_sealing(struct kunit *test)
{
	struct file *file = create_contig(test);
	struct shmbuf *buf = shmbuf_of_file(file);
	loff_t pos = 0;

	buf->sealing = true;
	KUNIT_EXPECT_EQ(test, kernel_write(file, "x", 1, &pos), -EAGAIN);
	KUNIT_EXPECT_EQ(test, buf->writers, 0);
	buf->sealing = false;
	KUNIT_EXPECT_EQ(test, kernel_write(file, "x", 1, &pos), 1);
	KUNIT_EXPECT_EQ(test, buf->writers, 0);
}

static int begun;

static bool begin_write_meanwhile(struct shmbuf *buf, bool settle)
{
	begun = shmbuf_begin_write(buf);
	return false;
}

/* No write begins after SEAL has looked for users of the pages. */
static void test_write_during_the_look(struct kunit *test)
{
	struct shmbuf *buf = shmbuf_of_file(create_contig(test));
	const struct shmbuf_backing *real = buf->ops;
	struct shmbuf_backing looking = *real;

	looking.in_use = begin_write_meanwhile;
	buf->ops = &looking;
	KUNIT_EXPECT_EQ(test, shmbuf_seal(buf, SHMBUF_SEAL_WRITE), 0);
	buf->ops = real;
	KUNIT_EXPECT_EQ(test, begun, -EAGAIN);
	KUNIT_EXPECT_EQ(test, buf->writers, 0);
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

struct io_edge {
	const char *sentence;
	bool write;
	loff_t pos;
	size_t len;
	ssize_t ret;
};

static const struct io_edge io_edges[] = {
	{ "read all", false, 0, SIZE, SIZE },
	{ "read more than there is", false, 0, SIZE + 1, SIZE },
	{ "read nothing", false, 0, 0, 0 },
	{ "read the last byte", false, SIZE - 1, 1, 1 },
	{ "read past the last byte", false, SIZE - 1, 2, 1 },
	{ "read at the end", false, SIZE, 1, 0 },
	{ "read far past the end", false, LLONG_MAX - 1, 1, 0 },
	{ "read from before the beginning", false, -1, 1, -EINVAL },
	{ "write all", true, 0, SIZE, SIZE },
	{ "write more than there is room", true, 0, SIZE + 1, SIZE },
	{ "write nothing", true, 0, 0, 0 },
	{ "write nothing at the end", true, SIZE, 0, 0 },
	{ "write the last byte", true, SIZE - 1, 1, 1 },
	{ "write past the last byte", true, SIZE - 1, 2, 1 },
	{ "write at the end", true, SIZE, 1, -ENOSPC },
	{ "write far past the end", true, LLONG_MAX - 1, 1, -ENOSPC },
	{ "write to before the beginning", true, -1, 1, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(io_edge, io_edges, sentence);

/* As much as is inside, and the position follows. */
static void test_io_edges(struct kunit *test)
{
	const struct io_edge *c = test->param_value;
	struct file *file = create_contig(test);
	loff_t pos = c->pos;
	ssize_t ret;
	void *data;

	data = kunit_kzalloc(test, SIZE + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	if (c->write)
		ret = kernel_write(file, data, c->len, &pos);
	else
		ret = kernel_read(file, data, c->len, &pos);
	KUNIT_EXPECT_EQ(test, ret, c->ret);
	KUNIT_EXPECT_EQ(test, pos, c->pos + max(c->ret, 0));
}

/* There is nothing to append to. */
static void test_append(struct kunit *test)
{
	struct file *file = create_contig(test);
	loff_t pos = 0;

	file->f_iocb_flags |= IOCB_APPEND;
	KUNIT_EXPECT_EQ(test, kernel_write(file, "x", 1, &pos), -ENOSPC);
	KUNIT_EXPECT_EQ(test, kernel_write(file, "x", 0, &pos), 0);
}

/* Bytes that cross pages arrive where they belong. */
static void test_copy_across_pages(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct file *file = create(test, *backing, SIZE);
	u8 *out, *in;
	loff_t pos = 1;
	int i;

	out = kunit_kzalloc(test, SIZE, GFP_KERNEL);
	in = kunit_kzalloc(test, SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, out);
	KUNIT_ASSERT_NOT_NULL(test, in);
	for (i = 0; i < SIZE; i++)
		out[i] = i * 7 + i / PAGE_SIZE + 1;
	KUNIT_EXPECT_EQ(test, kernel_write(file, out + 1, SIZE - 2, &pos),
			SIZE - 2);
	KUNIT_EXPECT_EQ(test, pos, SIZE - 1);
	out[0] = 0;
	out[SIZE - 1] = 0;
	pos = 0;
	KUNIT_EXPECT_EQ(test, kernel_read(file, in, SIZE, &pos), SIZE);
	KUNIT_EXPECT_MEMEQ(test, in, out, SIZE);
}

/* read() or write() of a process whose memory ends after a page. */
static ssize_t copy_user(struct kunit *test, struct file *file, bool write,
			 size_t offset, loff_t *pos)
{
	struct file_test *t = test->priv;
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;

	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = *pos;
	iov_iter_ubuf(&iter, write ? ITER_SOURCE : ITER_DEST,
		      t->user + offset, 2 * PAGE_SIZE);
	if (write)
		ret = file->f_op->write_iter(&iocb, &iter);
	else
		ret = file->f_op->read_iter(&iocb, &iter);
	*pos = iocb.ki_pos;
	return ret;
}

static void expect_faults(struct kunit *test, struct file *file, bool write)
{
	loff_t pos = 0, old;
	ssize_t ret = copy_user(test, file, write, 5, &pos);

	/* Where it ends exactly is up to the architecture. */
	KUNIT_EXPECT_GT(test, ret, 0);
	KUNIT_EXPECT_LE(test, ret, PAGE_SIZE - 5);
	KUNIT_EXPECT_EQ(test, pos, ret);
	old = pos;
	KUNIT_EXPECT_EQ(test, copy_user(test, file, write, PAGE_SIZE, &pos),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, pos, old);
}

/* A copy counts the bytes before a fault. Without any, it fails with EFAULT. */
static void test_copy_faults(struct kunit *test)
{
	const u32 *backing = test->param_value;
	struct file *file = create(test, *backing, SIZE);

	expect_faults(test, file, false);
	expect_faults(test, file, true);
	KUNIT_EXPECT_EQ(test, shmbuf_of_file(file)->writers, 0);
}

/* Each piece arrives, and a killed reader stops after the first. */
static void test_copy_in_pieces(struct kunit *test)
{
	const u32 *backing = test->param_value;
	size_t unit = PAGE_SIZE, size = SIZE;
	struct file *file;
	struct folio *folio;
	size_t i, step = PAGE_SIZE / sizeof(u32);
	loff_t pos = 0;
	ssize_t ret;
	u32 *data;

	if (*backing == SHMBUF_BACKING_CONTIG) {
		if (PMD_SIZE > SZ_32M)
			kunit_skip(test, "huge pages are very large here");
		unit = PMD_SIZE;
		size = 2 * PMD_SIZE;
	}
	file = create(test, *backing, size);
	if (*backing == SHMBUF_BACKING_PAGES) {
		folio = filemap_get_folio(file->f_mapping, 0);
		KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
		unit = folio_size(folio);
		folio_put(folio);
	}
	data = kvzalloc(size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	for (i = 0; i < size / sizeof(*data); i += step)
		data[i] = i + 1;
	KUNIT_EXPECT_EQ(test, kernel_write(file, data, size, &pos), size);
	memset(data, 0, size);
	pos = 0;
	KUNIT_EXPECT_EQ(test, kernel_read(file, data, size, &pos), size);
	for (i = 0; i < size / sizeof(*data); i += step)
		KUNIT_EXPECT_EQ(test, data[i], i + 1);

	pos = 0;
	sigaddset(&current->pending.signal, SIGKILL);
	set_thread_flag(TIF_SIGPENDING);
	ret = kernel_read(file, data, size, &pos);
	sigdelset(&current->pending.signal, SIGKILL);
	clear_thread_flag(TIF_SIGPENDING);
	kvfree(data);
	KUNIT_EXPECT_EQ(test, ret, unit);
}

#ifdef CONFIG_HAS_DMA
struct sync_case {
	const char *sentence;
	u32 direction;
	u32 phase;
	enum dma_data_direction dir;
	bool end;
};

static const struct sync_case sync_cases[] = {
	{ "before reading, what the device wrote",
	  SHMBUF_SYNC_READ, SHMBUF_SYNC_BEGIN, DMA_FROM_DEVICE, false },
	{ "after reading",
	  SHMBUF_SYNC_READ, SHMBUF_SYNC_END, DMA_FROM_DEVICE, true },
	{ "before writing",
	  SHMBUF_SYNC_WRITE, SHMBUF_SYNC_BEGIN, DMA_TO_DEVICE, false },
	{ "after writing, for the device to read",
	  SHMBUF_SYNC_WRITE, SHMBUF_SYNC_END, DMA_TO_DEVICE, true },
	{ "before both", SHMBUF_SYNC_READ | SHMBUF_SYNC_WRITE,
	  SHMBUF_SYNC_BEGIN, DMA_BIDIRECTIONAL, false },
	{ "after both", SHMBUF_SYNC_READ | SHMBUF_SYNC_WRITE,
	  SHMBUF_SYNC_END, DMA_BIDIRECTIONAL, true },
};

KUNIT_ARRAY_PARAM_DESC(sync, sync_cases, sentence);

static struct {
	size_t offset;
	size_t len;
	enum dma_data_direction dir;
	bool end;
} synced;

static void record_sync(struct shmbuf *buf, size_t offset, size_t len,
			enum dma_data_direction dir, bool end)
{
	synced.offset = offset;
	synced.len = len;
	synced.dir = dir;
	synced.end = end;
}

/* SYNC converts accesses of the program to the direction of the DMA API. */
static void test_sync(struct kunit *test)
{
	const struct sync_case *c = test->param_value;
	struct file *file = create(test, SHMBUF_BACKING_STREAM, SIZE);
	struct shmbuf_sync arg = {
		.offset = 100,
		.length = PAGE_SIZE,
		.direction = c->direction,
		.phase = c->phase,
	};

	synced.len = 0;
	kunit_activate_static_stub(test, shmbuf_stream_sync, record_sync);
	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_SYNC, &arg,
				   sizeof(arg)), 0);
	KUNIT_EXPECT_EQ(test, synced.offset, 100);
	KUNIT_EXPECT_EQ(test, synced.len, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, synced.dir, c->dir);
	KUNIT_EXPECT_EQ(test, synced.end, c->end);
}
#endif

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

/* SIGNAL says how many there were, ACK how many of them were new. */
static void test_signal_and_ack(struct kunit *test)
{
	struct file *file = create_contig(test);
	struct shmbuf_notify arg = { .count = 99 };

	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_SIGNAL, &arg,
				   sizeof(arg)), 0);
	KUNIT_EXPECT_EQ(test, arg.sequence, 1);
	KUNIT_EXPECT_EQ(test, arg.count, 0);
	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_SIGNAL, &arg,
				   sizeof(arg)), 0);
	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_ACK, &arg,
				   sizeof(arg)), 0);
	KUNIT_EXPECT_EQ(test, arg.sequence, 2);
	KUNIT_EXPECT_EQ(test, arg.count, 2);
}

struct irq_signal {
	struct wait_queue_entry sleeper;
	struct hrtimer timer;
	struct completion done;
	struct shmbuf *buf;
	bool hard, woken;
};

static int wake_sleeper(struct wait_queue_entry *entry, unsigned int mode,
			int flags, void *key)
{
	container_of(entry, struct irq_signal, sleeper)->woken =
		key_to_poll(key) & EPOLLIN;
	return 0;
}

static enum hrtimer_restart signal_from_timer(struct hrtimer *timer)
{
	struct irq_signal *s = container_of(timer, struct irq_signal, timer);

	s->hard = in_hardirq();
	shmbuf_signal(s->buf);
	complete(&s->done);
	return HRTIMER_NORESTART;
}

static void start_timer(struct irq_signal *s)
{
	init_completion(&s->done);
	hrtimer_setup_on_stack(&s->timer, signal_from_timer, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL);
	hrtimer_start(&s->timer, ns_to_ktime(NSEC_PER_MSEC), HRTIMER_MODE_REL);
}

static void stop_timer(struct irq_signal *s)
{
	wait_for_completion(&s->done);
	hrtimer_cancel(&s->timer);
	destroy_hrtimer_on_stack(&s->timer);
}

/* An interrupt handler can signal and wake; lockdep checks the locks. */
static void test_signal_from_interrupt(struct kunit *test)
{
	struct file *file = create_contig(test);
	struct irq_signal s = { .buf = shmbuf_of_file(file) };

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "waking takes sleeping locks");
	KUNIT_EXPECT_EQ(test, ack(file), 0);
	init_waitqueue_func_entry(&s.sleeper, wake_sleeper);
	add_wait_queue(&s.buf->wait, &s.sleeper);
	start_timer(&s);
	stop_timer(&s);
	remove_wait_queue(&s.buf->wait, &s.sleeper);
	KUNIT_EXPECT_TRUE(test, s.hard);
	KUNIT_EXPECT_TRUE(test, s.woken);
	KUNIT_EXPECT_TRUE(test, readable(file));
	KUNIT_EXPECT_EQ(test, ack(file), 1);
}

/* With WAIT, ACK sleeps until a signal is pending. */
static void test_ack_waits(struct kunit *test)
{
	struct file *file = create_contig(test);
	struct irq_signal s = { .buf = shmbuf_of_file(file) };
	struct shmbuf_notify arg = { .flags = SHMBUF_NOTIFY_WAIT };

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "waking takes sleeping locks");
	start_timer(&s);
	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_ACK, &arg,
				   sizeof(arg)), 0);
	KUNIT_EXPECT_EQ(test, arg.count, 1);
	KUNIT_EXPECT_EQ(test, arg.sequence, 1);
	stop_timer(&s);
	shmbuf_signal(s.buf);
	shmbuf_signal(s.buf);
	KUNIT_EXPECT_EQ(test, call(test, file, SHMBUF_IOC_ACK, &arg,
				   sizeof(arg)), 0);
	KUNIT_EXPECT_EQ(test, arg.count, 2);
}

/* A signal to the process ends the sleep. */
static void test_ack_is_interrupted(struct kunit *test)
{
	struct file *file = create_contig(test);
	struct shmbuf_notify arg = { .flags = SHMBUF_NOTIFY_WAIT };
	int ret;

	sigaddset(&current->pending.signal, SIGKILL);
	set_thread_flag(TIF_SIGPENDING);
	ret = call(test, file, SHMBUF_IOC_ACK, &arg, sizeof(arg));
	sigdelset(&current->pending.signal, SIGKILL);
	clear_thread_flag(TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, ret, -ERESTARTSYS);
}

/* A file is ready from a signal until the next ACK, and can always be written. */
static void test_poll(struct kunit *test)
{
	struct file *file = create_contig(test);

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
	struct file *first = create_contig(test), *second;
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
	struct file *first = create_contig(test), *second;
	struct shmbuf *buf = shmbuf_of_file(first);

	atomic64_set(&buf->sequence, U32_MAX - 1);
	second = open_again(test, first);
	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), U32_MAX);
	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), 1ULL << 32);
	KUNIT_EXPECT_EQ(test, shmbuf_signal(buf), (1ULL << 32) + 1);
	KUNIT_EXPECT_TRUE(test, readable(second));
	KUNIT_EXPECT_EQ(test, ack(second), 3);
	KUNIT_EXPECT_FALSE(test, readable(second));
}

#define FDINFO_SIZE	512

/* The lines of the file in /proc/PID/fdinfo. */
static void test_fdinfo(struct kunit *test)
{
	struct file *file = create_contig(test);
	struct shmbuf *buf = shmbuf_of_file(file);
	struct seq_file m = { .size = FDINFO_SIZE };
	char *expected;

	m.buf = kunit_kzalloc(test, FDINFO_SIZE, GFP_KERNEL);
	expected = kunit_kzalloc(test, FDINFO_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	KUNIT_ASSERT_NOT_NULL(test, expected);
	buf->mappings = 7;
	buf->writable_mappings = 3;
	buf->seals = SHMBUF_SEAL_SEAL;
	shmbuf_signal(buf);
	file->f_op->show_fdinfo(&m, file);
	buf->mappings = 0;
	buf->writable_mappings = 0;
	KUNIT_ASSERT_LT(test, m.count, FDINFO_SIZE);
	snprintf(expected, FDINFO_SIZE,
		 "shmbuf-size:\t%lu\n"
		 "shmbuf-backing:\tcontig\n"
		 "shmbuf-cache:\tcached\n"
		 "shmbuf-mappings:\t7\n"
		 "shmbuf-writable:\t3\n"
		 "shmbuf-seals:\t0x2\n"
		 "shmbuf-sequence:\t1\n"
		 "shmbuf-revoked:\t0\n", SIZE);
	KUNIT_EXPECT_STREQ(test, m.buf, expected);
}

static int file_test_init(struct kunit *test)
{
	struct file_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	unsigned long addr;
	struct file *node;
	int err;

	if (!t)
		return -ENOMEM;
	test->priv = t;
	err = kunit_attach_mm();
	if (err)
		return err;
	/* The hole is from the second page on. */
	addr = vm_mmap(NULL, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(addr))
		return addr;
	err = vm_munmap(addr + PAGE_SIZE, PAGE_SIZE);
	if (err)
		return err;
	t->user = (void __user *)addr;
	t->dev = kunit_device_register(test, "shmbuf_file_kunit");
	if (IS_ERR(t->dev))
		return PTR_ERR(t->dev);
	dma_coerce_mask_and_coherent(t->dev, DMA_BIT_MASK(64));

	node = anon_inode_getfile("shmbuf_kunit", &shmbuf_node_ops, &t->misc,
				  O_RDWR);
	if (IS_ERR(node))
		return PTR_ERR(node);
	err = node->f_op->open(file_inode(node), node);
	if (!err)
		t->node = node;
	return err;
}

static void file_test_exit(struct kunit *test)
{
	struct file_test *t = test->priv;

	if (t && t->created)
		__fput_sync(t->created);
	if (t && t->node)
		__fput_sync(t->node);
}

static struct kunit_case shmbuf_file_cases[] = {
	KUNIT_CASE_PARAM(test_struct_sizes, command_gen_params),
	KUNIT_CASE_PARAM(test_no_such_command, command_gen_params),
	KUNIT_CASE_PARAM(test_bad_pointer, command_gen_params),
	KUNIT_CASE_PARAM(test_read_only_argument, command_gen_params),
	KUNIT_CASE_PARAM(test_fields, field_gen_params),
	KUNIT_CASE(test_long_name),
	KUNIT_CASE(test_create),
	KUNIT_CASE(test_mount),
	KUNIT_CASE(test_info),
	KUNIT_CASE(test_info_of_pages),
	KUNIT_CASE(test_info_of_stream),
	KUNIT_CASE(test_revoked),
	KUNIT_CASE(test_seals),
	KUNIT_CASE(test_seal_seal),
	KUNIT_CASE(test_write_while_sealing),
	KUNIT_CASE(test_write_during_the_look),
	KUNIT_CASE_PARAM(test_io_edges, io_edge_gen_params),
	KUNIT_CASE(test_append),
	KUNIT_CASE_PARAM(test_copy_across_pages, backing_gen_params),
	KUNIT_CASE_PARAM(test_copy_faults, backing_gen_params),
	KUNIT_CASE_PARAM(test_copy_in_pieces, backing_gen_params),
#ifdef CONFIG_HAS_DMA
	KUNIT_CASE_PARAM(test_sync, sync_gen_params),
#endif
	KUNIT_CASE(test_signal_and_ack),
	KUNIT_CASE(test_signal_from_interrupt),
	KUNIT_CASE(test_ack_waits),
	KUNIT_CASE(test_ack_is_interrupted),
	KUNIT_CASE(test_poll),
	KUNIT_CASE(test_files_count_apart),
	KUNIT_CASE(test_count_over_the_wrap),
	KUNIT_CASE(test_fdinfo),
	{}
};

static struct kunit_suite shmbuf_file_suite = {
	.name = "shmbuf_file",
	.init = file_test_init,
	.exit = file_test_exit,
	.test_cases = shmbuf_file_cases,
};

/* An O_PATH file does not pin the mount, so it cannot bring a buffer back. */
static void test_open_after_unmount(struct kunit *test)
{
	struct shmbuf_create args = {
		.size = PAGE_SIZE,
		.numa_node = SHMBUF_NUMA_ANY,
	};
	struct file *file, *path, *again;

	if (atomic_read(&shmbuf_mnt_pins))
		kunit_skip(test, "another buffer pins the mount");
	file = create_buffer_file(&args, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	path = dentry_open(&file->f_path, O_PATH, current_cred());
	KUNIT_EXPECT_FALSE(test, IS_ERR(path));
	if (!IS_ERR(path)) {
		again = dentry_open(&path->f_path, O_RDWR, current_cred());
		KUNIT_EXPECT_FALSE(test, IS_ERR(again));
		if (!IS_ERR(again))
			__fput_sync(again);
	}
	__fput_sync(file);
	KUNIT_EXPECT_EQ(test, atomic_read(&shmbuf_mnt_pins), 0);
	if (IS_ERR(path))
		return;
	again = dentry_open(&path->f_path, O_RDWR, current_cred());
	KUNIT_EXPECT_EQ(test, PTR_ERR(again), -ENXIO);
	KUNIT_EXPECT_EQ(test, atomic_read(&shmbuf_mnt_pins), 0);
	__fput_sync(path);
}

static struct kunit_case shmbuf_mount_cases[] = {
	KUNIT_CASE(test_open_after_unmount),
	{}
};

static struct kunit_suite shmbuf_mount_suite = {
	.name = "shmbuf_mount",
	.test_cases = shmbuf_mount_cases,
};

kunit_test_suites(&shmbuf_file_suite, &shmbuf_mount_suite);

MODULE_DESCRIPTION("KUnit tests for the files of shmbuf");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
