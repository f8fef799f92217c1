/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel without this header has no peer-to-peer mapping for exporters. */
#ifndef _COMPAT_DMA_BUF_MAPPING_H
#define _COMPAT_DMA_BUF_MAPPING_H

#include <linux/dma-buf.h>

struct p2pdma_provider;

struct compat_phys_vec {
	phys_addr_t paddr;
	size_t len;
};

#define phys_vec	compat_phys_vec

static inline struct sg_table *
dma_buf_phys_vec_to_sgt(struct dma_buf_attachment *attach,
			struct p2pdma_provider *provider, struct phys_vec *vec,
			size_t nr, size_t size, enum dma_data_direction dir)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void dma_buf_free_sgt(struct dma_buf_attachment *attach,
				    struct sg_table *sgt,
				    enum dma_data_direction dir)
{
}

#endif
