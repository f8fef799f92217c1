// SPDX-License-Identifier: GPL-2.0-only
/*
 * Named nodes: buffers that programs open by path, as /dev/shmbuf-NAME.
 *
 * A node is a misc device. misc_open() and misc_deregister() exclude each other, so
 * whoever opens the node finds its buffer there; from then on the file holds the
 * buffer, and neither unpublishing nor the publisher's shmbuf_put() is seen.
 */

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "shmbuf.h"

/* A published buffer, to which it holds a reference. */
struct shmbuf_name {
	struct miscdevice misc;
	struct list_head list;
	struct shmbuf *buf;
	const void *owner;	/* of a list of them, or NULL */
	char node[sizeof("shmbuf-") + SHMBUF_NAME_LEN];
};

static LIST_HEAD(names);
static DEFINE_MUTEX(names_mutex);	/* names, and what is on it */

static int shmbuf_name_open(struct inode *inode, struct file *file)
{
	struct shmbuf_name *n = container_of(file->private_data,
					     struct shmbuf_name, misc);

	return shmbuf_open_named(n->buf, file);
}

static const struct file_operations shmbuf_name_ops = {
	.owner	= THIS_MODULE,
	.open	= shmbuf_name_open,
	.llseek	= noop_llseek,
};

static struct shmbuf *buf_of(struct device *dev)
{
	struct miscdevice *misc = dev_get_drvdata(dev);

	return container_of(misc, struct shmbuf_name, misc)->buf;
}

/* stat() of a device node has no size. */
static ssize_t size_show(struct device *dev, struct device_attribute *attr,
			 char *page)
{
	return sysfs_emit(page, "%zu\n", buf_of(dev)->size);
}
static DEVICE_ATTR_RO(size);

static ssize_t backing_show(struct device *dev, struct device_attribute *attr,
			    char *page)
{
	return sysfs_emit(page, "%s\n", buf_of(dev)->ops->name);
}
static DEVICE_ATTR_RO(backing);

static struct attribute *shmbuf_name_attrs[] = {
	&dev_attr_size.attr,
	&dev_attr_backing.attr,
	NULL
};
ATTRIBUTE_GROUPS(shmbuf_name);

/* A name needs no quoting in a shell, a udev rule or sysfs. */
static bool node_name_valid(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		if (i == SHMBUF_NAME_LEN - 1 || !isascii(name[i]) ||
		    (!isalnum(name[i]) && !strchr("._-", name[i])))
			return false;
	}
	return i;
}

static int publish(struct shmbuf *buf, const char *name, umode_t mode,
		   const void *owner)
{
	struct shmbuf_name *n __free(kfree) = NULL;
	struct shmbuf_name *other;
	int err;

	if (!node_name_valid(name) || (mode & ~0666))
		return -EINVAL;
	if (shmbuf_revoked(buf))
		return -ENODEV;
	n = kzalloc_obj(*n);
	if (!n)
		return -ENOMEM;
	snprintf(n->node, sizeof(n->node), "shmbuf-%s", name);
	n->misc.minor = MISC_DYNAMIC_MINOR;
	n->misc.name = n->node;
	n->misc.fops = &shmbuf_name_ops;
	/* 0 would stand for the default. */
	n->misc.mode = mode | S_IFCHR;
	n->misc.parent = buf->dev;
	n->misc.groups = shmbuf_name_groups;
	n->buf = buf;
	n->owner = owner;

	guard(mutex)(&names_mutex);
	list_for_each_entry(other, &names, list) {
		if (other->buf == buf)
			return -EBUSY;
		/* Before sysfs finds out, which is loud. */
		if (!strcmp(other->node, n->node))
			return -EEXIST;
	}
	shmbuf_get(buf);
	err = misc_register(&n->misc);
	if (err) {
		shmbuf_put(buf);
		return err;
	}
	list_add(&no_free_ptr(n)->list, &names);
	return 0;
}

static void unpublish(struct shmbuf_name *n)
{
	lockdep_assert_held(&names_mutex);
	list_del(&n->list);
	misc_deregister(&n->misc);
	shmbuf_put(n->buf);
	kfree(n);
}

/**
 * shmbuf_publish() - let programs open a buffer as /dev/shmbuf-NAME
 * @buf: the buffer; it is kept until shmbuf_unpublish()
 * @name: NAME, up to 31 ASCII letters, digits, dots, dashes and underscores
 * @mode: permissions of the node, as in chmod(); 0600 is for root alone
 *
 * Files that are opened in this way are like the one of SHMBUF_IOC_CREATE, but
 * fstat() tells nothing of the size.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL for a bad name or mode, -EEXIST when there is such a node,
 *	-EBUSY when the buffer is published already, -ENODEV when it is revoked,
 *	or another negative errno when the device cannot be registered.
 */
int shmbuf_publish(struct shmbuf *buf, const char *name, umode_t mode)
{
	return publish(buf, name, mode, NULL);
}
EXPORT_SYMBOL_GPL(shmbuf_publish);

/**
 * shmbuf_unpublish() - undo shmbuf_publish()
 * @buf: the buffer; when it is not published, this does nothing
 *
 * The node is gone afterwards. Who has the buffer open or mapped keeps it.
 *
 * Context: Process context, may sleep.
 */
void shmbuf_unpublish(struct shmbuf *buf)
{
	struct shmbuf_name *n;

	guard(mutex)(&names_mutex);
	list_for_each_entry(n, &names, list) {
		if (n->buf == buf) {
			unpublish(n);
			return;
		}
	}
}
EXPORT_SYMBOL_GPL(shmbuf_unpublish);

/* Returns what is wrong with it, or NULL. Takes @spec apart. */
static const char *parse_buffer(char *spec, struct shmbuf_create *args,
				const char **name)
{
	char *size, *backing, *cache, *end;
	int n;

	*name = strsep(&spec, ":");
	size = strsep(&spec, ":");
	backing = strsep(&spec, ":");
	cache = strsep(&spec, ":");
	if (spec)
		return "more than name, size, backing and cache";
	if (!node_name_valid(*name))
		return "not a name for a node";
	if (!size || !isdigit(*size))
		return "no size";
	args->size = memparse(size, &end);
	if (*end)
		return "not a size";
	if (backing) {
		n = shmbuf_find_backing(backing);
		if (n < 0)
			return "no such backing";
		args->backing = n;
	}
	if (cache) {
		n = shmbuf_find_cache(cache);
		if (n < 0)
			return "no such cache attribute";
		args->cache = n;
	}
	strscpy(args->name, *name, sizeof(args->name));
	return NULL;
}

/* -ENOMEM alone does not tell an administrator which limit the buffer exceeds. */
static void report_no_memory(const char *name, const struct shmbuf_create *args)
{
	unsigned long nr = args->size >> PAGE_SHIFT, limit;
	const char *what;

	if (nr > totalram_pages()) {
		what = "memory of the machine";
		limit = totalram_pages();
	} else if (nr > MAX_ORDER_NR_PAGES &&
		   ((args->backing == SHMBUF_BACKING_CONTIG &&
		     !IS_ENABLED(CONFIG_CONTIG_ALLOC)) ||
		    (args->backing == SHMBUF_BACKING_STREAM &&
		     !IS_ENABLED(CONFIG_DMA_CMA)))) {
		what = "largest contiguous block";
		limit = MAX_ORDER_NR_PAGES;
	} else {
		what = "available memory";
		limit = si_mem_available();
	}
	pr_err("shmbuf: parameter buffers: \"%s\": cannot allocate %llu KiB; %s: %lu KiB\n",
	       name, args->size / SZ_1K, what, limit * (PAGE_SIZE / SZ_1K));
}

static int publish_buffer(char *spec, struct device *dev, const void *owner)
{
	struct shmbuf_create args = { .numa_node = SHMBUF_NUMA_ANY };
	const char *name, *wrong;
	struct shmbuf *buf;
	int err;

	wrong = parse_buffer(spec, &args, &name);
	if (wrong) {
		pr_err("shmbuf: parameter buffers: \"%s\": %s\n", name, wrong);
		return -EINVAL;
	}
	buf = shmbuf_create(&args, dev);
	err = PTR_ERR_OR_ZERO(buf);
	if (!err) {
		err = publish(buf, name, 0600, owner);
		shmbuf_put(buf);
	}
	if (err == -ENOMEM)
		report_no_memory(name, &args);
	else if (err)
		pr_err("shmbuf: parameter buffers: \"%s\": %pe\n", name,
		       ERR_PTR(err));
	return err;
}

/**
 * shmbuf_publish_list() - make and publish what the module parameter asks for
 * @list: NAME:SIZE[:BACKING[:CACHE]],..., or NULL
 * @dev: whose memory it is to be, for a backing of that kind
 * @owner: for shmbuf_unpublish_list()
 *
 * One bad entry of the list does not affect the others.
 *
 * Context: Process context, may sleep.
 * Return: 0, or the errno of the first buffer that cannot be published. A message
 *	names each such buffer and the reason.
 */
int shmbuf_publish_list(const char *list, struct device *dev, const void *owner)
{
	char *copy __free(kfree) = NULL;
	char *rest, *spec;
	int err, first_err = 0;

	if (!list || !*list)
		return 0;
	copy = kstrdup(list, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	while ((spec = strsep(&rest, ","))) {
		err = publish_buffer(spec, dev, owner);
		first_err = first_err ?: err;
	}
	return first_err;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_publish_list);

/**
 * shmbuf_unpublish_list() - undo shmbuf_publish_list()
 * @owner: of the list
 *
 * Context: Process context, may sleep.
 */
void shmbuf_unpublish_list(const void *owner)
{
	struct shmbuf_name *n, *next;

	guard(mutex)(&names_mutex);
	list_for_each_entry_safe(n, next, &names, list) {
		if (n->owner == owner)
			unpublish(n);
	}
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_unpublish_list);
