/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM shmbuf

#if !defined(_SHMBUF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _SHMBUF_TRACE_H

#include <linux/tracepoint.h>

#include "shmbuf.h"

#define shmbuf_show_backing(backing)					\
	__print_symbolic(backing,					\
			 { SHMBUF_BACKING_PAGES, "pages" },		\
			 { SHMBUF_BACKING_CONTIG, "contig" },		\
			 { SHMBUF_BACKING_COHERENT, "coherent" },	\
			 { SHMBUF_BACKING_STREAM, "stream" },		\
			 { SHMBUF_BACKING_REGION, "region" })

DECLARE_EVENT_CLASS(shmbuf_buffer,
		    TP_PROTO(const struct shmbuf *buf),
		    TP_ARGS(buf),
		    TP_STRUCT__entry(__field(u64, ino)
				     __field(size_t, size)
				     __field(u32, backing)
				     __field(unsigned int, mappings)
				     __field(unsigned int, writable)),
		    TP_fast_assign(__entry->ino = buf->inode.i_ino;
				   __entry->size = buf->size;
				   __entry->backing = buf->backing;
				   __entry->mappings = buf->mappings;
				   __entry->writable = buf->writable_mappings;),
		    TP_printk("ino=%llu size=%zu backing=%s mappings=%u writable=%u",
			      __entry->ino, __entry->size,
			      shmbuf_show_backing(__entry->backing),
			      __entry->mappings, __entry->writable)
);

/* Before it gets its memory; if it cannot, shmbuf_free follows at once. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_create,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* A mapping more, by mmap(), fork(), or a split; the counts include it. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_map,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* A mapping less; the counts do not include it. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_unmap,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* Processes lose the buffer. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_revoke,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* Before the memory is given back; a device's went with its revocation. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_free,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* Not for what mm does itself with folios, see mm_filemap_fault. */
TRACE_EVENT(shmbuf_fault,
	    TP_PROTO(const struct shmbuf *buf, const struct vm_fault *vmf,
		     unsigned int order, vm_fault_t ret),
	    TP_ARGS(buf, vmf, order, ret),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(pgoff_t, pgoff)
			     __field(unsigned int, order)
			     __field(bool, write)
			     __field(unsigned int, ret)),
	    TP_fast_assign(__entry->ino = buf->inode.i_ino;
			   __entry->pgoff = vmf->pgoff;
			   __entry->order = order;
			   __entry->write = vmf->flags & FAULT_FLAG_WRITE;
			   __entry->ret = (__force unsigned int)ret;),
	    TP_printk("ino=%llu pgoff=%lu order=%u write=%d ret=%s",
		      __entry->ino, __entry->pgoff, __entry->order,
		      __entry->write,
		      __print_flags(__entry->ret, "|", VM_FAULT_RESULT_TRACE))
);

#endif /* _SHMBUF_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
