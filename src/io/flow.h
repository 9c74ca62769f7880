/*
 * Work that waits: a flow is one struct and one table of steps. A step starts at most one kind of
 * wait and names the step after it; callbacks do nothing but record and flow_wake().
 *
 * Laws: an operation never completes inside the call that starts it; every wait has a timeout in
 * the table; a failed or timed-out wait ends the flow with "<step>: <message>" unless the step
 * after it catches (the error stays in f->err until that step clears it); cancelling asks the
 * operation to end early and waits for it; ended() runs once, on the loop, when nothing is in
 * flight, and may free the flow. Loop thread only.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"

/* An operation in flight, embedded in whoever waits. The starter fills it. */
struct op {
	void (*done)(void *ctx, const struct err *err); /* err->code ERR_OK when it went well */
	void *ctx;
	void (*cancel)(struct op *op); /* asks for an early end (done still comes); may be NULL */
	void *impl; /* the starter's own */
};

/* Completes op on the loop; the op may be gone afterwards. err NULL = success. */
void op_complete(struct op *op, const struct err *err);

struct flow;
typedef int flow_step_fn(struct flow *f); /* the next step, FLOW_END, or an error (< 0) */
enum { FLOW_END = 1 << 20 };

struct flow_step {
	const char *name; /* for logs, metrics, error text */
	flow_step_fn *enter;
	unsigned timeout_ms; /* for the wait begun here; 0 only when the step never waits */
	bool catches; /* entered even if the wait before failed: look at f->err */
};

struct flow {
	struct loop *loop;
	const struct flow_step *steps;
	void (*ended)(struct flow *f);
	struct arena arena; /* everything of this flow; freed by flow_done */
	struct err err; /* of the last wait, or how the flow ended */
	struct op op; /* the operation of the current wait, for flows that use one at a time */
	struct timer timer;
	int step, next;
	unsigned waiting;
	bool cancelled, running, over;
};

/* Prepares an embedded flow; flow_done releases its arena (call it from ended). */
void flow_init(struct flow *f, struct loop *loop, const struct flow_step *steps,
	void (*ended)(struct flow *f));
void flow_done(struct flow *f);

/* Enters `step` now. */
void flow_start(struct flow *f, int step);

/* Counts one operation; returns `next`, where to go after it. */
int flow_wait(struct flow *f, int next);

/* The completion of every operation: pass it as op.done with the flow as ctx. */
void flow_wake(void *flow, const struct err *err);

/* Ends the flow early with `why` (unless it is ending): asks f->op to end, waits for it. */
void flow_cancel(struct flow *f, enum err_code why, const char *msg);

/* A wait that is only time. */
int flow_sleep(struct flow *f, int64_t ms, int next);
