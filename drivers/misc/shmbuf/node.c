// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/shmbuf, the buffers of the module parameter, and module init and exit.
 */

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/ctype.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "shmbuf.h"

static long shmbuf_node_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	struct miscdevice *node = file->private_data;

	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_CREATE,
				   SHMBUF_CREATE_SIZE_VER0))
		return shmbuf_ioctl_create(node->this_device,
					   (void __user *)arg, _IOC_SIZE(cmd));
	return -ENOTTY;
}

/* Mount here, or the first CREATE would pay for kern_mount(). */
static int shmbuf_node_open(struct inode *inode, struct file *file)
{
	return shmbuf_pin_mount();
}

static int shmbuf_node_release(struct inode *inode, struct file *file)
{
	shmbuf_unpin_mount();
	return 0;
}

VISIBLE_IF_KUNIT const struct file_operations shmbuf_node_ops = {
	.owner		= THIS_MODULE,
	.open		= shmbuf_node_open,
	.release	= shmbuf_node_release,
	.unlocked_ioctl	= shmbuf_node_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};
EXPORT_SYMBOL_IF_KUNIT(shmbuf_node_ops);

static struct miscdevice shmbuf_node = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "shmbuf",
	.fops	= &shmbuf_node_ops,
	.mode	= 0600,
};

static char *buffers;
module_param(buffers, charp, 0444);
MODULE_PARM_DESC(buffers, "Buffers to publish as /dev/shmbuf-NAME: NAME:SIZE[:BACKING[:CACHE]],...");

/* Return an error message, or NULL. Modifies @spec. */
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
	if (!shmbuf_name_valid(*name))
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

/* Without this message, -ENOMEM would not tell which limit the buffer exceeds. */
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

/* Create and publish NAME:SIZE[:BACKING[:CACHE]]. The node holds the buffer. */
VISIBLE_IF_KUNIT struct shmbuf *shmbuf_publish_spec(char *spec,
						    struct device *dev)
{
	struct shmbuf_create args = { .numa_node = SHMBUF_NUMA_ANY };
	const char *name, *wrong;
	struct shmbuf *buf;
	int err;

	wrong = parse_buffer(spec, &args, &name);
	if (wrong) {
		pr_err("shmbuf: parameter buffers: \"%s\": %s\n", name, wrong);
		return ERR_PTR(-EINVAL);
	}
	buf = shmbuf_create(&args, dev);
	err = PTR_ERR_OR_ZERO(buf);
	if (!err) {
		err = shmbuf_publish(buf, name, 0600);
		shmbuf_put(buf);
	}
	if (err == -ENOMEM)
		report_no_memory(name, &args);
	else if (err)
		pr_err("shmbuf: parameter buffers: \"%s\": %pe\n", name,
		       ERR_PTR(err));
	return err ? ERR_PTR(err) : buf;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_publish_spec);

/* If a buffer cannot be published, report the buffer and publish the others. */
static void publish_list(const char *list, struct device *dev)
{
	char *copy __free(kfree) = kstrdup(list, GFP_KERNEL);
	char *rest = copy, *spec;

	while ((spec = strsep(&rest, ","))) {
		if (*spec)
			shmbuf_publish_spec(spec, dev);
	}
}

static int __init shmbuf_init(void)
{
	int err;

	err = shmbuf_core_init();
	if (err)
		return err;
	err = misc_register(&shmbuf_node);
	if (err) {
		shmbuf_core_exit();
		return err;
	}
	/* Without a DMA mask, COHERENT and STREAM fail with -EOPNOTSUPP. */
	err = dma_coerce_mask_and_coherent(shmbuf_node.this_device,
					   DMA_BIT_MASK(64));
	if (err)
		pr_debug("shmbuf: no memory for DMA: %d\n", err);
	shmbuf_debug_init(shmbuf_node.this_device);
	publish_list(buffers, shmbuf_node.this_device);
	return 0;
}

static void __exit shmbuf_exit(void)
{
	shmbuf_debug_exit();
	misc_deregister(&shmbuf_node);
	shmbuf_core_exit();
}

module_init(shmbuf_init);
module_exit(shmbuf_exit);

MODULE_DESCRIPTION("Kernel buffers that processes map");
MODULE_LICENSE("GPL");
