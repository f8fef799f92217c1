/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internals of the shmbuf driver. The Makefile lists its files in the order of the
 * layers: a file calls only functions of files before it.
 */
#ifndef _SHMBUF_H
#define _SHMBUF_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/shmbuf.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

struct device;
struct p2pdma_provider;
struct shmbuf_dmabuf;
struct user_struct;

/**
 * struct shmbuf_backing - one kind of memory behind a buffer
 * @name: name for users
 * @backing: SHMBUF_BACKING_*
 * @caches: BIT(SHMBUF_CACHE_*) of each cache attribute that can be honoured
 * @pinnable: has SHMBUF_CAP_PINNABLE
 * @exportable: the kernel mapping is one of struct pages, for a DMA-BUF
 * @of_device: the memory belongs to the device. Revocation frees the memory, and
 *	faults, read(), write() and SYNC access the memory under the invalidate lock.
 * @vm_ops: operations of each VMA, with shmbuf_vma_mapped(), _open() and _close()
 * @alloc: allocate zeroed memory for the whole buffer from the node, or from any
 *	node with NUMA_NO_NODE, and set map_unit, pfn and map as far as they
 *	apply. If @alloc fails, @free frees the partial allocation. NULL for existing
 *	memory, which is not charged.
 * @free: free the memory that @alloc allocated, even if @alloc failed or never ran.
 *	Called when the memory is no longer in use. Called twice with @of_device.
 * @prepare: the part of ->mmap_prepare() that depends on the backing
 * @mapped: called when a VMA has been inserted and counted, with the flags that
 *	mmap() asked for; see shmbuf_find_new_vma(). If @mapped fails, the caller
 *	drops the count. NULL if not needed.
 * @copy: copy between the buffer at @pos and @iter, in the direction of @iter.
 *	@iter is not empty and fits. Returns the bytes copied (fewer on a fault)
 *	or a negative errno.
 * @vmap: set map. Called once, and only if @alloc did not set map. NULL if not
 *	possible.
 * @sync: transfer a range to the CPU, or with @end back to the device; NULL if
 *	not needed
 * @in_use: true if a device or the kernel may still write to the memory through
 *	pins from a removed mapping. With @settle, drop references of mm for the
 *	next call. NULL if not possible.
 * @fence: wait for faults that began before i_size became 0; NULL if the
 *	invalidate lock does that
 */
struct shmbuf_backing {
	const char *name;
	u32 backing;
	u32 caches;
	bool pinnable;
	bool exportable;
	bool of_device;
	const struct vm_operations_struct *vm_ops;
	int (*alloc)(struct shmbuf *buf, int numa_node);
	void (*free)(struct shmbuf *buf);
	void (*prepare)(struct shmbuf *buf, struct vm_area_desc *desc);
	int (*mapped)(struct shmbuf *buf, const struct file *file,
		      unsigned long start, unsigned long end, vm_flags_t flags);
	ssize_t (*copy)(struct shmbuf *buf, loff_t pos, struct iov_iter *iter);
	int (*vmap)(struct shmbuf *buf);
	void (*sync)(struct shmbuf *buf, size_t offset, size_t len,
		     enum dma_data_direction dir, bool end);
	bool (*in_use)(struct shmbuf *buf, bool settle);
	void (*fence)(struct shmbuf *buf);
};

/*
 * Locking. A buffer has five locks, taken in this order:
 *
 * - inode->i_rwsem serialises kernel mapping, sealing, export and revocation;
 * - the reservation lock of the DMA-BUF protects the mappings of importers;
 * - mapping->invalidate_lock protects page tables with PFNs: a PFN fault checks for
 *   revocation with the lock held shared. Revocation, which zaps the page tables,
 *   holds the lock exclusively, and so does a fault that installs a PTE where another
 *   thread could install a PMD. The lock also protects device memory, which
 *   revocation frees: read(), write() and SYNC of such memory hold it shared;
 * - the folio lock protects page tables with folios: a fault checks i_size, which
 *   revocation sets to 0 before it locks each folio once;
 * - shmbuf->lock protects the counts, the seals, the switch of i_size to 0, and
 *   the sequence that a file has seen. shmbuf->lock is a leaf lock, and is never held
 *   while user memory is accessed.
 *
 * mmap_lock comes after i_rwsem and before the others, as faults take it. The
 * notification sequence is atomic and takes no lock, so that an interrupt handler
 * can signal.
 */

/**
 * struct shmbuf - a buffer
 * @inode: identity and lifetime: a buffer file holds a reference, and a mapping
 *	holds its file. i_size is @size, or 0 once the buffer is revoked.
 * @size: size in bytes, whole pages
 * @ops: backing
 * @cache: SHMBUF_CACHE_*
 * @name: for humans, NUL-terminated and padded with NUL
 * @dev: device that the memory belongs to, with @of_device
 * @dma: DMA address for @dev, or DMA_MAPPING_ERROR
 * @user: charged for the memory (RLIMIT_MEMLOCK), or NULL
 * @map_unit: largest size in bytes that one PTE or PMD may map, as of allocation
 * @pfn: page frame number of the first page of a physical range
 * @small_folios: memory was fragmented when PAGES allocated the last folio
 * @privileged: only for processes with CAP_SYS_RAWIO
 * @signal_device: pass a signal on to @dev, or NULL
 * @provider: P2PDMA provider of a region that other devices reach, or NULL
 * @map: kernel mapping of the whole buffer; with @vmap, null until shmbuf_vmap()
 * @dmabuf: exported DMA-BUF, or NULL; protected by i_rwsem
 * @lock: protects the following fields up to @sequence
 * @mappings: VMAs of the buffer
 * @writable_mappings: VMAs of the buffer that have VM_MAYWRITE
 * @writers: write() calls in progress, plus 1 for a DMA-BUF
 * @seals: SHMBUF_SEAL_* in force
 * @sealing: a write seal is being added, new writers must not start
 * @sequence: signals so far
 * @wait: waiters for the next signal
 *
 * Fields without a lock are constant once the buffer has a file.
 */
struct shmbuf {
	struct inode inode;
	size_t size;
	const struct shmbuf_backing *ops;
	u32 cache;
	u8 name[SHMBUF_NAME_LEN];

	struct device *dev;
	dma_addr_t dma;
	struct user_struct *user;
	unsigned long map_unit;
	unsigned long pfn;
	bool small_folios;
	bool privileged;
	void (*signal_device)(struct device *dev);
	struct p2pdma_provider *provider;
	struct iosys_map map;
	struct shmbuf_dmabuf *dmabuf;

	spinlock_t lock;	/* the following fields up to sequence */
	unsigned int mappings;
	unsigned int writable_mappings;
	unsigned int writers;
	u32 seals;
	bool sealing;

	atomic64_t sequence;
	wait_queue_head_t wait;
};

/*
 * Reliable if i_rwsem, the invalidate lock or shmbuf->lock is held. Otherwise, the
 * result is a hint.
 */
static inline bool shmbuf_revoked(const struct shmbuf *buf)
{
	return !i_size_read(&buf->inode);
}

/* Use f_mapping as mm does: a named node's own inode is not the buffer inode. */
static inline struct shmbuf *shmbuf_of_file(const struct file *file)
{
	return container_of(file->f_mapping->host, struct shmbuf, inode);
}

/* core.c */
int shmbuf_core_init(void);
void shmbuf_core_exit(void);
struct shmbuf *shmbuf_alloc(const struct shmbuf_backing *ops, size_t size,
			    const struct shmbuf_create *args,
			    struct device *dev);
void shmbuf_free_memory(struct shmbuf *buf);
extern struct vfsmount *shmbuf_mnt;
#if IS_ENABLED(CONFIG_KUNIT)
extern atomic_t shmbuf_mnt_pins;
#endif
struct shmbuf *shmbuf_get(struct shmbuf *buf);
int shmbuf_pin_mount(void);
void shmbuf_unpin_mount(void);
const char *shmbuf_cache_name(u32 cache);
int shmbuf_find_cache(const char *name);
int shmbuf_vmap_locked(struct shmbuf *buf);
int shmbuf_check_access(const struct shmbuf *buf, const struct file *file);
void shmbuf_set_pfns(struct shmbuf *buf, unsigned long pfn);

/* Fail rather than invoke the OOM killer. */
#define SHMBUF_DMA_GFP	(GFP_USER | __GFP_ACCOUNT | __GFP_NOWARN | \
			 __GFP_RETRY_MAYFAIL)

/* device.c */
bool shmbuf_can_dma(struct device *dev, int numa_node);
ssize_t shmbuf_device_copy(struct shmbuf *buf, loff_t pos,
			   struct iov_iter *iter);

/* A thread with THP disabled (PR_SET_THP_DISABLE) may have installed a page table. */
static inline bool shmbuf_has_page_table(const struct vm_fault *vmf)
{
	pmd_t pmd = pmdp_get_lockless(vmf->pmd);

	return !pmd_none(pmd) && !pmd_trans_huge(pmd);
}

/* A single-page fault also installs the following PTEs, up to a multiple of this. */
#define SHMBUF_PTES_AROUND	max(PAGE_SIZE, SZ_64K)

/* A huge fault also installs the following PMDs, up to a multiple of this. */
#define SHMBUF_FAULT_AROUND	SZ_16M

/* mmap.c */
struct vm_area_struct *shmbuf_find_new_vma(const struct file *file,
					   unsigned long start,
					   vm_flags_t flags);
int shmbuf_vma_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
		      const struct file *file, void **vm_private_data);
void shmbuf_vma_open(struct vm_area_struct *vma);
void shmbuf_vma_close(struct vm_area_struct *vma);
int shmbuf_prepare_mapping(struct shmbuf *buf, struct vm_area_desc *desc);

/* pfn.c */
extern const struct vm_operations_struct shmbuf_pfn_vm_ops;
pgprot_t shmbuf_accessed_prot(const struct vm_area_struct *vma, bool write);
void shmbuf_prepare_pfns(struct shmbuf *buf, struct vm_area_desc *desc);
int shmbuf_populate_pfns(struct shmbuf *buf, const struct file *file,
			 unsigned long start, unsigned long end,
			 vm_flags_t flags);
int shmbuf_map_pfns(struct shmbuf *buf, const struct file *file,
		    unsigned long start, unsigned long end, vm_flags_t flags);
int shmbuf_vma_access(struct vm_area_struct *vma, unsigned long addr,
		      void *data, int len, int write);

/* pages.c */
extern const struct shmbuf_backing shmbuf_pages;
#if IS_ENABLED(CONFIG_KUNIT)
struct folio *shmbuf_alloc_folio(unsigned int order, int numa_node);
#endif

/* contig.c */
extern const struct shmbuf_backing shmbuf_contig;

/* coherent.c */
extern const struct shmbuf_backing shmbuf_coherent;

/* stream.c */
extern const struct shmbuf_backing shmbuf_stream;
#if IS_ENABLED(CONFIG_KUNIT)
void shmbuf_stream_sync(struct shmbuf *buf, size_t offset, size_t len,
			enum dma_data_direction dir, bool end);
#endif

/* region.c */
#if IS_ENABLED(CONFIG_KUNIT)
int shmbuf_map_region(struct shmbuf *buf);
#endif

/* seal.c */
int shmbuf_seal(struct shmbuf *buf, u32 seals);
int shmbuf_begin_write(struct shmbuf *buf);
void shmbuf_end_write(struct shmbuf *buf);

/* notify.c */
void shmbuf_watch(struct shmbuf *buf, struct file *file);
void shmbuf_wake(struct shmbuf *buf, __poll_t events);
u64 shmbuf_ack(struct shmbuf *buf, struct file *file, u64 *count);
int shmbuf_wait(struct shmbuf *buf, struct file *file);
void shmbuf_signal_device(struct shmbuf *buf);
__poll_t shmbuf_poll(struct file *file, struct poll_table_struct *wait);

/* dmabuf.c */
#ifdef CONFIG_DMA_SHARED_BUFFER
struct file *shmbuf_export_file(struct shmbuf *buf);
void shmbuf_revoke_export(struct shmbuf *buf);
#else
static inline struct file *shmbuf_export_file(struct shmbuf *buf)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void shmbuf_revoke_export(struct shmbuf *buf) { }
#endif

/* debug.c */
#ifdef CONFIG_DEBUG_FS
void shmbuf_debug_init(struct device *dev);
void shmbuf_debug_exit(void);
#else
static inline void shmbuf_debug_init(struct device *dev) { }
static inline void shmbuf_debug_exit(void) { }
#endif

/* file.c */
struct file *shmbuf_open_file(struct shmbuf *buf, int flags);
int shmbuf_open_named(struct shmbuf *buf, struct file *file);

/* publish.c */
bool shmbuf_name_valid(const char *name);

/* create.c */
int shmbuf_find_backing(const char *name);
long shmbuf_ioctl_create(struct device *dev, void __user *uarg, size_t usize);

/* node.c */
#if IS_ENABLED(CONFIG_KUNIT)
extern const struct file_operations shmbuf_node_ops;
struct shmbuf *shmbuf_publish_spec(char *spec, struct device *dev);
#endif

#endif /* _SHMBUF_H */
