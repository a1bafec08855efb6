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
#include "latency.h"

/* Each says of which device it is, 0 for /dev/vmdemo, and of which space: 0 is the linear one. */
#define VMDEMO_TRACE_WHERE	__field(u32, device) __field(u32, space)

#define vmdemo_trace_space(key)	((u32)((key) >> VMDEMO_INDEX_BITS))
#define vmdemo_trace_page(key)	((key) & ((1ULL << VMDEMO_INDEX_BITS) - 1))

TRACE_EVENT(vmdemo_fault_enter,
	TP_PROTO(const struct vmdemo_space *space, u64 id, u64 index, unsigned int flags),
	TP_ARGS(space, id, index, flags),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, index)
		__field(unsigned int, flags)
		VMDEMO_TRACE_WHERE
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->index = index;
		__entry->flags = flags;
		__entry->device = space->pool->device;
		__entry->space = vmdemo_trace_space(space->key);
	),
	TP_printk("id=%llu page=%llu flags=0x%x device=%u space=%u", __entry->id, __entry->index,
		  __entry->flags, __entry->device, __entry->space)
);

TRACE_EVENT(vmdemo_fault_return,
	TP_PROTO(const struct vmdemo_space *space, u64 id, u64 index, unsigned int result,
		 u32 frame),
	TP_ARGS(space, id, index, result, frame),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, index)
		__field(unsigned int, result)
		__field(u32, frame)
		VMDEMO_TRACE_WHERE
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->index = index;
		__entry->result = result;
		__entry->frame = frame;
		__entry->device = space->pool->device;
		__entry->space = vmdemo_trace_space(space->key);
	),
	TP_printk("id=%llu page=%llu result=0x%x frame=%d device=%u space=%u", __entry->id,
		  __entry->index, __entry->result, (int)__entry->frame, __entry->device,
		  __entry->space)
);

TRACE_DEFINE_ENUM(VMDEMO_LATENCY_HARD);
TRACE_DEFINE_ENUM(VMDEMO_LATENCY_SOFT);
TRACE_DEFINE_ENUM(VMDEMO_LATENCY_ZERO);
TRACE_DEFINE_ENUM(VMDEMO_LATENCY_MKWRITE);

/*
 * A fault as a whole, where the histogram of latencies counts it: its kind, and how long it took.
 * One that did nothing, since its page was there by then, is not told of.
 */
TRACE_EVENT_CONDITION(vmdemo_fault,
	TP_PROTO(const struct vmdemo_space *space, u64 index, u32 kind, u64 began),
	TP_ARGS(space, index, kind, began),
	TP_CONDITION(kind != VMDEMO_LATENCY_NONE),
	TP_STRUCT__entry(
		__field(u64, index)
		__field(u64, ns)
		__field(u32, kind)
		VMDEMO_TRACE_WHERE
	),
	TP_fast_assign(
		__entry->index = index;
		__entry->ns = vmdemo_clock_ns(vmdemo_clock() - began);
		__entry->kind = kind;
		__entry->device = space->pool->device;
		__entry->space = vmdemo_trace_space(space->key);
	),
	TP_printk("page=%llu kind=%s ns=%llu device=%u space=%u", __entry->index,
		  __print_symbolic(__entry->kind,
				   { VMDEMO_LATENCY_HARD, "hard" },
				   { VMDEMO_LATENCY_SOFT, "soft" },
				   { VMDEMO_LATENCY_ZERO, "zero" },
				   { VMDEMO_LATENCY_MKWRITE, "mkwrite" }),
		  __entry->ns, __entry->device, __entry->space)
);

/* A wait begins: for the page's read or for a free frame. */
TRACE_EVENT(vmdemo_wait,
	TP_PROTO(const struct vmdemo_space *space, u64 id, u64 index, bool for_frame),
	TP_ARGS(space, id, index, for_frame),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, index)
		__field(bool, for_frame)
		VMDEMO_TRACE_WHERE
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->index = index;
		__entry->for_frame = for_frame;
		__entry->device = space->pool->device;
		__entry->space = vmdemo_trace_space(space->key);
	),
	TP_printk("id=%llu page=%llu for=%s device=%u space=%u", __entry->id, __entry->index,
		  __entry->for_frame ? "frame" : "page", __entry->device, __entry->space)
);

DECLARE_EVENT_CLASS(vmdemo_load,
	TP_PROTO(const struct vmdemo_pool *pool, u64 id, u64 key, unsigned int nr, int error),
	TP_ARGS(pool, id, key, nr, error),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, index)
		__field(unsigned int, nr)
		__field(int, error)
		VMDEMO_TRACE_WHERE
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->index = vmdemo_trace_page(key);
		__entry->nr = nr;
		__entry->error = error;
		__entry->device = pool->device;
		__entry->space = vmdemo_trace_space(key);
	),
	TP_printk("id=%llu page=%llu nr=%u error=%d device=%u space=%u", __entry->id,
		  __entry->index, __entry->nr, __entry->error, __entry->device, __entry->space)
);

#define VMDEMO_LOAD_EVENT(name)								\
DEFINE_EVENT(vmdemo_load, name,								\
	TP_PROTO(const struct vmdemo_pool *pool, u64 id, u64 key, unsigned int nr, int error),	\
	TP_ARGS(pool, id, key, nr, error))

/* A read was submitted; it has ended. */
VMDEMO_LOAD_EVENT(vmdemo_load);
VMDEMO_LOAD_EVENT(vmdemo_load_done);
/* A write was submitted; it has ended. The id is zero. */
VMDEMO_LOAD_EVENT(vmdemo_writeback);
VMDEMO_LOAD_EVENT(vmdemo_writeback_done);

/* The pool lock is held. */
DECLARE_EVENT_CLASS(vmdemo_frame,
	TP_PROTO(const struct vmdemo_pool *pool, u32 frame),
	TP_ARGS(pool, frame),
	TP_STRUCT__entry(
		__field(u64, index)
		__field(u32, frame)
		VMDEMO_TRACE_WHERE
	),
	TP_fast_assign(
		__entry->index = vmdemo_trace_page(vmdemo_frame(pool, frame)->key);
		__entry->frame = frame;
		__entry->device = pool->device;
		__entry->space = vmdemo_trace_space(vmdemo_frame(pool, frame)->key);
	),
	TP_printk("page=%llu frame=%u device=%u space=%u", __entry->index, __entry->frame,
		  __entry->device, __entry->space)
);

DEFINE_EVENT(vmdemo_frame, vmdemo_demote,
	TP_PROTO(const struct vmdemo_pool *pool, u32 frame), TP_ARGS(pool, frame));
DEFINE_EVENT(vmdemo_frame, vmdemo_evict,
	TP_PROTO(const struct vmdemo_pool *pool, u32 frame), TP_ARGS(pool, frame));

/*
 * Every event a policy sees, in the order it sees them (the pool lock is held): replayed, they give
 * the same victims. The event's name is a literal.
 */
TRACE_EVENT(vmdemo_policy,
	TP_PROTO(const struct vmdemo_pool *pool, const char *event, u32 frame),
	TP_ARGS(pool, event, frame),
	TP_STRUCT__entry(
		__array(char, event, 8)
		__field(u64, index)
		__field(u32, frame)
		VMDEMO_TRACE_WHERE
	),
	TP_fast_assign(
		strscpy(__entry->event, event, sizeof(__entry->event));
		__entry->index = vmdemo_trace_page(vmdemo_frame(pool, frame)->key);
		__entry->frame = frame;
		__entry->device = pool->device;
		__entry->space = vmdemo_trace_space(vmdemo_frame(pool, frame)->key);
	),
	TP_printk("%s page=%llu frame=%u device=%u space=%u", __entry->event, __entry->index,
		  __entry->frame, __entry->device, __entry->space)
);

#endif /* VMDEMO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
