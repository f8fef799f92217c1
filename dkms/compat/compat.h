/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an older kernel lacks. Included before each file; driver.mk looks into the
 * kernel's headers and defines COMPAT_NAME if NAME is not there.
 */
#ifndef _SHMBUF_COMPAT_H
#define _SHMBUF_COMPAT_H

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>

#ifndef SHMBUF_MAGIC
#define SHMBUF_MAGIC		0x53484d42
#endif

/* The kernel can have it and not export it. */
#ifdef COMPAT_NO_CONTIG_ALLOC
#undef CONFIG_CONTIG_ALLOC
#endif

/* A namespace without quotes became one with quotes. */
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)	MODULE_INFO(import_ns, ns)

#ifndef kmalloc_obj
#define kmalloc_obj(var, ...) \
	((typeof(var) *)kmalloc(sizeof(var), COMPAT_GFP(__VA_ARGS__)))
#define COMPAT_GFP(...)		(GFP_KERNEL __VA_OPT__(* 0 +) __VA_ARGS__)
#endif
#ifndef kzalloc_obj
#define kzalloc_obj(var)	((typeof(var) *)kzalloc(sizeof(var), GFP_KERNEL))
#endif
#ifndef kvmalloc_objs
#define kvmalloc_objs(var, nr) \
	((typeof(var) *)kvmalloc_array(nr, sizeof(var), GFP_KERNEL))
#endif

#ifdef COMPAT_copy_struct_to_user
static inline int copy_struct_to_user(void __user *dst, size_t usize,
				      const void *src, size_t ksize, bool *ignored)
{
	if (usize > ksize && clear_user(dst + ksize, usize - ksize))
		return -EFAULT;
	return copy_to_user(dst, src, min(usize, ksize)) ? -EFAULT : 0;
}
#endif

#ifdef COMPAT_extensible_ioctl_valid
static inline bool extensible_ioctl_valid(unsigned int cmd, unsigned int known,
					  size_t min_size)
{
	return !((cmd ^ known) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT)) &&
	       _IOC_SIZE(cmd) >= min_size;
}
#endif

#ifndef FD_PREPARE
struct compat_fd {
	int err;
	int fd;
	struct file *file;
};

static inline struct compat_fd compat_fd_end(struct compat_fd f)
{
	f.err = f.fd < 0 ? f.fd : PTR_ERR_OR_ZERO(f.file);
	return f;
}

static inline void compat_fd_release(struct compat_fd *f)
{
	if (f->fd >= 0)
		put_unused_fd(f->fd);
	if (!IS_ERR_OR_NULL(f->file))
		fput(f->file);
}

#define FD_PREPARE(name, flags, expr)					\
	struct compat_fd name __cleanup(compat_fd_release) = ({		\
		struct compat_fd f_ = { .fd = get_unused_fd_flags(flags) }; \
		if (f_.fd >= 0)						\
			f_.file = (expr);				\
		compat_fd_end(f_);					\
	})
#define fd_prepare_fd(name)	((name).fd)

static inline int compat_fd_publish(struct compat_fd *f)
{
	int fd = f->fd;

	fd_install(fd, f->file);
	*f = (struct compat_fd) { .fd = -1 };
	return fd;
}

#define fd_publish(name)	compat_fd_publish(&(name))
#define FD_ADD(flags, expr) ({						\
	FD_PREPARE(add_, flags, expr);					\
	add_.err ?: fd_publish(add_);					\
})
#endif

#ifdef COMPAT_atomic_dec_and_wake_up
static inline bool atomic_dec_and_wake_up(atomic_t *var)
{
	if (!atomic_dec_and_test(var))
		return false;
	smp_mb__after_atomic();
	wake_up_var(var);
	return true;
}
#endif

#ifdef COMPAT_folio_contain_hwpoisoned_page
static inline bool folio_contain_hwpoisoned_page(struct folio *folio)
{
	return folio_test_hwpoison(folio) ||
	       (folio_test_large(folio) && folio_test_has_hwpoisoned(folio));
}
#endif

/* For folios of a page cache, with private data or without. */
#ifdef COMPAT_folio_expected_ref_count
static inline int folio_expected_ref_count(const struct folio *folio)
{
	return (folio->mapping ? folio_nr_pages(folio) : 0) +
	       folio_test_private(folio) + folio_mapcount(folio);
}
#endif

/* mm installs the PMD itself, after it has allocated a page table. */
#ifdef COMPAT_vmf_insert_folio_pmd
static inline vm_fault_t vmf_insert_folio_pmd(struct vm_fault *vmf,
					      struct folio *folio, bool write)
{
	return VM_FAULT_FALLBACK;
}
#endif

#if __has_include(<linux/pfn_t.h>)
#include <linux/pfn_t.h>
#define vmf_insert_pfn_pmd(vmf, pfn, write) \
	vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), write)
#endif

/* Without a provider, a device does not reach the memory of another. */
#ifdef COMPAT_pcim_p2pdma_provider
#define pcim_p2pdma_init(pdev)			(-EOPNOTSUPP)
#define pcim_p2pdma_provider(pdev, bar)		NULL
#endif

/* Importers that can only move their mappings do not promise to give them up. */
#ifdef COMPAT_dma_buf_attach_revocable
#define dma_buf_attach_revocable(attach)	false
#endif
#ifdef COMPAT_dma_buf_invalidate_mappings
#define dma_buf_invalidate_mappings		dma_buf_move_notify
#endif

#ifdef COMPAT_OLD_MMAP
#include "mmap.h"
#endif

#endif /* _SHMBUF_COMPAT_H */
