/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/platform_device.h>

#define faux_device			platform_device
#define faux_device_create(name, parent, ops) ({			\
	struct platform_device *pdev_ =					\
		platform_device_register_simple(name, -1, NULL, 0);	\
	IS_ERR(pdev_) ? NULL : pdev_;					\
})
#define faux_device_destroy		platform_device_unregister
