/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - tracepoints, one at each change of state (events/vmdemo in tracefs)
 *
 * The steps of one fault carry one fault id: fault_enter, load, wait, load_done, fault_return. The
 * trap before them and the page table update after them are the kernel's: see function_graph.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmdemo

#if !defined(VMDEMO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VMDEMO_TRACE_H

#include <linux/tracepoint.h>

#include "frame.h"

TRACE_EVENT(vmdemo_fault_enter,
	TP_PROTO(u64 id, u64 index, unsigned int flags),
	TP_ARGS(id, index, flags),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, index)
		__field(unsigned int, flags)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->index = index;
		__entry->flags = flags;
	),
	TP_printk("id=%llu page=%llu flags=0x%x", __entry->id, __entry->index, __entry->flags)
);

TRACE_EVENT(vmdemo_fault_return,
	TP_PROTO(u64 id, u64 index, unsigned int result, u32 frame),
	TP_ARGS(id, index, result, frame),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, index)
		__field(unsigned int, result)
		__field(u32, frame)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->index = index;
		__entry->result = result;
		__entry->frame = frame;
	),
	TP_printk("id=%llu page=%llu result=0x%x frame=%d", __entry->id, __entry->index,
		  __entry->result, (int)__entry->frame)
);

/* A wait begins: for the page's read or for a free frame. */
TRACE_EVENT(vmdemo_wait,
	TP_PROTO(u64 id, u64 index, bool for_frame),
	TP_ARGS(id, index, for_frame),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, index)
		__field(bool, for_frame)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->index = index;
		__entry->for_frame = for_frame;
	),
	TP_printk("id=%llu page=%llu for=%s", __entry->id, __entry->index,
		  __entry->for_frame ? "frame" : "page")
);

DECLARE_EVENT_CLASS(vmdemo_load,
	TP_PROTO(u64 id, u64 index, unsigned int nr, int error),
	TP_ARGS(id, index, nr, error),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, index)
		__field(unsigned int, nr)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->index = index;
		__entry->nr = nr;
		__entry->error = error;
	),
	TP_printk("id=%llu page=%llu nr=%u error=%d", __entry->id, __entry->index, __entry->nr,
		  __entry->error)
);

/* A read was submitted; it has ended. */
DEFINE_EVENT(vmdemo_load, vmdemo_load,
	TP_PROTO(u64 id, u64 index, unsigned int nr, int error), TP_ARGS(id, index, nr, error));
DEFINE_EVENT(vmdemo_load, vmdemo_load_done,
	TP_PROTO(u64 id, u64 index, unsigned int nr, int error), TP_ARGS(id, index, nr, error));
/* A write was submitted; it has ended. The id is zero. */
DEFINE_EVENT(vmdemo_load, vmdemo_writeback,
	TP_PROTO(u64 id, u64 index, unsigned int nr, int error), TP_ARGS(id, index, nr, error));
DEFINE_EVENT(vmdemo_load, vmdemo_writeback_done,
	TP_PROTO(u64 id, u64 index, unsigned int nr, int error), TP_ARGS(id, index, nr, error));

DECLARE_EVENT_CLASS(vmdemo_frame,
	TP_PROTO(struct folio *folio, u32 frame),
	TP_ARGS(folio, frame),
	TP_STRUCT__entry(
		__field(u64, index)
		__field(u32, frame)
	),
	TP_fast_assign(
		__entry->index = folio->index;
		__entry->frame = frame;
	),
	TP_printk("page=%llu frame=%u", __entry->index, __entry->frame)
);

DEFINE_EVENT(vmdemo_frame, vmdemo_demote,
	TP_PROTO(struct folio *folio, u32 frame), TP_ARGS(folio, frame));
DEFINE_EVENT(vmdemo_frame, vmdemo_evict,
	TP_PROTO(struct folio *folio, u32 frame), TP_ARGS(folio, frame));

/*
 * Every event a policy sees, in the order it sees them (the pool lock is held): replayed, they give
 * the same victims. The event's name is a literal.
 */
TRACE_EVENT(vmdemo_policy,
	TP_PROTO(const struct vmdemo_pool *pool, const char *event, u32 frame),
	TP_ARGS(pool, event, frame),
	TP_STRUCT__entry(
		__array(char, event, 8)
		__field(u64, key)
		__field(u32, frame)
	),
	TP_fast_assign(
		strscpy(__entry->event, event, sizeof(__entry->event));
		__entry->key = vmdemo_frame(pool, frame)->key;
		__entry->frame = frame;
	),
	TP_printk("%s page=%llu frame=%u", __entry->event,
		  __entry->key & ((1ULL << VMDEMO_INDEX_BITS) - 1), __entry->frame)
);

#endif /* VMDEMO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
