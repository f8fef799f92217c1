/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internals of the shmbuf driver. The layers, each of which may call those above
 * it in this list only: geometry, core, device, the backings, seal, notify,
 * revoke, mmap, debug, file, publish, node.
 */
#ifndef _SHMBUF_H
#define _SHMBUF_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/shmbuf.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

struct device;
struct user_struct;

/* How userspace maps a backing. */
enum shmbuf_mapping {
	SHMBUF_MAP_FOLIOS,	/* from the page cache of the inode, by mm */
	SHMBUF_MAP_PFNS,	/* one range of page frame numbers, from pfn on */
	SHMBUF_MAP_AT_ONCE,	/* whole VMAs, by the backing */
};

/**
 * struct shmbuf_backing - one kind of memory behind a buffer
 * @name: what people call it
 * @caches: BIT(SHMBUF_CACHE_*) of each cache attribute that can be honoured
 * @capabilities: SHMBUF_CAP_* that each buffer of it has to begin with
 * @mapping: how userspace maps it
 * @of_device: the memory is the device's and goes away with it: it is freed when
 *	the buffer is revoked, and processes reach it only under the invalidate
 *	lock
 * @io: mapped as I/O memory (VM_IO)
 * @alloc: get zeroed memory for the whole buffer from the node, or from any
 *	with NUMA_NO_NODE, and set map_unit, pfn and vaddr as far as they
 *	apply; undoing it on failure is up to @free. NULL for memory that is
 *	there already, which is charged to nobody.
 * @free: give back what @alloc got, also when that was cut short or never ran;
 *	called when nothing can reach the memory any more, twice with @of_device
 * @map: map all of a VMA, for SHMBUF_MAP_AT_ONCE
 * @copy: copy between the buffer at @pos and @iter, in the direction of @iter,
 *	which is not empty and fits; returns the bytes copied, less on a fault,
 *	or a negative errno
 * @vmap: set vaddr, called once and only when @alloc did not; NULL when that
 *	cannot be
 * @sync: hand a range over to the CPU, or with @end back to the device; NULL when
 *	that is never needed
 * @in_use: may a device or the kernel write to the memory on behalf of a
 *	mapping that is gone? With @settle, what only mm uses is given back for
 *	the next look. NULL when that cannot be.
 * @fence: wait for faults that began before i_size became 0; for
 *	SHMBUF_MAP_FOLIOS
 */
struct shmbuf_backing {
	const char *name;
	u32 caches;
	u32 capabilities;
	enum shmbuf_mapping mapping;
	bool of_device;
	bool io;
	int (*alloc)(struct shmbuf *buf, int numa_node);
	void (*free)(struct shmbuf *buf);
	int (*map)(struct shmbuf *buf, struct vm_area_struct *vma);
	ssize_t (*copy)(struct shmbuf *buf, loff_t pos, struct iov_iter *iter);
	int (*vmap)(struct shmbuf *buf);
	void (*sync)(struct shmbuf *buf, size_t offset, size_t len,
		     enum dma_data_direction dir, bool end);
	bool (*in_use)(struct shmbuf *buf, bool settle);
	void (*fence)(struct shmbuf *buf);
};

/**
 * struct shmbuf - a buffer
 * @inode: its identity and its lifetime: the buffer lives as long as the inode
 *	has a reference. Each file of the buffer holds one, and with the file
 *	each mapping does. i_size is @size, or 0 once the buffer is revoked.
 * @size: its size in bytes, whole pages
 * @ops: what the buffer is made of
 * @backing: SHMBUF_BACKING_* of @ops
 * @cache: SHMBUF_CACHE_*
 * @capabilities: SHMBUF_CAP_* that do not change
 * @name: for humans, NUL-terminated and padded with NUL
 * @dev: whose memory it is, with @of_device
 * @dma: its address for @dev, or DMA_MAPPING_ERROR
 * @user: who is charged for the memory (RLIMIT_MEMLOCK), or NULL
 * @map_unit: bytes of the largest unit that a page table entry may map, as the
 *	memory was when it was got
 * @pfn: page frame number of the first page, with SHMBUF_MAP_PFNS
 * @privileged: only for processes with CAP_SYS_RAWIO
 * @is_ram: a region that is memory of the kernel
 * @by_program: a program made it, not a driver
 * @signal_device: passes a signal on to the device, or NULL
 * @signal_data: for @signal_device
 * @vaddr: kernel address of the whole buffer; NULL until it is asked for, see
 *	shmbuf_vmap()
 * @iomem: the same where it is I/O memory, which has no @vaddr
 * @mutex: makes @vaddr be set once, seals be added one after the other, and
 *	nothing of this happen while the buffer is revoked
 * @lock: protects the counts and the seals, and what a file has seen of the
 *	sequence; a leaf, taken under
 *	mmap_lock, never held while user memory is accessed
 * @mappings: VMAs of the buffer
 * @writable_mappings: those of them that have VM_MAYWRITE
 * @writers: write()s under way
 * @seals: SHMBUF_SEAL_* in force
 * @sealing: a write seal is being added, nobody may begin to write
 * @revoked: the buffer is no more, for processes; never goes back to false
 * @sequence: signals so far
 * @wait: who waits for the next one
 *
 * Everything but @vaddr, what @lock protects, and what revocation takes away, is
 * constant once the buffer has a file.
 */
struct shmbuf {
	struct inode inode;
	size_t size;
	const struct shmbuf_backing *ops;
	u32 backing;
	u32 cache;
	u32 capabilities;
	u8 name[SHMBUF_NAME_LEN];

	struct device *dev;
	dma_addr_t dma;
	struct user_struct *user;
	unsigned long map_unit;
	unsigned long pfn;
	bool privileged;
	bool is_ram;
	bool by_program;
	void (*signal_device)(void *data);
	void *signal_data;
	void *vaddr;
	void __iomem *iomem;
	struct mutex mutex;	/* setting vaddr, adding seals, revoking */

	spinlock_t lock;	/* all that follows */
	unsigned int mappings;
	unsigned int writable_mappings;
	unsigned int writers;
	u32 seals;
	bool sealing;
	bool revoked;

	atomic64_t sequence;	/* signals so far, without @lock */
	wait_queue_head_t wait;
};

/*
 * For a quick answer. Who must not miss it looks again under the lock, under
 * the invalidate lock of the mapping, or at i_size with the folio locked.
 */
static inline bool shmbuf_revoked(const struct shmbuf *buf)
{
	return READ_ONCE(buf->revoked);
}

/* By f_mapping, which is also what mm uses for a mapping of the file. */
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
#if IS_ENABLED(CONFIG_KUNIT)
extern int shmbuf_mnt_count;
#endif
struct shmbuf *shmbuf_get(struct shmbuf *buf);
int shmbuf_pin_mount(void);
void shmbuf_unpin_mount(void);
struct super_block *shmbuf_sb(void);
const char *shmbuf_cache_name(u32 cache);
int shmbuf_find_cache(const char *name);
struct file *shmbuf_alloc_file(struct shmbuf *buf,
			       const struct file_operations *fops);

int shmbuf_check_access(const struct file *file);
void shmbuf_set_pfns(struct shmbuf *buf, unsigned long pfn);

/*
 * Without a hardware-managed accessed or dirty flag, the first access to a PTE
 * that is not accessed, and the first write to a PTE that is not dirty, fault.
 */
static inline pgprot_t shmbuf_accessed_prot(const struct vm_area_struct *vma,
					    bool write)
{
	pte_t pte = pte_mkyoung(pfn_pte(0, vma->vm_page_prot));

	/* The PTE of PROT_NONE has an inverted PFN on x86, against L1TF. */
	if (!vma_is_accessible(vma))
		return vma->vm_page_prot;
	/* MIPS XPA has the cache attribute in the high half of a PTE. */
	if (sizeof(pte_val(pte)) > sizeof(pgprot_t))
		return vma->vm_page_prot;
	if (write)
		pte = pte_mkdirty(pte);
	return __pgprot(pte_val(pte));
}

/* To fail is better than to kill somebody to get the memory. */
#define SHMBUF_DMA_GFP	(GFP_USER | __GFP_ACCOUNT | __GFP_NOWARN | \
			 __GFP_RETRY_MAYFAIL)

/* device.c */
bool shmbuf_can_dma(struct device *dev, int numa_node);
ssize_t shmbuf_device_copy(struct shmbuf *buf, loff_t pos,
			   struct iov_iter *iter);

/*
 * Somebody who may not use huge pages (PR_SET_THP_DISABLE) can have filled the
 * entry that a huge fault is about.
 */
static inline bool shmbuf_has_page_table(const struct vm_fault *vmf)
{
	pmd_t pmd = pmdp_get_lockless(vmf->pmd);

	return !pmd_none(pmd) && !pmd_trans_huge(pmd);
}

/* And somebody who may can have filled what a fault for a page is about. */
static inline bool shmbuf_has_huge_entry(const struct vm_fault *vmf)
{
	return pmd_trans_huge(pmdp_get_lockless(vmf->pmd));
}

/*
 * The entries after the one of a huge fault are filled with it, up to the next
 * multiple of this in addresses: the memory is there, and a fault costs much more
 * than an entry. They are all in one page of entries.
 */
#define SHMBUF_FAULT_AROUND	SZ_16M

void shmbuf_signal_device(struct shmbuf *buf);

/* pages.c */
extern const struct shmbuf_backing shmbuf_pages;
#if IS_ENABLED(CONFIG_KUNIT)
struct folio *shmbuf_alloc_folio(unsigned int order, int numa_node);
#endif
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
vm_fault_t shmbuf_pages_huge_fault(struct vm_fault *vmf, unsigned int order);
#else
#define shmbuf_pages_huge_fault	NULL
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
u64 shmbuf_ack(struct shmbuf *buf, struct file *file, u64 *count);
__poll_t shmbuf_poll(struct file *file, struct poll_table_struct *wait);

/* debug.c */
#ifdef CONFIG_DEBUG_FS
void shmbuf_debug_init(void);
void shmbuf_debug_exit(void);
#else
static inline void shmbuf_debug_init(void) { }
static inline void shmbuf_debug_exit(void) { }
#endif

/* file.c */
struct file *shmbuf_create_file(struct shmbuf_create *args, struct device *dev);
struct file *shmbuf_open_file(struct shmbuf *buf);
int shmbuf_open_named(struct shmbuf *buf, struct file *file);
int shmbuf_find_backing(const char *name);

/* publish.c */
int shmbuf_publish_list(const char *list, struct device *dev,
			const void *owner);
void shmbuf_unpublish_list(const void *owner);

/* node.c */
#if IS_ENABLED(CONFIG_KUNIT)
extern const struct file_operations shmbuf_node_ops;
#endif

#endif /* _SHMBUF_H */
