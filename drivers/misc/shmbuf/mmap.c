// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer mappings: checks and counts.
 *
 * ->mmap_prepare() only describes a mapping and does not keep state, because mmap()
 * may fail after it. A mapping counts from ->mapped() on, which runs once the VMA
 * exists. ->mmap_prepare() stores the VMA flags in vm_private_data, and ->mapped()
 * replaces the flags with the buffer. mm keeps the buffer only if ->mapped() succeeds,
 * but may call ->close() in either case. A VMA therefore counts if its
 * vm_private_data is the buffer.
 *
 * mm may extend a VMA, but never merges a VMA with ->close() into another. The
 * number of VMAs therefore changes only in ->mapped(), ->open() and ->close().
 */

#include <kunit/visibility.h>
#include <linux/errno.h>
#include <linux/export.h>

#include "geometry.h"
#include "shmbuf.h"
#include "trace.h"

static int count_new_mapping(struct shmbuf *buf, bool writable)
{
	guard(spinlock)(&buf->lock);
	if (shmbuf_revoked(buf))
		return -ENODEV;
	/* Sealed since ->mmap_prepare() ran, or a write seal is being added. */
	if (writable && (buf->sealing || (buf->seals & SHMBUF_SEAL_WRITE)))
		return -EAGAIN;
	WRITE_ONCE(buf->mappings, buf->mappings + 1);
	buf->writable_mappings += writable;
	trace_shmbuf_map(buf);
	return 0;
}

/* Adjust the counts when a VMA is duplicated or removed. */
static void count_mapping(struct shmbuf *buf, int change, bool writable)
{
	guard(spinlock)(&buf->lock);
	WRITE_ONCE(buf->mappings, buf->mappings + change);
	buf->writable_mappings += writable ? change : 0;
	if (change > 0)
		trace_shmbuf_map(buf);
	else
		trace_shmbuf_unmap(buf);
}

/*
 * Find the VMA whose ->mapped() is running, for a backing that installs PTEs. Return
 * NULL if a driver's ->mmap() forwards to ->mmap_prepare(): the new VMA is not inserted
 * yet. A VMA that MAP_FIXED replaces is still in the tree, but does not have the
 * private data of the new VMA.
 */
struct vm_area_struct *shmbuf_find_new_vma(const struct file *file,
					   unsigned long start,
					   vm_flags_t flags)
{
	struct vm_area_struct *vma;

	mmap_assert_write_locked(current->mm);
	vma = vma_lookup(current->mm, start);
	if (!vma || vma->vm_file != file ||
	    vma->vm_private_data != (void *)flags)
		return NULL;
	return vma;
}

/* ->mapped() of every backing. */
int shmbuf_vma_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
		      const struct file *file, void **vm_private_data)
{
	vm_flags_t flags = (unsigned long)*vm_private_data;
	struct shmbuf *buf = shmbuf_of_file(file);
	bool writable = flags & VM_MAYWRITE;
	int err;

	err = count_new_mapping(buf, writable);
	if (err)
		return err;
	if (buf->ops->mapped) {
		err = buf->ops->mapped(buf, file, start, end, flags);
		if (err) {
			count_mapping(buf, -1, writable);
			return err;
		}
	}
	*vm_private_data = buf;
	return 0;
}

static bool is_counted(const struct vm_area_struct *vma)
{
	return vma->vm_private_data == shmbuf_of_file(vma->vm_file);
}

/* ->open() of every backing: a VMA was split, or copied by fork() or mremap(). */
void shmbuf_vma_open(struct vm_area_struct *vma)
{
	if (is_counted(vma))
		count_mapping(vma->vm_private_data, 1,
			      vma->vm_flags & VM_MAYWRITE);
}

/* ->close() of every backing. */
void shmbuf_vma_close(struct vm_area_struct *vma)
{
	if (is_counted(vma))
		count_mapping(vma->vm_private_data, -1,
			      vma->vm_flags & VM_MAYWRITE);
}

/**
 * shmbuf_mappings() - return the number of mappings of a buffer
 * @buf: the buffer
 *
 * A mapping counts from the end of mmap() on. To replace a buffer that is not
 * mapped, use shmbuf_revoke_unmapped().
 *
 * Return: the number of VMAs, which may have changed already.
 */
unsigned int shmbuf_mappings(const struct shmbuf *buf)
{
	return READ_ONCE(buf->mappings);
}
EXPORT_SYMBOL_GPL(shmbuf_mappings);

static int check_mapping(struct shmbuf *buf, const struct vm_area_desc *desc)
{
	int err;

	err = shmbuf_check_access(buf, desc->file);
	if (err)
		return err;
	/* A private copy of a page would miss later stores to the buffer. */
	if (!vma_desc_test(desc, VMA_MAYSHARE_BIT) &&
	    vma_desc_test_any(desc, VMA_WRITE_BIT, VMA_MAYWRITE_BIT))
		return -EINVAL;
	/* mm refuses PROT_EXEC only on a noexec filesystem. */
	if (vma_desc_test(desc, VMA_EXEC_BIT))
		return -EPERM;
	return shmbuf_check_window(buf->size, desc->pgoff,
				   vma_desc_size(desc));
}

/* ->mmap_prepare() for a window of a buffer; desc->pgoff is relative to the buffer. */
int shmbuf_prepare_mapping(struct shmbuf *buf, struct vm_area_desc *desc)
{
	int err;

	err = check_mapping(buf, desc);
	if (err)
		return err;
	if (READ_ONCE(buf->seals) & SHMBUF_SEAL_WRITE) {
		if (vma_desc_test(desc, VMA_WRITE_BIT))
			return -EPERM;
		vma_desc_clear_flags(desc, VMA_MAYWRITE_BIT);
	}
	vma_desc_clear_flags(desc, VMA_MAYEXEC_BIT);
	desc->vm_ops = buf->ops->vm_ops;
	buf->ops->prepare(buf, desc);
	/* VM_READ makes the value odd, so it cannot be the address of a buffer. */
	desc->private_data = (void *)(vma_flags_to_legacy(desc->vma_flags) |
				      VM_READ);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_prepare_mapping);
