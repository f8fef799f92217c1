// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifetime of buffers.
 *
 * A buffer is part of an inode on a pseudo filesystem, so its reference count
 * is the inode's, and it has an address_space of its own. Each file holds a
 * pin on the mount (simple_pin_fs()), and so does whoever has /dev/shmbuf open, so
 * that all buffers share one superblock, and none is there when nobody needs it.
 * The type of the filesystem holds the module, and the VFS lets go of the type
 * after the last inode: the module can be removed when no buffer is left, and not
 * before.
 */

#include <kunit/visibility.h>
#include <linux/array_size.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/rcupdate.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "geometry.h"
#include "shmbuf.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static struct kmem_cache *shmbuf_cache;
static struct vfsmount *shmbuf_mnt;
VISIBLE_IF_KUNIT int shmbuf_mnt_count;
EXPORT_SYMBOL_IF_KUNIT(shmbuf_mnt_count);

static struct inode *shmbuf_alloc_inode(struct super_block *sb)
{
	struct shmbuf *buf = alloc_inode_sb(sb, shmbuf_cache, GFP_KERNEL);

	if (!buf)
		return NULL;
	memset_after(buf, 0, inode);
	mutex_init(&buf->mutex);
	spin_lock_init(&buf->lock);
	init_waitqueue_head(&buf->wait);
	return &buf->inode;
}

static void shmbuf_free_inode(struct inode *inode)
{
	kmem_cache_free(shmbuf_cache, container_of(inode, struct shmbuf, inode));
}

/*
 * The memory can be neither swapped nor reclaimed, so it counts as locked, for
 * the user who creates it and for as long as it is there.
 */
static int charge_user(struct shmbuf *buf)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	unsigned long nr = buf->size >> PAGE_SHIFT;
	struct user_struct *user = current_user();
	unsigned long locked;

	if (capable(CAP_IPC_LOCK))
		return 0;
	locked = atomic_long_read(&user->locked_vm);
	do {
		if (locked > limit || nr > limit - locked)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &locked,
					  locked + nr));
	buf->user = get_uid(user);
	return 0;
}

static void uncharge_user(struct shmbuf *buf)
{
	if (!buf->user)
		return;
	atomic_long_sub(buf->size >> PAGE_SHIFT, &buf->user->locked_vm);
	free_uid(buf->user);
	buf->user = NULL;
}

/**
 * shmbuf_free_memory() - give back the memory of a buffer, and what it was charged
 * @buf: the buffer, which nobody can get at any more
 *
 * Context: Process context, may sleep. Does nothing the second time.
 */
void shmbuf_free_memory(struct shmbuf *buf)
{
	buf->ops->free(buf);
	uncharge_user(buf);
}

/*
 * No file and no mapping is left, and no reference to make one from. This is no
 * place to release the mount, which would shut down the superblock from inside.
 */
static void shmbuf_evict_inode(struct inode *inode)
{
	struct shmbuf *buf = container_of(inode, struct shmbuf, inode);

	/* The root directory of the filesystem is no buffer. */
	if (buf->ops) {
		trace_shmbuf_free(buf);
		shmbuf_free_memory(buf);
	}
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	put_device(buf->dev);
}

static const struct super_operations shmbuf_super_ops = {
	.alloc_inode	= shmbuf_alloc_inode,
	.free_inode	= shmbuf_free_inode,
	.evict_inode	= shmbuf_evict_inode,
	.statfs		= simple_statfs,
};

static int shmbuf_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, SHMBUF_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &shmbuf_super_ops;
	return 0;
}

static struct file_system_type shmbuf_fs_type = {
	.name			= "shmbuf",
	.owner			= THIS_MODULE,
	.init_fs_context	= shmbuf_init_fs_context,
	.kill_sb		= kill_anon_super,
};

/**
 * shmbuf_pin_mount() - hold the mount that all buffers share
 *
 * Context: Process context, may sleep. Cannot fail while somebody else holds
 *	it.
 * Return: 0 or a negative errno.
 */
int shmbuf_pin_mount(void)
{
	return simple_pin_fs(&shmbuf_fs_type, &shmbuf_mnt, &shmbuf_mnt_count);
}

/**
 * shmbuf_unpin_mount() - undo shmbuf_pin_mount()
 *
 * Context: Process context, may sleep; not in the eviction of an inode.
 */
void shmbuf_unpin_mount(void)
{
	simple_release_fs(&shmbuf_mnt, &shmbuf_mnt_count);
}

/**
 * shmbuf_sb() - the superblock that has the inodes of all buffers
 *
 * Context: Any, while shmbuf_pin_mount() holds it.
 * Return: the superblock.
 */
struct super_block *shmbuf_sb(void)
{
	return shmbuf_mnt->mnt_sb;
}

static const char *const cache_names[] = {
	[SHMBUF_CACHE_CACHED]		= "cached",
	[SHMBUF_CACHE_WRITE_COMBINE]	= "write-combine",
	[SHMBUF_CACHE_UNCACHED]		= "uncached",
	[SHMBUF_CACHE_DEVICE]		= "device",
};

/**
 * shmbuf_cache_name() - a cache attribute for people to read
 * @cache: SHMBUF_CACHE_*
 *
 * Context: Any.
 * Return: its name.
 */
const char *shmbuf_cache_name(u32 cache)
{
	return cache_names[cache];
}

/**
 * shmbuf_find_cache() - the cache attribute with a name
 * @name: as shmbuf_cache_name() has it
 *
 * Context: Any.
 * Return: SHMBUF_CACHE_*, or a negative errno.
 */
int shmbuf_find_cache(const char *name)
{
	return match_string(cache_names, ARRAY_SIZE(cache_names), name);
}

/* A buffer has a fixed size. O_TRUNC has no effect, as on a device node. */
static int shmbuf_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	if ((attr->ia_valid & ATTR_SIZE) && !(attr->ia_valid & ATTR_OPEN))
		return -EINVAL;
	attr->ia_valid &= ~ATTR_SIZE;
	return simple_setattr(idmap, dentry, attr);
}

static const struct inode_operations shmbuf_inode_ops = {
	.setattr	= shmbuf_setattr,
};

/**
 * shmbuf_alloc() - make a buffer that has no file yet
 * @ops: what it is to be made of
 * @size: its size in bytes, from shmbuf_round_size()
 * @args: cache attribute, NUMA node and name, which the caller has checked
 * @dev: whose memory it is to be, for a backing that needs one, else ignored
 *
 * Context: Process context, may sleep.
 * Return: the buffer, to be given back with shmbuf_put(), or an ERR_PTR().
 */
struct shmbuf *shmbuf_alloc(const struct shmbuf_backing *ops, size_t size,
			    const struct shmbuf_create *args,
			    struct device *dev)
{
	struct shmbuf *buf;
	struct inode *inode;
	int err;

	/* A driver was earlier, or shmbuf could not be. */
	if (!shmbuf_cache)
		return ERR_PTR(-ENODEV);
	/* More than there is at all: do not even try. */
	if (ops->alloc && size >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);
	err = shmbuf_pin_mount();
	if (err)
		return ERR_PTR(err);

	inode = alloc_anon_inode(shmbuf_mnt->mnt_sb);
	if (IS_ERR(inode)) {
		shmbuf_unpin_mount();
		return ERR_CAST(inode);
	}
	/* Programs take the size of a regular file from fstat(). */
	inode->i_mode |= S_IFREG;
	inode->i_op = &shmbuf_inode_ops;
	inode_set_bytes(inode, size);
	i_size_write(inode, size);

	buf = container_of(inode, struct shmbuf, inode);
	buf->size = size;
	buf->ops = ops;
	buf->backing = args->backing;
	buf->cache = args->cache;
	buf->capabilities = ops->capabilities;
	buf->map_unit = PAGE_SIZE;
	buf->dma = DMA_MAPPING_ERROR;
	if (ops->of_device)
		buf->dev = get_device(dev);
	strscpy_pad(buf->name, args->name, sizeof(buf->name));

	trace_shmbuf_create(buf);
	if (ops->alloc) {
		err = charge_user(buf) ?: ops->alloc(buf, args->numa_node);
		if (err) {
			shmbuf_put(buf);
			return ERR_PTR(err);
		}
	}
	/* For the list of buffers. */
	inode_sb_list_add(inode);
	return buf;
}

/**
 * shmbuf_get() - take another reference to a buffer
 * @buf: the buffer, to which the caller has a reference
 *
 * Context: Process context, may sleep.
 * Return: the buffer, to be given back with shmbuf_put().
 */
struct shmbuf *shmbuf_get(struct shmbuf *buf)
{
	ihold(&buf->inode);
	/* Cannot fail: the caller's reference comes with a pin. */
	shmbuf_pin_mount();
	return buf;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_get);

/**
 * shmbuf_put() - give back a reference to a buffer
 * @buf: the buffer; it lives on while a file or a mapping of it does
 *
 * What the buffer was made of is freed with it, but see shmbuf_revoke() for the
 * memory of a device.
 *
 * Context: Process context, may sleep.
 */
void shmbuf_put(struct shmbuf *buf)
{
	iput(&buf->inode);
	shmbuf_unpin_mount();
}
EXPORT_SYMBOL_GPL(shmbuf_put);

/**
 * shmbuf_size() - the size of a buffer
 * @buf: the buffer
 *
 * Context: Any.
 * Return: its size in bytes, whole pages; also when it is revoked.
 */
size_t shmbuf_size(const struct shmbuf *buf)
{
	return buf->size;
}
EXPORT_SYMBOL_GPL(shmbuf_size);

/**
 * shmbuf_dma_addr() - the address of a buffer for its device
 * @buf: the buffer
 *
 * Context: Any.
 * Return: the address of its first byte, for the device that it was made for,
 *	until the buffer is revoked; DMA_MAPPING_ERROR when it is not the memory
 *	of the DMA API.
 */
dma_addr_t shmbuf_dma_addr(const struct shmbuf *buf)
{
	return buf->dma;
}
EXPORT_SYMBOL_GPL(shmbuf_dma_addr);

/**
 * shmbuf_check_access() - may the current process get at the memory?
 * @file: file of the buffer
 *
 * Where it takes a capability, whoever opened the file must have had it too: a
 * privileged program may have been given the file to write its messages to.
 *
 * Context: Process context.
 * Return: 0, -ENODEV when the buffer is revoked, -EPERM without the capability.
 */
int shmbuf_check_access(const struct file *file)
{
	struct shmbuf *buf = shmbuf_of_file(file);

	if (shmbuf_revoked(buf))
		return -ENODEV;
	if (!buf->privileged)
		return 0;
	if (!capable(CAP_SYS_RAWIO) ||
	    !file_ns_capable(file, &init_user_ns, CAP_SYS_RAWIO))
		return -EPERM;
	return 0;
}

/**
 * shmbuf_vmap() - the kernel's address of a buffer
 * @buf: the buffer
 *
 * A backing whose pages have no common kernel address is mapped when this is
 * called first, and stays mapped until the buffer is freed.
 *
 * Context: Process context, may sleep.
 * Return: the address, valid as long as the caller's reference to the buffer, and
 *	that of a device's memory no longer than until the buffer is revoked;
 *	or NULL when there is no memory for the mapping, a page has a memory
 *	error, the buffer is revoked, or it is I/O memory.
 */
void *shmbuf_vmap(struct shmbuf *buf)
{
	guard(mutex)(&buf->mutex);
	if (buf->revoked)
		return NULL;
	if (!buf->vaddr && buf->ops->vmap)
		buf->ops->vmap(buf);
	return buf->vaddr;
}
EXPORT_SYMBOL_GPL(shmbuf_vmap);

/**
 * shmbuf_set_pfns() - tell what page frame numbers a contiguous buffer has
 * @buf: the buffer, with SHMBUF_MAP_PFNS
 * @pfn: that of its first page
 *
 * Context: Any; while the buffer has no file yet.
 */
void shmbuf_set_pfns(struct shmbuf *buf, unsigned long pfn)
{
	buf->pfn = pfn;
	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) &&
	    !shmbuf_pgoff_to_pfn(pfn, buf->size, 0, PMD_ORDER, &pfn))
		buf->map_unit = PMD_SIZE;
}

/**
 * shmbuf_alloc_file() - make the first file of a buffer
 * @buf: the buffer
 * @fops: for this file, and for those that userspace makes from it by opening
 *	/proc/PID/fd/N, for instance read-only; its ->open() is to call
 *	shmbuf_pin_mount(), its ->release() shmbuf_unpin_mount()
 *
 * Context: Process context, may sleep.
 * Return: the file, which holds a reference to the buffer, or an ERR_PTR().
 */
struct file *shmbuf_alloc_file(struct shmbuf *buf,
			       const struct file_operations *fops)
{
	char name[sizeof("shmbuf:") + SHMBUF_NAME_LEN] = "shmbuf:";
	struct file *file;
	int err;

	/* fput() puts both, and an open() that did not happen gets neither. */
	if (!fops_get(fops))
		return ERR_PTR(-ENODEV);
	err = shmbuf_pin_mount();
	if (err)
		goto put_fops;

	strscpy(name + strlen(name), buf->name, SHMBUF_NAME_LEN);
	buf->inode.i_fop = fops;
	ihold(&buf->inode);
	file = alloc_file_pseudo(&buf->inode, shmbuf_mnt, name, O_RDWR, fops);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto put_inode;
	}
	file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	return file;

put_inode:
	iput(&buf->inode);
	shmbuf_unpin_mount();
put_fops:
	fops_put(fops);
	return ERR_PTR(err);
}

/* Slab objects keep what inode_init_once() set up over many lives. */
static void shmbuf_init_once(void *obj)
{
	struct shmbuf *buf = obj;

	inode_init_once(&buf->inode);
}

int __init shmbuf_core_init(void)
{
	shmbuf_cache = kmem_cache_create("shmbuf", sizeof(struct shmbuf), 0,
					 SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					 shmbuf_init_once);
	return shmbuf_cache ? 0 : -ENOMEM;
}

void shmbuf_core_exit(void)
{
	/* Inodes are freed after a grace period. */
	rcu_barrier();
	kmem_cache_destroy(shmbuf_cache);
	shmbuf_cache = NULL;
}
