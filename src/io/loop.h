/*
 * The event loop (libuv) of a process: one thread runs it, any thread may post to it. Timers are
 * ours (one heap behind one libuv timer) so that they can live inside other structs and stop
 * at once; a watch is a file descriptor the loop polls. Everything but loop_post and loop_stop is
 * for the loop's own thread.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

struct loop;
struct uv_loop_s;

struct loop *loop_new(void);
void loop_free(struct loop *l); /* the loop must have ended; NULL is fine */
OWN_FN(struct loop, loop_free)

void loop_run(struct loop *l); /* until loop_stop */
void loop_stop(struct loop *l); /* any thread, also from a signal handler's watch */
bool loop_is_current(const struct loop *l); /* on the loop's thread? */
struct uv_loop_s *loop_uv(struct loop *l);

/* Work handed to the loop by another thread. Owned by the poster until fn is called. */
struct loop_task {
	void (*fn)(struct loop_task *t);
	struct loop_task *next;
};
void loop_post(struct loop *l, struct loop_task *t);

/* A one-shot timer, embedded. Zeroed means stopped. */
struct timer {
	void (*fn)(struct timer *t);
	int64_t due_us; /* monotonic */
	size_t slot; /* index in the heap + 1; 0 = stopped */
};
/* (Re)starts the timer; ms 0 fires in the next turn, never inside this call. */
void timer_start(struct loop *l, struct timer *t, int64_t ms, void (*fn)(struct timer *t));
void timer_stop(struct loop *l, struct timer *t);
static inline bool timer_active(const struct timer *t)
{
	return t->slot != 0;
}

enum { WATCH_READ = 1, WATCH_WRITE = 2 };
struct watch;
typedef void watch_fn(void *ctx, int events);
/* Polls fd (not owned) for `events` (0 = none yet). */
struct watch *watch_new(struct loop *l, int fd, watch_fn *fn, void *ctx);
void watch_set(struct watch *w, int events);
void watch_free(struct watch *w); /* before the fd is closed; NULL is fine */
OWN_FN(struct watch, watch_free)
