/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internals of the shmbuf driver. The layers, each of which may call those above
 * it in this list only: geometry, core, the backings, seal, notify, mmap,
 * file, node.
 */
#ifndef _SHMBUF_H
#define _SHMBUF_H

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <uapi/linux/shmbuf.h>

struct shmbuf;
struct user_struct;
struct vm_area_desc;
struct vm_fault;

/* How userspace maps a backing. */
enum shmbuf_mapping {
	SHMBUF_MAP_FOLIOS,	/* from the page cache of the inode, by mm */
	SHMBUF_MAP_PFNS,	/* one range of page frame numbers, from pfn on */
};

/**
 * struct shmbuf_backing - one kind of memory behind a buffer
 * @caches: BIT(SHMBUF_CACHE_*) of each cache attribute that can be honoured
 * @capabilities: SHMBUF_CAP_* that each buffer of it has
 * @mapping: how userspace maps it
 * @alloc: get zeroed memory for the whole buffer from the node, or from any
 *	with NUMA_NO_NODE, and set map_unit, pfn and vaddr as far as they
 *	apply; undoing it on failure is up to @free
 * @free: give back what @alloc got, also when that was cut short or never ran;
 *	called once, when nothing can reach the buffer any more
 * @copy: copy between the buffer at @pos and @iter, in the direction of @iter,
 *	which is not empty and fits; returns the bytes copied, less on a fault,
 *	or a negative errno
 * @vmap: set vaddr, called once and only when @alloc did not
 * @in_use: may a device or the kernel write to the memory on behalf of a
 *	mapping that is gone? NULL when that cannot be.
 */
struct shmbuf_backing {
	u32 caches;
	u32 capabilities;
	enum shmbuf_mapping mapping;
	int (*alloc)(struct shmbuf *buf, int numa_node);
	void (*free)(struct shmbuf *buf);
	ssize_t (*copy)(struct shmbuf *buf, loff_t pos, struct iov_iter *iter);
	int (*vmap)(struct shmbuf *buf);
	bool (*in_use)(struct shmbuf *buf);
};

/**
 * struct shmbuf - a buffer
 * @inode: its identity, its size (i_size, never changes) and its lifetime: the
 *	buffer lives as long as the inode has a reference. Each file of the
 *	buffer holds one, and with the file each mapping does.
 * @ops: what the buffer is made of
 * @backing: SHMBUF_BACKING_* of @ops
 * @cache: SHMBUF_CACHE_*
 * @name: for humans, NUL-terminated and padded with NUL
 * @user: who is charged for the memory (RLIMIT_MEMLOCK), or NULL
 * @map_unit: bytes of the largest unit that a page table entry may map, as the
 *	memory was when it was got
 * @pfn: page frame number of the first page, with SHMBUF_MAP_PFNS
 * @vaddr: kernel address of the whole buffer; NULL until it is asked for, see
 *	shmbuf_vmap()
 * @mutex: makes @vaddr be set once, and seals be added one after the other
 * @lock: protects the counts, the seals and the sequence; a leaf, taken under
 *	mmap_lock, never held while user memory is accessed
 * @mappings: VMAs of the buffer
 * @writable_mappings: those of them that have VM_MAYWRITE
 * @writers: write()s under way
 * @seals: SHMBUF_SEAL_* in force
 * @sealing: a write seal is being added, nobody may begin to write
 * @sequence: signals so far
 * @wait: who waits for the next one
 *
 * Everything but @vaddr and what @lock protects is constant once the buffer has
 * a file.
 */
struct shmbuf {
	struct inode inode;
	const struct shmbuf_backing *ops;
	u32 backing;
	u32 cache;
	u8 name[SHMBUF_NAME_LEN];

	struct user_struct *user;
	unsigned long map_unit;
	unsigned long pfn;
	void *vaddr;
	struct mutex mutex;	/* setting vaddr, adding seals */

	spinlock_t lock;	/* all that follows */
	unsigned int mappings;
	unsigned int writable_mappings;
	unsigned int writers;
	u32 seals;
	bool sealing;
	u64 sequence;
	wait_queue_head_t wait;
};

static inline size_t shmbuf_size(const struct shmbuf *buf)
{
	return i_size_read(&buf->inode);
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
			    const struct shmbuf_create *args);
void shmbuf_put(struct shmbuf *buf);
int shmbuf_pin_mount(void);
void shmbuf_unpin_mount(void);
struct file *shmbuf_alloc_file(struct shmbuf *buf,
			       const struct file_operations *fops);

void *shmbuf_vmap(struct shmbuf *buf);

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

/* seal.c */
int shmbuf_seal(struct shmbuf *buf, u32 seals);
int shmbuf_begin_write(struct shmbuf *buf);
void shmbuf_end_write(struct shmbuf *buf);

/* notify.c */
void shmbuf_watch(struct shmbuf *buf, struct file *file);
u64 shmbuf_signal(struct shmbuf *buf);
u64 shmbuf_ack(struct shmbuf *buf, struct file *file, u64 *count);
__poll_t shmbuf_poll(struct file *file, struct poll_table_struct *wait);

/* mmap.c */
int shmbuf_mmap_prepare(struct vm_area_desc *desc);

/* file.c */
struct file *shmbuf_create_file(struct shmbuf_create *args);

#endif /* _SHMBUF_H */
