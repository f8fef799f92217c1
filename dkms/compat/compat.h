/* SPDX-License-Identifier: GPL-2.0-only */
/* Included before each file. If the kernel's headers lack NAME, driver.mk defines COMPAT_NAME. */
#ifndef _SHMBUF_COMPAT_H
#define _SHMBUF_COMPAT_H

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>

#define SHMBUF_MAGIC	0x53484d42

/* As init_pseudo() of newer kernels. */
#define init_pseudo(fc, magic) \
	((fc)->s_iflags |= SB_I_NOEXEC | SB_I_NODEV, init_pseudo(fc, magic))

/* The kernel may have it, and not export it. */
#ifdef COMPAT_NO_CONTIG_ALLOC
#undef CONFIG_CONTIG_ALLOC
#endif

/* Until 6.12 the macro added the quotation marks. */
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)	MODULE_INFO(import_ns, ns)

#ifndef kmalloc_obj
#define kmalloc_obj(var, gfp)	((typeof(var) *)kmalloc(sizeof(var), gfp))
#define kzalloc_obj(var)	((typeof(var) *)kzalloc(sizeof(var), GFP_KERNEL))
#define kvmalloc_objs(var, nr)	((typeof(var) *)kvmalloc_array(nr, sizeof(var), GFP_KERNEL))
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
#define extensible_ioctl_valid(cmd, known, min_size) \
	(!(((cmd) ^ (known)) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT)) && \
	 _IOC_SIZE(cmd) >= (min_size))
#endif

#ifndef FD_PREPARE
struct compat_fd {
	int err, fd;
	struct file *file;
};

static inline void compat_fd_release(struct compat_fd *f)
{
	if (f->fd >= 0)
		put_unused_fd(f->fd);
	if (!IS_ERR_OR_NULL(f->file))
		fput(f->file);
}

#define FD_PREPARE(f, flags, expr)					\
	struct compat_fd f __cleanup(compat_fd_release) =		\
		{ .fd = get_unused_fd_flags(flags) };			\
	f.file = f.fd < 0 ? ERR_PTR(f.fd) : (expr);			\
	f.err = PTR_ERR_OR_ZERO(f.file)
#define fd_prepare_fd(f)	((f).fd)
#define fd_publish(f) ({						\
	int fd_ = (f).fd;						\
	fd_install(fd_, (f).file);					\
	(f) = (struct compat_fd) { .fd = -1 };				\
	fd_;								\
})
#define FD_ADD(flags, expr) \
	({ FD_PREPARE(f_, flags, expr); f_.err ?: fd_publish(f_); })
#endif

#ifdef COMPAT_atomic_dec_and_wake_up
#define atomic_dec_and_wake_up(var) \
	do { if (atomic_dec_and_test(var)) wake_up_var(var); } while (0)
#endif

#ifdef COMPAT_folio_contain_hwpoisoned_page
#define folio_contain_hwpoisoned_page(folio) \
	(folio_test_hwpoison(folio) || \
	 (folio_test_large(folio) && folio_test_has_hwpoisoned(folio)))
#endif

/* For folios that are, or were, in a page cache. */
#ifdef COMPAT_folio_expected_ref_count
#define folio_expected_ref_count(folio) \
	((int)((folio)->mapping ? folio_nr_pages(folio) : 0) + \
	 folio_test_private(folio) + folio_mapcount(folio))
#endif

/* mm installs the PMD itself, after it has allocated a page table. */
#ifdef COMPAT_vmf_insert_folio_pmd
#define vmf_insert_folio_pmd(vmf, folio, write)	VM_FAULT_FALLBACK
#endif

#if __has_include(<linux/pfn_t.h>)
#include <linux/pfn_t.h>
#define vmf_insert_pfn_pmd(vmf, pfn, write) \
	vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), write)
#endif

/* Without a provider, devices do not reach the memory of another device. */
#ifdef COMPAT_pcim_p2pdma_provider
#define pcim_p2pdma_init(pdev)			(-EOPNOTSUPP)
#define pcim_p2pdma_provider(pdev, bar)		NULL
#endif

/* An importer that can move a mapping does not promise to give it up. */
#ifdef COMPAT_dma_buf_invalidate_mappings
#define dma_buf_attach_revocable(attach)	false
#define dma_buf_invalidate_mappings		dma_buf_move_notify
#endif

#ifdef COMPAT_OLD_MMAP
#include "mmap.h"
#endif

#endif
