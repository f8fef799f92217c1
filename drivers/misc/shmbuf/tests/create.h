/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHMBUF_TESTS_CREATE_H
#define _SHMBUF_TESTS_CREATE_H

#include <linux/err.h>
#include <linux/fs.h>

#include "../shmbuf.h"

/* A buffer that only its file holds, as SHMBUF_IOC_CREATE makes it. */
static inline struct file *create_buffer_file(const struct shmbuf_create *args,
					      struct device *dev)
{
	struct shmbuf *buf = shmbuf_create(args, dev);
	struct file *file;

	if (IS_ERR(buf))
		return ERR_CAST(buf);
	file = shmbuf_open_file(buf, O_RDWR);
	shmbuf_put(buf);
	return file;
}

#endif /* _SHMBUF_TESTS_CREATE_H */
