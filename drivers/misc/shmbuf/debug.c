// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of all buffers, /sys/kernel/debug/shmbuf/buffers.
 *
 * It is the list of inodes that every superblock has: what is on it cannot go
 * while its lock is held.
 */

#include <linux/debugfs.h>
#include <linux/fs.h>
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

void shmbuf_debug_init(void)
{
	shmbuf_debug_dir = debugfs_create_dir("shmbuf", NULL);
	debugfs_create_file("buffers", 0400, shmbuf_debug_dir, NULL,
			    &buffers_fops);
}

void shmbuf_debug_exit(void)
{
	debugfs_remove(shmbuf_debug_dir);
}
