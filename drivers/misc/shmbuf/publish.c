// SPDX-License-Identifier: GPL-2.0-only
/*
 * Named nodes: device nodes through which programs open a buffer by path.
 *
 * A node is a misc device. misc_open() and misc_deregister() exclude each other, so
 * an open() finds the node's buffer. The file holds a reference to the buffer, so
 * unpublishing does not affect the file.
 */

#include <linux/cleanup.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "shmbuf.h"

/* A published buffer. The node holds a reference to the buffer. */
struct shmbuf_name {
	struct miscdevice misc;
	struct list_head list;
	struct shmbuf *buf;
	char node[sizeof("shmbuf-") + SHMBUF_NAME_LEN];
};

static LIST_HEAD(names);
static DEFINE_MUTEX(names_mutex);	/* protects names and its elements */

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

/* stat() of a device node does not report the size. */
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

/* Allow only characters that shells, udev rules and sysfs do not quote. */
bool shmbuf_name_valid(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		if (i == SHMBUF_NAME_LEN - 1 || !isascii(name[i]) ||
		    (!isalnum(name[i]) && !strchr("._-", name[i])))
			return false;
	}
	return i;
}

static int check_conflict(const struct shmbuf_name *n)
{
	struct shmbuf_name *other;

	lockdep_assert_held(&names_mutex);
	list_for_each_entry(other, &names, list) {
		if (other->buf == n->buf)
			return -EBUSY;
		/* Otherwise sysfs would print a warning with a stack trace. */
		if (!strcmp(other->node, n->node))
			return -EEXIST;
	}
	return 0;
}

/**
 * shmbuf_publish() - let programs open a buffer as /dev/shmbuf-NAME
 * @buf: the buffer; the node holds a reference until shmbuf_unpublish()
 * @name: NAME, up to 31 ASCII letters, digits, dots, dashes and underscores
 * @mode: permissions of the node, as in chmod(); 0600 allows root only
 *
 * open() of the node yields a buffer file as from SHMBUF_IOC_CREATE, but fstat()
 * does not report the size.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL for a bad name or mode, -EEXIST if the name is in use,
 *	-EBUSY if the buffer is already published, -ENODEV if the buffer is revoked,
 *	or another negative errno if the device cannot be registered.
 */
int shmbuf_publish(struct shmbuf *buf, const char *name, umode_t mode)
{
	struct shmbuf_name *n __free(kfree) = NULL;
	int err;

	if (!shmbuf_name_valid(name) || (mode & ~0666))
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
	/* Without S_IFCHR, misc_register() would replace a mode of 0 by the default. */
	n->misc.mode = mode | S_IFCHR;
	n->misc.parent = buf->dev;
	n->misc.groups = shmbuf_name_groups;
	n->buf = buf;

	guard(mutex)(&names_mutex);
	err = check_conflict(n);
	if (err)
		return err;
	shmbuf_get(buf);
	err = misc_register(&n->misc);
	if (err) {
		shmbuf_put(buf);
		return err;
	}
	list_add(&no_free_ptr(n)->list, &names);
	return 0;
}
EXPORT_SYMBOL_GPL(shmbuf_publish);

/**
 * shmbuf_unpublish() - undo shmbuf_publish()
 * @buf: the buffer; if it is not published, this does nothing
 *
 * Removes the node. Open files and mappings still hold the buffer.
 *
 * Context: Process context, may sleep.
 */
void shmbuf_unpublish(struct shmbuf *buf)
{
	struct shmbuf_name *n;

	guard(mutex)(&names_mutex);
	list_for_each_entry(n, &names, list) {
		if (n->buf != buf)
			continue;
		list_del(&n->list);
		misc_deregister(&n->misc);
		shmbuf_put(buf);
		kfree(n);
		return;
	}
}
EXPORT_SYMBOL_GPL(shmbuf_unpublish);
