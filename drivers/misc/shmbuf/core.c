// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifetime and accounting.
 *
 * A buffer embeds an inode of a pseudo filesystem. The inode provides the reference
 * count and a separate address_space. Each buffer file and each open of
 * /dev/shmbuf pins the mount. The filesystem type holds the module until the last inode
 * is freed.
 */

#include <kunit/visibility.h>
#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fs_context.h>
#include <linux/lockdep.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/pseudo_fs.h>
#include <linux/rcupdate.h>
#include <linux/resource.h>
#include <linux/rwsem.h>
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
struct vfsmount *shmbuf_mnt;
static DEFINE_MUTEX(mount_mutex);	/* the first and the last pin */
VISIBLE_IF_KUNIT atomic_t shmbuf_mnt_pins;
EXPORT_SYMBOL_IF_KUNIT(shmbuf_mnt_pins);

static struct inode *shmbuf_alloc_inode(struct super_block *sb)
{
	struct shmbuf *buf = alloc_inode_sb(sb, shmbuf_cache, GFP_KERNEL);

	if (!buf)
		return NULL;
	memset_after(buf, 0, inode);
	spin_lock_init(&buf->lock);
	init_waitqueue_head(&buf->wait);
	return &buf->inode;
}

static void shmbuf_free_inode(struct inode *inode)
{
	kmem_cache_free(shmbuf_cache, container_of(inode, struct shmbuf, inode));
}

/*
 * The memory can be neither swapped nor reclaimed. Without this charge, an
 * unprivileged user could exceed RLIMIT_MEMLOCK. The charge lasts until the memory is
 * freed.
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

/* For device memory, revocation calls this first, and the second call does nothing. */
void shmbuf_free_memory(struct shmbuf *buf)
{
	buf->ops->free(buf);
	uncharge_user(buf);
}

/*
 * Called when the last reference is dropped. Releasing the mount here would shut down
 * the superblock during the eviction of its inode.
 */
static void shmbuf_evict_inode(struct inode *inode)
{
	struct shmbuf *buf = container_of(inode, struct shmbuf, inode);

	/* The root directory of the filesystem is not a buffer. */
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

/*
 * Pin the mount of all buffers. While another pin exists, pinning cannot fail. Unlike
 * simple_pin_fs(), this does not take a lock for further pins.
 */
int shmbuf_pin_mount(void)
{
	struct vfsmount *mnt;

	if (atomic_inc_not_zero(&shmbuf_mnt_pins))
		return 0;
	guard(mutex)(&mount_mutex);
	if (atomic_inc_not_zero(&shmbuf_mnt_pins))
		return 0;
	mnt = kern_mount(&shmbuf_fs_type);
	if (IS_ERR(mnt))
		return PTR_ERR(mnt);
	shmbuf_mnt = mnt;
	/* Pairs with atomic_inc_not_zero(): a pin makes shmbuf_mnt visible. */
	atomic_set_release(&shmbuf_mnt_pins, 1);
	return 0;
}

/* Do not call while an inode is evicted: this may shut down the superblock. */
void shmbuf_unpin_mount(void)
{
	struct vfsmount *mnt;

	if (!atomic_dec_and_mutex_lock(&shmbuf_mnt_pins, &mount_mutex))
		return;
	mnt = shmbuf_mnt;
	mutex_unlock(&mount_mutex);
	kern_unmount(mnt);
}

static const char *const cache_names[] = {
	[SHMBUF_CACHE_CACHED]		= "cached",
	[SHMBUF_CACHE_WRITE_COMBINE]	= "write-combine",
	[SHMBUF_CACHE_UNCACHED]		= "uncached",
	[SHMBUF_CACHE_DEVICE]		= "device",
};

const char *shmbuf_cache_name(u32 cache)
{
	return cache_names[cache];
}

/* Return SHMBUF_CACHE_*, or a negative errno. */
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

/* Allocate an inode with the fields that every buffer has. */
static struct shmbuf *alloc_buffer(const struct shmbuf_backing *ops,
				   size_t size,
				   const struct shmbuf_create *args)
{
	struct inode *inode = alloc_anon_inode(shmbuf_mnt->mnt_sb);
	struct shmbuf *buf;

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	/* Without S_IFREG, programs ignore the size that fstat() reports. */
	inode->i_mode |= S_IFREG;
	inode->i_op = &shmbuf_inode_ops;
	inode_set_bytes(inode, size);
	i_size_write(inode, size);

	buf = container_of(inode, struct shmbuf, inode);
	buf->size = size;
	buf->ops = ops;
	buf->cache = args->cache;
	buf->map_unit = PAGE_SIZE;
	buf->dma = DMA_MAPPING_ERROR;
	strscpy_pad(buf->name, args->name, sizeof(buf->name));
	return buf;
}

/*
 * Allocate a buffer without a file. The caller has checked the arguments. @dev is used
 * only if the backing has of_device.
 */
struct shmbuf *shmbuf_alloc(const struct shmbuf_backing *ops, size_t size,
			    const struct shmbuf_create *args,
			    struct device *dev)
{
	struct shmbuf *buf;
	int err;

	/* Called before initialisation, or initialisation failed. */
	if (!shmbuf_cache)
		return ERR_PTR(-ENODEV);
	/* A size above all RAM would reclaim all memory before failing. */
	if (ops->alloc && size >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);
	err = shmbuf_pin_mount();
	if (err)
		return ERR_PTR(err);
	buf = alloc_buffer(ops, size, args);
	if (IS_ERR(buf)) {
		shmbuf_unpin_mount();
		return buf;
	}
	if (ops->of_device)
		buf->dev = get_device(dev);
	trace_shmbuf_create(buf);
	if (ops->alloc) {
		err = charge_user(buf) ?: ops->alloc(buf, args->numa_node);
		if (err) {
			shmbuf_put(buf);
			return ERR_PTR(err);
		}
	}
	/* List the buffer in debugfs. */
	inode_sb_list_add(&buf->inode);
	return buf;
}

/* Take another reference, which shmbuf_put() drops. */
struct shmbuf *shmbuf_get(struct shmbuf *buf)
{
	ihold(&buf->inode);
	/* Cannot fail: the caller's reference holds a pin. */
	shmbuf_pin_mount();
	return buf;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_get);

/**
 * shmbuf_put() - drop a reference to a buffer
 * @buf: the buffer
 *
 * Files and mappings hold references too. Dropping the last reference frees the
 * buffer and its memory. shmbuf_revoke() frees device memory earlier.
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
 * shmbuf_size() - return the size of a buffer
 * @buf: the buffer
 *
 * Return: the size in bytes, whole pages, even if the buffer is revoked.
 */
size_t shmbuf_size(const struct shmbuf *buf)
{
	return buf->size;
}
EXPORT_SYMBOL_GPL(shmbuf_size);

/**
 * shmbuf_dma_addr() - return the DMA address of a buffer
 * @buf: the buffer
 *
 * Return: the address of the first byte for the device that was passed to
 *	shmbuf_create(), valid until the buffer is revoked; DMA_MAPPING_ERROR if the
 *	buffer is not DMA API memory.
 */
dma_addr_t shmbuf_dma_addr(const struct shmbuf *buf)
{
	return buf->dma;
}
EXPORT_SYMBOL_GPL(shmbuf_dma_addr);

/*
 * Check that the current process may access the memory. The opener of the file needs
 * the capability too: an unprivileged opener may have passed the file to a privileged
 * process as standard output.
 */
int shmbuf_check_access(const struct shmbuf *buf, const struct file *file)
{
	if (shmbuf_revoked(buf))
		return -ENODEV;
	if (!buf->privileged)
		return 0;
	if (!capable(CAP_SYS_RAWIO) ||
	    !file_ns_capable(file, &init_user_ns, CAP_SYS_RAWIO))
		return -EPERM;
	return 0;
}

int shmbuf_vmap_locked(struct shmbuf *buf)
{
	lockdep_assert_held_write(&buf->inode.i_rwsem);
	if (iosys_map_is_null(&buf->map) && buf->ops->vmap)
		return buf->ops->vmap(buf);
	return 0;
}

/**
 * shmbuf_vmap() - return the kernel address of a buffer
 * @buf: the buffer
 *
 * The first call maps a backing whose pages have no common kernel address. The
 * mapping lasts until the buffer is freed.
 *
 * Context: Process context, may sleep.
 * Return: the address, valid as long as the caller's reference to the buffer (for
 *	device memory, only until revocation); NULL if the mapping cannot be
 *	allocated, a page has a memory error, the buffer is revoked, or the memory
 *	is I/O memory.
 */
void *shmbuf_vmap(struct shmbuf *buf)
{
	guard(rwsem_write)(&buf->inode.i_rwsem);
	if (shmbuf_revoked(buf))
		return NULL;
	shmbuf_vmap_locked(buf);
	return buf->map.is_iomem ? NULL : buf->map.vaddr;
}
EXPORT_SYMBOL_GPL(shmbuf_vmap);

/* Record the page frame numbers of a physical range, before the buffer has a file. */
void shmbuf_set_pfns(struct shmbuf *buf, unsigned long pfn)
{
	buf->pfn = pfn;
	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) &&
	    !shmbuf_pgoff_to_pfn(pfn, buf->size, 0, PMD_ORDER, &pfn))
		buf->map_unit = PMD_SIZE;
}

/* A slab constructor: inode_init_once() state persists when objects are reused. */
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
	/* Inodes are freed after a grace period: wait, or the cache is not empty. */
	rcu_barrier();
	kmem_cache_destroy(shmbuf_cache);
	shmbuf_cache = NULL;
}
