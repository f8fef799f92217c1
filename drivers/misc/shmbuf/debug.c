// SPDX-License-Identifier: GPL-2.0-only
/*
 * In /sys/kernel/debug/shmbuf: "buffers" is the list of all buffers. What has the
 * inode number of one written to it, "revoke", revokes it, as if its device had
 * gone: how a program takes that can be tested without a device to pull out.
 *
 * The list is that of the inodes of the superblock: what is on it cannot go
 * while its lock is held.
 */

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include "shmbuf.h"

static struct dentry *shmbuf_debug_dir;

static void *buffers_start(struct seq_file *m, loff_t *pos)
{
	struct super_block *sb = m->private;

	spin_lock(&sb->s_inode_list_lock);
	return seq_list_start(&sb->s_inodes, *pos);
}

static void *buffers_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct super_block *sb = m->private;

	return seq_list_next(v, &sb->s_inodes, pos);
}

static void buffers_stop(struct seq_file *m, void *v)
{
	struct super_block *sb = m->private;

	spin_unlock(&sb->s_inode_list_lock);
}

static int buffers_show(struct seq_file *m, void *v)
{
	struct inode *inode = list_entry(v, struct inode, i_sb_list);
	struct shmbuf *buf = container_of(inode, struct shmbuf, inode);

	/* The root directory of the filesystem is no buffer. */
	if (!buf->ops)
		return 0;
	guard(spinlock)(&buf->lock);
	seq_printf(m, "ino=%llu size=%zu backing=%s cache=%s mappings=%u writable=%u seals=%#x sequence=%llu revoked=%d name=%s\n",
		   (u64)inode->i_ino, buf->size, buf->ops->name,
		   shmbuf_cache_name(buf->cache), buf->mappings,
		   buf->writable_mappings, buf->seals, buf->sequence,
		   buf->revoked, buf->name);
	return 0;
}

static const struct seq_operations buffers_seq_ops = {
	.start	= buffers_start,
	.next	= buffers_next,
	.stop	= buffers_stop,
	.show	= buffers_show,
};

static int buffers_open(struct inode *inode, struct file *file)
{
	struct seq_file *m;
	int err;

	err = shmbuf_pin_mount();
	if (err)
		return err;
	err = seq_open(file, &buffers_seq_ops);
	if (err) {
		shmbuf_unpin_mount();
		return err;
	}
	m = file->private_data;
	m->private = shmbuf_sb();
	return 0;
}

static int buffers_release(struct inode *inode, struct file *file)
{
	shmbuf_unpin_mount();
	return seq_release(inode, file);
}

static const struct file_operations buffers_fops = {
	.owner		= THIS_MODULE,
	.open		= buffers_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= buffers_release,
};

static struct inode *find_buffer(struct super_block *sb, u64 ino)
{
	struct inode *inode;

	guard(spinlock)(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (inode->i_ino == ino &&
		    container_of(inode, struct shmbuf, inode)->ops)
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
	inode = find_buffer(shmbuf_sb(), ino);
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

void shmbuf_debug_init(void)
{
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
