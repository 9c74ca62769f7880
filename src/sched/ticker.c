#include "sched/ticker.h"

#include "base/clock.h"
#include "base/mem.h"

/* The wall clock may jump: a timer never sleeps longer than this before it looks at it again. */
enum { NAP_MAX_MS = 60000 };

struct sched {
	struct loop *loop;
	sched_look_fn *look;
	void *ctx;
	struct timer timer;
	int64_t next_ms; /* 0 = none known */
	bool looking, again, stopped;
};

static void fired(struct timer *t);

static void arm(struct sched *s)
{
	if (s->stopped || s->looking)
		return;
	if (s->again) {
		timer_start(s->loop, &s->timer, 0, fired);
	} else if (s->next_ms) {
		int64_t wait = s->next_ms - clock_now_ms();
		wait = wait < 0 ? 0 : wait > NAP_MAX_MS ? NAP_MAX_MS : wait;
		timer_start(s->loop, &s->timer, wait, fired);
	} else {
		timer_stop(s->loop, &s->timer);
	}
}

static void fired(struct timer *t)
{
	struct sched *s = container_of(t, struct sched, timer);

	if (!s->again && s->next_ms > clock_now_ms()) {
		arm(s);
		return;
	}
	s->looking = true;
	s->again = false;
	s->next_ms = 0;
	s->look(s->ctx);
}

struct sched *sched_new(struct loop *loop, sched_look_fn *look, void *ctx)
{
	struct sched *s = NEW(struct sched);

	*s = (struct sched){ .loop = loop, .look = look, .ctx = ctx };
	return s;
}

void sched_free(struct sched *s)
{
	if (!s)
		return;
	timer_stop(s->loop, &s->timer);
	mem_free(s);
}

void sched_wake(struct sched *s)
{
	s->again = true;
	arm(s);
}

void sched_at(struct sched *s, int64_t due_ms)
{
	if (s->next_ms && s->next_ms <= due_ms)
		return;
	s->next_ms = due_ms;
	arm(s);
}

void sched_looked(struct sched *s, int64_t next_ms)
{
	s->looking = false;
	if (next_ms && (!s->next_ms || next_ms < s->next_ms))
		s->next_ms = next_ms;
	arm(s);
}

void sched_stop(struct sched *s)
{
	s->stopped = true;
	timer_stop(s->loop, &s->timer);
}
