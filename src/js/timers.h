/*
 * When something is due: a heap of (time, run, timer), soonest first. Timer 0 of a run is its
 * deadline; the others were set by the function. Times are monotonic microseconds.
 */
#pragma once

#include "base/base.h"

struct js_timer {
	int64_t due_us;
	uint32_t run, id;
};

struct timers {
	struct js_timer *heap;
	size_t len, cap;
};

void timers_done(struct timers *t);
void timers_add(struct timers *t, struct js_timer timer);
bool timers_remove(struct timers *t, uint32_t run, uint32_t id);
void timers_remove_run(struct timers *t, uint32_t run);

/* Takes the soonest timer that is due at now_us. */
bool timers_take_due(struct timers *t, int64_t now_us, struct js_timer *ret);
/* Milliseconds until one is due, rounded up; -1 when there is none. */
int timers_wait_ms(const struct timers *t, int64_t now_us);
