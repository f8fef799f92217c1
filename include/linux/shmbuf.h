/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers that drivers share with processes. Not SysV shared memory
 * (asm/shmbuf.h). See Documentation/driver-api/shmbuf.rst.
 */
#ifndef _LINUX_SHMBUF_H
#define _LINUX_SHMBUF_H

#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <uapi/linux/shmbuf.h>

struct device;
struct dma_buf;
struct p2pdma_provider;
struct shmbuf;
struct vm_area_desc;

/**
 * struct shmbuf_region - physical range of a device or of reserved memory
 * @start: physical address of the first byte, page-aligned
 * @size: size in bytes, whole pages
 * @cache: SHMBUF_CACHE_*
 * @privileged: mapping, reading and writing need CAP_SYS_RAWIO
 * @dev: device that the range belongs to, or NULL
 * @name: buffer name, not NULL
 * @signal: called with @dev after each SHMBUF_IOC_SIGNAL, or NULL. Called in
 *	process context, never after shmbuf_revoke(), with a lock held that page
 *	faults and shmbuf_revoke() take. The callback must neither access user memory
 *	nor take a lock that is held around shmbuf_revoke(), or it deadlocks.
 * @provider: for DMA of other devices to the range, from pcim_p2pdma_provider(),
 *	or NULL. If set, the buffer can be exported as a DMA-BUF.
 */
struct shmbuf_region {
	phys_addr_t start;
	u64 size;
	u32 cache;
	bool privileged;
	struct device *dev;
	const char *name;
	void (*signal)(struct device *dev);
	struct p2pdma_provider *provider;
};

struct shmbuf *shmbuf_create(const struct shmbuf_create *args,
			     struct device *dev);
struct shmbuf *shmbuf_wrap_region(const struct shmbuf_region *region);
void shmbuf_put(struct shmbuf *buf);

size_t shmbuf_size(const struct shmbuf *buf);
unsigned int shmbuf_mappings(const struct shmbuf *buf);
void *shmbuf_vmap(struct shmbuf *buf);
dma_addr_t shmbuf_dma_addr(const struct shmbuf *buf);
int shmbuf_sync(struct shmbuf *buf, u64 offset, u64 len,
		enum dma_data_direction dir, bool end);
u64 shmbuf_signal(struct shmbuf *buf);

int shmbuf_get_fd(struct shmbuf *buf);
int shmbuf_publish(struct shmbuf *buf, const char *name, umode_t mode);
void shmbuf_unpublish(struct shmbuf *buf);
int shmbuf_mmap_prepare(struct shmbuf *buf, struct vm_area_desc *desc);

#ifdef CONFIG_DMA_SHARED_BUFFER
struct dma_buf *shmbuf_export(struct shmbuf *buf);
#else
static inline struct dma_buf *shmbuf_export(struct shmbuf *buf)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

void shmbuf_revoke(struct shmbuf *buf);
int shmbuf_revoke_unmapped(struct shmbuf *buf);

#endif /* _LINUX_SHMBUF_H */
