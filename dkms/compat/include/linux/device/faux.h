/* SPDX-License-Identifier: GPL-2.0-only */
/* For the samples. */
#ifndef _COMPAT_FAUX_H
#define _COMPAT_FAUX_H

#include <linux/platform_device.h>

#define faux_device	platform_device

static inline struct faux_device *
faux_device_create(const char *name, struct device *parent, const void *ops)
{
	struct faux_device *dev = platform_device_register_simple(name, -1, NULL, 0);

	return IS_ERR(dev) ? NULL : dev;
}

#define faux_device_destroy	platform_device_unregister

#endif
