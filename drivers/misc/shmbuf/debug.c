// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/shmbuf: "buffers" lists all buffers. Writing a buffer's inode
 * number to "revoke" revokes the buffer, for testing a program without a device to
 * unplug.
 *
 * The list of buffers is the superblock's inode list. Inodes cannot leave the list
 * while the list lock is held.
 */

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/mount.h>
#include <linux/seq_file.h>

#include "shmbuf.h"

static struct dentry *shmbuf_debug_dir;
static struct device *own_device;

static void show_buffer(struct seq_file *m, struct shmbuf *buf)
{
	guard(spinlock)(&buf->lock);
	seq_printf(m, "ino=%llu size=%zu backing=%s cache=%s mappings=%u writable=%u seals=%#x sequence=%llu revoked=%d name=%s\n",
		   (u64)buf->inode.i_ino, buf->size, buf->ops->name,
		   shmbuf_cache_name(buf->cache), buf->mappings,
		   buf->writable_mappings, buf->seals,
		   (u64)atomic64_read(&buf->sequence), shmbuf_revoked(buf),
		   buf->name);
}

/* A seq_file iterator would drop the list lock between calls, and miss buffers. */
static int buffers_show(struct seq_file *m, void *v)
{
	struct super_block *sb;
	struct inode *inode;
	struct shmbuf *buf;
	int err;

	err = shmbuf_pin_mount();
	if (err)
		return err;
	sb = shmbuf_mnt->mnt_sb;
	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		buf = container_of(inode, struct shmbuf, inode);
		/* The root directory of the filesystem is not a buffer. */
		if (buf->ops)
			show_buffer(m, buf);
	}
	spin_unlock(&sb->s_inode_list_lock);
	shmbuf_unpin_mount();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(buffers);

/* Revocation frees device memory, which another driver may still be using. */
static bool is_revocable(const struct shmbuf *buf)
{
	return !buf->ops->of_device || buf->dev == own_device;
}

static struct inode *find_buffer(struct super_block *sb, u64 ino)
{
	struct inode *inode;
	struct shmbuf *buf;

	guard(spinlock)(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		buf = container_of(inode, struct shmbuf, inode);
		if (inode->i_ino == ino && buf->ops && is_revocable(buf))
			return igrab(inode);
	}
	return NULL;
}

static int revoke_set(void *data, u64 ino)
{
	struct inode *inode;
	int err;

	err = shmbuf_pin_mount();
	if (err)
		return err;
	inode = find_buffer(shmbuf_mnt->mnt_sb, ino);
	if (inode) {
		shmbuf_revoke(container_of(inode, struct shmbuf, inode));
		iput(inode);
	} else {
		err = -ENOENT;
	}
	shmbuf_unpin_mount();
	return err;
}

DEFINE_DEBUGFS_ATTRIBUTE(revoke_fops, NULL, revoke_set, "%llu\n");

void shmbuf_debug_init(struct device *dev)
{
	own_device = dev;
	shmbuf_debug_dir = debugfs_create_dir("shmbuf", NULL);
	debugfs_create_file("buffers", 0400, shmbuf_debug_dir, NULL,
			    &buffers_fops);
	debugfs_create_file_unsafe("revoke", 0200, shmbuf_debug_dir, NULL,
				   &revoke_fops);
}

void shmbuf_debug_exit(void)
{
	debugfs_remove(shmbuf_debug_dir);
}
