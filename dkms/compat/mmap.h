/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For kernels that have only ->mmap(): structures that begin with those of the kernel
 * and take their names. With -fplan9-extensions they are accepted in place of those.
 */
struct compat_vm_ops {
	struct vm_operations_struct;
	int (*mapped)(unsigned long start, unsigned long end, pgoff_t pgoff,
		      const struct file *file, void **private_data);
};

struct compat_desc {
	struct file *file;
	unsigned long start, end;
	pgoff_t pgoff;
	struct file *vm_file;
	vm_flags_t vma_flags;
	pgprot_t page_prot;
	const struct compat_vm_ops *vm_ops;
	void *private_data;
};

struct compat_file_ops {
	struct file_operations;
	int (*compat_prepare)(struct compat_desc *desc);
};

#define vm_operations_struct	compat_vm_ops
#define vm_area_desc		compat_desc

#define VMA_WRITE_BIT		VM_WRITE
#define VMA_EXEC_BIT		VM_EXEC
#define VMA_MAYWRITE_BIT	VM_MAYWRITE
#define VMA_MAYEXEC_BIT		VM_MAYEXEC
#define VMA_MAYSHARE_BIT	VM_MAYSHARE
#define VMA_PFNMAP_BIT		VM_PFNMAP
#define VMA_IO_BIT		VM_IO
#define VMA_DONTEXPAND_BIT	VM_DONTEXPAND
#define VMA_DONTDUMP_BIT	VM_DONTDUMP
#define VMA_HUGEPAGE_BIT	VM_HUGEPAGE

#define compat_or(a, b, c, d, ...)	((a) | (b) | (c) | (d))
#define compat_flags(...)	compat_or(__VA_ARGS__, 0, 0, 0)
#define vma_desc_test_any(desc, ...)	(!!((desc)->vma_flags & compat_flags(__VA_ARGS__)))
#define vma_desc_test		vma_desc_test_any
#define vma_desc_set_flags(desc, ...)	((desc)->vma_flags |= compat_flags(__VA_ARGS__))
#define vma_desc_clear_flags(desc, ...)	((desc)->vma_flags &= ~compat_flags(__VA_ARGS__))
#define vma_desc_size(desc)	((desc)->end - (desc)->start)
#define vma_flags_to_legacy(flags)	(flags)
#define vma_is_accessible(vma)	((vma)->vm_flags & VM_ACCESS_FLAGS)

#define compat_set_desc_from_vma	shmbuf_set_desc_from_vma
#define __compat_vma_mmap		shmbuf_complete_mmap
void shmbuf_set_desc_from_vma(struct compat_desc *desc, struct file *file, struct vm_area_struct *vma);
int shmbuf_complete_mmap(struct compat_desc *desc, struct vm_area_struct *vma);
int shmbuf_compat_mmap(struct file *file, struct vm_area_struct *vma);

#ifdef COMPAT_DRIVER
struct shmbuf;

/* These stand in mmap.c. The functions that the driver defines get other names. */
int shmbuf_file_mmap_prepare(struct file *file, struct vm_area_struct *vma);
int shmbuf_coherent_mapped(struct shmbuf *buf, const struct file *file, unsigned long start, unsigned long end, vm_flags_t flags);
#define mmap_prepare			mmap
#define shmbuf_file_mmap_prepare(...)	__maybe_unused unused_prepare(__VA_ARGS__)
#define shmbuf_coherent_mapped(...)	__maybe_unused unused_mapped(__VA_ARGS__)
#else
#define file_operations			compat_file_ops
#define mmap_prepare			mmap = shmbuf_compat_mmap, .compat_prepare
#endif
