#include "io/flow.h"

void op_complete(struct op *op, const struct err *err)
{
	static const struct err ok = { 0 };
	op->done(op->ctx, err ? err : &ok);
}

void flow_init(struct flow *f, struct loop *loop, const struct flow_step *steps,
	void (*ended)(struct flow *f))
{
	*f = (struct flow){ .loop = loop, .steps = steps, .ended = ended, .step = -1 };
}

void flow_done(struct flow *f)
{
	assert(f->waiting == 0);
	timer_stop(f->loop, &f->timer);
	arena_done(&f->arena);
}

static void flow_end(struct flow *f)
{
	f->over = true;
	timer_stop(f->loop, &f->timer);
	f->ended(f);
}

/* The operation in flight is asked to end early; its completion still comes. */
static void ask_to_end(struct flow *f)
{
	if (f->op.cancel)
		f->op.cancel(&f->op);
}

static void timed_out(struct timer *t)
{
	struct flow *f = container_of(t, struct flow, timer);

	/* A sleep is a wait that its timer ends well. */
	if (f->steps[f->step].timeout_ms == 0) {
		flow_wake(f, NULL);
		return;
	}
	if (f->err.code == ERR_OK)
		err_set(&f->err, ERR_TIMEOUT, "no answer within %u ms",
			f->steps[f->step].timeout_ms);
	ask_to_end(f);
}

/* Enters steps until one waits or the flow ends. */
static void flow_go(struct flow *f, int step)
{
	f->running = true;
	for (;;) {
		if (f->err.code != ERR_OK && step != FLOW_END && !f->steps[step].catches) {
			err_wrap(&f->err, "%s", f->steps[f->step].name);
			step = FLOW_END;
		}
		if (step == FLOW_END)
			break;
		f->step = step;
		f->op = (struct op){ 0 };
		step = f->steps[step].enter(f);
		if (step < 0) {
			if (f->err.code == ERR_OK)
				err_set(&f->err, (enum err_code)step, "%s",
					err_label((enum err_code)step));
			/* A failing step is not followed by a step that could catch. */
			if (f->waiting == 0)
				step = FLOW_END;
		}
		if (f->waiting) {
			f->next = step < 0 ? FLOW_END : step;
			f->running = false;
			return;
		}
		if (step == FLOW_END)
			break;
	}
	f->running = false;
	flow_end(f);
}

void flow_start(struct flow *f, int step)
{
	flow_go(f, step);
}

int flow_wait(struct flow *f, int next)
{
	f->waiting++;
	unsigned ms = f->steps[f->step].timeout_ms;
	if (ms && !timer_active(&f->timer))
		timer_start(f->loop, &f->timer, ms, timed_out);
	return next;
}

void flow_wake(void *flow, const struct err *err)
{
	struct flow *f = flow;

	assert(f->waiting > 0 && !f->running && !f->over);
	/* The first error stays: a timeout or cancellation explains the one that follows it. */
	if (err && err->code != ERR_OK && f->err.code == ERR_OK)
		f->err = *err;
	if (--f->waiting)
		return;
	timer_stop(f->loop, &f->timer);
	flow_go(f, f->next);
}

void flow_cancel(struct flow *f, enum err_code why, const char *msg)
{
	if (f->over || f->cancelled)
		return;
	f->cancelled = true;
	if (f->err.code == ERR_OK)
		err_set(&f->err, why, "%s", msg);
	if (f->waiting && f->steps[f->step].timeout_ms == 0 && timer_active(&f->timer)) {
		timer_start(f->loop, &f->timer, 0, timed_out); /* a sleep: wake now */
		return;
	}
	ask_to_end(f);
}

int flow_sleep(struct flow *f, int64_t ms, int next)
{
	/* Waiting steps have timeouts; a pure sleep declares none and is ended by this timer. */
	assert(f->steps[f->step].timeout_ms == 0);
	f->waiting++;
	timer_start(f->loop, &f->timer, ms, timed_out);
	return next;
}
