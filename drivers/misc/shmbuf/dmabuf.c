// SPDX-License-Identifier: GPL-2.0-only
/*
 * Export of a buffer as a DMA-BUF, for drivers that import DMA-BUFs.
 *
 * The DMA-BUF file has the buffer's f_mapping, so mmap() of the DMA-BUF is checked,
 * counted and revoked like other mappings. An importer may write to the memory at any
 * time. An export therefore counts as a writer, like write(), and prevents write seals.
 *
 * Revocation frees device memory. Revocation first invalidates the mappings of
 * importers and waits until they are unmapped, so only importers that support this may
 * attach. Other memory stays allocated until the DMA-BUF is released.
 */

#include <linux/atomic.h>
#include <linux/cacheinfo.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-mapping.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/types.h>
#include <linux/vmalloc.h>
#include <linux/wait_bit.h>

#include "shmbuf.h"

/**
 * struct shmbuf_dmabuf - a DMA-BUF of a buffer
 * @buf: the buffer, to which the export holds a reference
 * @dmabuf: the DMA-BUF, which the export does not hold
 * @mapped: number of mappings of importers
 * @mappings: mappings of importers that have pages, protected by the reservation
 *	lock of @dmabuf
 */
struct shmbuf_dmabuf {
	struct shmbuf *buf;
	struct dma_buf *dmabuf;
	atomic_t mapped;
	struct list_head mappings;
};

/* A mapping for the device of an importer. */
struct shmbuf_dma_mapping {
	struct list_head list;
	struct sg_table sgt;
	struct device *dev;
	enum dma_data_direction dir;
};

static int shmbuf_dmabuf_attach(struct dma_buf *dmabuf,
				struct dma_buf_attachment *attach)
{
	struct shmbuf_dmabuf *export = dmabuf->priv;

	if (shmbuf_revoked(export->buf))
		return -ENODEV;
	if (export->buf->ops->of_device && !dma_buf_attach_revocable(attach))
		return -EOPNOTSUPP;
	if (export->buf->provider && !attach->peer2peer)
		return -EOPNOTSUPP;
	return 0;
}

/*
 * Find the page at an offset, and the number of contiguous bytes from the offset on. The
 * page cache may have dropped a folio, but the kernel mapping still holds the folio.
 */
static struct page *find_extent(struct shmbuf *buf, size_t offset, size_t *len)
{
	void *addr = buf->map.vaddr + offset;
	struct folio *folio;
	struct page *page;

	*len = buf->size - offset;
	if (!is_vmalloc_addr(addr))
		return virt_to_page(addr);
	page = vmalloc_to_page(addr);
	folio = page_folio(page);
	*len = folio_size(folio) - folio_page_idx(folio, page) * PAGE_SIZE;
	return page;
}

static int fill_table(struct shmbuf *buf, struct sg_table *sgt, size_t max)
{
	struct scatterlist *sg;
	unsigned int nents = 0;
	size_t offset, len;
	struct page *page;
	int err;

	/* If a segment cannot hold a page, max is 0 and the loops would not end. */
	if (!max)
		return -EINVAL;
	for (offset = 0; offset < buf->size; offset += min(len, max), nents++)
		find_extent(buf, offset, &len);
	err = sg_alloc_table(sgt, nents, GFP_KERNEL);
	if (err)
		return err;
	sg = sgt->sgl;
	for (offset = 0; offset < buf->size; offset += min(len, max)) {
		page = find_extent(buf, offset, &len);
		sg_set_page(sg, page, min(len, max), 0);
		sg = sg_next(sg);
	}
	return 0;
}

static struct sg_table *shmbuf_dmabuf_map(struct dma_buf_attachment *attach,
					  enum dma_data_direction dir)
{
	struct shmbuf_dmabuf *export = attach->dmabuf->priv;
	struct shmbuf_dma_mapping *m;
	size_t max;
	int err;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (shmbuf_revoked(export->buf))
		return ERR_PTR(-ENODEV);
	m = kzalloc_obj(*m);
	if (!m)
		return ERR_PTR(-ENOMEM);
	m->dev = attach->dev;
	m->dir = dir;
	max = min(dma_get_max_seg_size(m->dev), dma_max_mapping_size(m->dev));
	err = fill_table(export->buf, &m->sgt, max & PAGE_MASK);
	if (err)
		goto free_mapping;
	err = dma_map_sgtable(m->dev, &m->sgt, dir, 0);
	if (err)
		goto free_table;
	list_add(&m->list, &export->mappings);
	atomic_inc(&export->mapped);
	return &m->sgt;

free_table:
	sg_free_table(&m->sgt);
free_mapping:
	kfree(m);
	return ERR_PTR(err);
}

static void shmbuf_dmabuf_unmap(struct dma_buf_attachment *attach,
				struct sg_table *sgt,
				enum dma_data_direction dir)
{
	struct shmbuf_dmabuf *export = attach->dmabuf->priv;
	struct shmbuf_dma_mapping *m;

	dma_resv_assert_held(attach->dmabuf->resv);
	m = container_of(sgt, struct shmbuf_dma_mapping, sgt);
	dma_unmap_sgtable(m->dev, sgt, dir, 0);
	sg_free_table(sgt);
	list_del(&m->list);
	kfree(m);
	atomic_dec_and_wake_up(&export->mapped);
}

/* A region has no pages. The provider computes the DMA addresses. */
static struct sg_table *shmbuf_dmabuf_map_region(struct dma_buf_attachment *attach,
						 enum dma_data_direction dir)
{
	struct shmbuf_dmabuf *export = attach->dmabuf->priv;
	struct shmbuf *buf = export->buf;
	struct phys_vec range = {
		.paddr = PFN_PHYS(buf->pfn),
		.len = buf->size,
	};
	struct sg_table *sgt;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (shmbuf_revoked(buf))
		return ERR_PTR(-ENODEV);
	sgt = dma_buf_phys_vec_to_sgt(attach, buf->provider, &range, 1,
				      buf->size, dir);
	if (!IS_ERR(sgt))
		atomic_inc(&export->mapped);
	return sgt;
}

static void shmbuf_dmabuf_unmap_region(struct dma_buf_attachment *attach,
				       struct sg_table *sgt,
				       enum dma_data_direction dir)
{
	struct shmbuf_dmabuf *export = attach->dmabuf->priv;

	dma_buf_free_sgt(attach, sgt, dir);
	atomic_dec_and_wake_up(&export->mapped);
}

static int sync_mappings(struct dma_buf *dmabuf, enum dma_data_direction dir,
			 bool end)
{
	struct shmbuf_dmabuf *export = dmabuf->priv;
	struct shmbuf_dma_mapping *m;

	dma_resv_lock(dmabuf->resv, NULL);
	list_for_each_entry(m, &export->mappings, list) {
		if (end)
			dma_sync_sgtable_for_device(m->dev, &m->sgt, m->dir);
		else
			dma_sync_sgtable_for_cpu(m->dev, &m->sgt, m->dir);
	}
	dma_resv_unlock(dmabuf->resv);
	return shmbuf_sync(export->buf, 0, export->buf->size, dir, end);
}

static int shmbuf_dmabuf_begin(struct dma_buf *dmabuf,
			       enum dma_data_direction dir)
{
	return sync_mappings(dmabuf, dir, false);
}

static int shmbuf_dmabuf_end(struct dma_buf *dmabuf,
			     enum dma_data_direction dir)
{
	return sync_mappings(dmabuf, dir, true);
}

static int shmbuf_dmabuf_mmap(struct dma_buf *dmabuf,
			      struct vm_area_struct *vma)
{
	struct shmbuf_dmabuf *export = dmabuf->priv;
	struct vm_area_desc desc;
	int err;

	compat_set_desc_from_vma(&desc, dmabuf->file, vma);
	err = shmbuf_prepare_mapping(export->buf, &desc);
	if (err)
		return err;
	return __compat_vma_mmap(&desc, vma);
}

/* EXPORT created the kernel mapping, as dma_buf_vmap() warns if an exporter fails. */
static int shmbuf_dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct shmbuf_dmabuf *export = dmabuf->priv;

	*map = export->buf->map;
	return 0;
}

static void shmbuf_dmabuf_release(struct dma_buf *dmabuf)
{
	struct shmbuf_dmabuf *export = dmabuf->priv;
	struct shmbuf *buf = export->buf;

	scoped_guard(rwsem_write, &buf->inode.i_rwsem) {
		if (buf->dmabuf == export)
			buf->dmabuf = NULL;
	}
	shmbuf_end_write(buf);
	shmbuf_put(buf);
	kfree(export);
}

static const struct dma_buf_ops shmbuf_dmabuf_ops = {
	.attach			= shmbuf_dmabuf_attach,
	.map_dma_buf		= shmbuf_dmabuf_map,
	.unmap_dma_buf		= shmbuf_dmabuf_unmap,
	.release		= shmbuf_dmabuf_release,
	.begin_cpu_access	= shmbuf_dmabuf_begin,
	.end_cpu_access		= shmbuf_dmabuf_end,
	.mmap			= shmbuf_dmabuf_mmap,
	.vmap			= shmbuf_dmabuf_vmap,
};

/* With ->vmap(), revocation could not invalidate an importer's kernel address. */
static const struct dma_buf_ops shmbuf_dmabuf_device_ops = {
	.attach			= shmbuf_dmabuf_attach,
	.map_dma_buf		= shmbuf_dmabuf_map,
	.unmap_dma_buf		= shmbuf_dmabuf_unmap,
	.release		= shmbuf_dmabuf_release,
	.begin_cpu_access	= shmbuf_dmabuf_begin,
	.end_cpu_access		= shmbuf_dmabuf_end,
	.mmap			= shmbuf_dmabuf_mmap,
};

static const struct dma_buf_ops shmbuf_dmabuf_region_ops = {
	.attach			= shmbuf_dmabuf_attach,
	.map_dma_buf		= shmbuf_dmabuf_map_region,
	.unmap_dma_buf		= shmbuf_dmabuf_unmap_region,
	.release		= shmbuf_dmabuf_release,
	.begin_cpu_access	= shmbuf_dmabuf_begin,
	.end_cpu_access		= shmbuf_dmabuf_end,
	.mmap			= shmbuf_dmabuf_mmap,
};

static const struct dma_buf_ops *choose_ops(const struct shmbuf *buf)
{
	if (buf->provider)
		return &shmbuf_dmabuf_region_ops;
	if (buf->ops->of_device)
		return &shmbuf_dmabuf_device_ops;
	return &shmbuf_dmabuf_ops;
}

/*
 * Take a reference to the buffer's DMA-BUF, unless ->release() is pending. The file can
 * be freed and reused before ->release() runs, so check that the file is the DMA-BUF's.
 */
static struct dma_buf *get_export(struct shmbuf *buf)
{
	struct dma_buf *dmabuf;
	struct file *file;

	lockdep_assert_held_write(&buf->inode.i_rwsem);
	if (!buf->dmabuf)
		return NULL;
	dmabuf = buf->dmabuf->dmabuf;
	file = get_file_active(&dmabuf->file);
	if (!file)
		return NULL;
	if (file->private_data == dmabuf)
		return dmabuf;
	fput(file);
	return NULL;
}

static struct dma_buf *new_export(struct shmbuf *buf)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct shmbuf_dmabuf *export;
	struct dma_buf *dmabuf;

	export = kzalloc_obj(*export);
	if (!export)
		return ERR_PTR(-ENOMEM);
	export->buf = buf;
	INIT_LIST_HEAD(&export->mappings);
	info.ops = choose_ops(buf);
	info.size = buf->size;
	info.flags = O_RDWR | O_CLOEXEC;
	info.priv = export;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		kfree(export);
		return dmabuf;
	}
	dmabuf->file->f_mapping = shmbuf_get(buf)->inode.i_mapping;
	export->dmabuf = dmabuf;
	buf->dmabuf = export;
	return dmabuf;
}

/**
 * shmbuf_export() - export a buffer as a DMA-BUF
 * @buf: the buffer
 *
 * A buffer has one DMA-BUF at a time. While the DMA-BUF exists, it holds the buffer and
 * prevents write seals. shmbuf_revoke() tells importers to invalidate their mappings.
 * For device memory, shmbuf_revoke() waits until the mappings are removed. For other
 * memory, an importer may continue.
 *
 * Context: Process context, may sleep.
 * Return: the DMA-BUF, to be released with dma_buf_put(), or an ERR_PTR():
 *	-EOPNOTSUPP for a backing that cannot be exported, for a region without
 *	a provider, or without CONFIG_DMA_SHARED_BUFFER; -EPERM if a write seal
 *	is in force, -EAGAIN if a write seal is being added; -ENODEV if the
 *	buffer is revoked; -ENOMEM.
 */
struct dma_buf *shmbuf_export(struct shmbuf *buf)
{
	struct dma_buf *dmabuf;
	int err;

	guard(rwsem_write)(&buf->inode.i_rwsem);
	if (shmbuf_revoked(buf))
		return ERR_PTR(-ENODEV);
	if (cpu_dcache_is_aliasing() ||
	    (!buf->ops->exportable && !buf->provider))
		return ERR_PTR(-EOPNOTSUPP);
	dmabuf = get_export(buf);
	if (dmabuf)
		return dmabuf;
	err = shmbuf_vmap_locked(buf);
	if (err)
		return ERR_PTR(err);
	err = shmbuf_begin_write(buf);
	if (err)
		return ERR_PTR(err);
	dmabuf = new_export(buf);
	if (IS_ERR(dmabuf))
		shmbuf_end_write(buf);
	return dmabuf;
}
EXPORT_SYMBOL_GPL(shmbuf_export);

/* Export a buffer and return the DMA-BUF file, for a file descriptor. */
struct file *shmbuf_export_file(struct shmbuf *buf)
{
	struct dma_buf *dmabuf = shmbuf_export(buf);

	return IS_ERR(dmabuf) ? ERR_CAST(dmabuf) : dmabuf->file;
}

/* Called after i_size is 0, or importers could create new mappings meanwhile. */
void shmbuf_revoke_export(struct shmbuf *buf)
{
	struct dma_buf *dmabuf = get_export(buf);
	struct shmbuf_dmabuf *export;

	if (!dmabuf)
		return;
	export = dmabuf->priv;
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_invalidate_mappings(dmabuf);
	if (buf->ops->of_device)
		dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP,
				      false, MAX_SCHEDULE_TIMEOUT);
	dma_resv_unlock(dmabuf->resv);
	if (buf->ops->of_device)
		wait_var_event(&export->mapped,
			       !atomic_read_acquire(&export->mapped));
	dma_buf_put(dmabuf);
}

MODULE_IMPORT_NS("DMA_BUF");
