/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM shmbuf

#if !defined(_SHMBUF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _SHMBUF_TRACE_H

#include <linux/tracepoint.h>

#include "shmbuf.h"

DECLARE_EVENT_CLASS(shmbuf_buffer,
		    TP_PROTO(const struct shmbuf *buf),
		    TP_ARGS(buf),
		    TP_STRUCT__entry(__field(u64, ino)
				     __field(size_t, size)
				     __string(backing, buf->ops->name)
				     __field(unsigned int, mappings)
				     __field(unsigned int, writable)),
		    TP_fast_assign(__entry->ino = buf->inode.i_ino;
				   __entry->size = buf->size;
				   __assign_str(backing);
				   __entry->mappings = buf->mappings;
				   __entry->writable = buf->writable_mappings;),
		    TP_printk("ino=%llu size=%zu backing=%s mappings=%u writable=%u",
			      __entry->ino, __entry->size,
			      __get_str(backing),
			      __entry->mappings, __entry->writable)
);

/* Before the allocation. If the allocation fails, shmbuf_free follows at once. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_create,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* A new mapping from mmap(), fork() or a split. The counts include the mapping. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_map,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* A mapping is removed. The counts do not include the mapping. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_unmap,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* Revocation removes the buffer from processes. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_revoke,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* Before the memory is freed. Revocation has already freed device memory. */
DEFINE_EVENT(shmbuf_buffer, shmbuf_free,
	     TP_PROTO(const struct shmbuf *buf),
	     TP_ARGS(buf));

/* Not for faults that mm handles, see mm_filemap_fault. */
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
