/* SPDX-License-Identifier: GPL-2.0-only */
/* Without this header, the kernel does not map a region for another device. */
#include <linux/dma-buf.h>

struct compat_phys_vec {
	phys_addr_t paddr;
	size_t len;
};
#define phys_vec	compat_phys_vec
#define dma_buf_phys_vec_to_sgt(attach, provider, vec, nr, size, dir) \
	((void)(vec), (struct sg_table *)ERR_PTR(-EOPNOTSUPP))
#define dma_buf_free_sgt(attach, sgt, dir)	do { } while (0)
