#include "io/loop.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <uv.h>

struct loop {
	uv_loop_t uv;
	uv_async_t wakeup;
	uv_timer_t alarm; /* armed for the earliest timer of the heap */
	uv_idle_t soon; /* instead of the alarm when a timer is due at once */
	pthread_t thread;
	bool running;

	struct timer **heap; /* binary min-heap by due_us */
	size_t count, cap;

	pthread_mutex_t lock;
	struct loop_task *first, **last; /* posted, oldest first */
	bool stop;
};

/* Heap. A timer knows its slot (index + 1), so that stopping one needs no search. */

static void heap_put(struct loop *l, size_t i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void heap_up(struct loop *l, size_t i)
{
	struct timer *t = l->heap[i];

	for (; i > 0 && l->heap[(i - 1) / 2]->due_us > t->due_us; i = (i - 1) / 2)
		heap_put(l, i, l->heap[(i - 1) / 2]);
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
	struct timer *t = l->heap[i];

	for (;;) {
		size_t kid = 2 * i + 1;
		if (kid >= l->count)
			break;
		if (kid + 1 < l->count && l->heap[kid + 1]->due_us < l->heap[kid]->due_us)
			kid++;
		if (l->heap[kid]->due_us >= t->due_us)
			break;
		heap_put(l, i, l->heap[kid]);
		i = kid;
	}
	heap_put(l, i, t);
}

static void heap_remove(struct loop *l, struct timer *t)
{
	size_t i = t->slot - 1;

	t->slot = 0;
	struct timer *moved = l->heap[--l->count];
	if (moved == t)
		return;
	heap_put(l, i, moved);
	heap_up(l, i);
	heap_down(l, moved->slot - 1);
}

static void alarm_fired(uv_timer_t *h);
static void soon_fired(uv_idle_t *h);

static void alarm_arm(struct loop *l)
{
	uv_timer_stop(&l->alarm);
	uv_idle_stop(&l->soon);
	if (l->count == 0)
		return;
	int64_t wait_us = l->heap[0]->due_us - clock_mono_us();
	/*
	 * A libuv timer of 0 ms started by a timer runs before descriptors are looked at, so a
	 * chain of them would starve those; an idle handle runs once a turn.
	 */
	if (wait_us <= 1) {
		uv_idle_start(&l->soon, soon_fired);
		return;
	}
	/* Rounded up: firing a fraction early would spin until the time has come. */
	uv_update_time(&l->uv);
	uv_timer_start(&l->alarm, alarm_fired, (uint64_t)(wait_us + 999) / 1000, 0);
}

static void run_due(struct loop *l)
{
	int64_t now = clock_mono_us();

	/* Only those due at entry: a timer restarted with 0 ms waits for the next turn. */
	while (l->count && l->heap[0]->due_us <= now) {
		struct timer *t = l->heap[0];
		heap_remove(l, t);
		t->fn(t);
	}
	alarm_arm(l);
}

static void alarm_fired(uv_timer_t *h)
{
	run_due(h->data);
}

static void soon_fired(uv_idle_t *h)
{
	run_due(h->data);
}

void timer_start(struct loop *l, struct timer *t, int64_t ms, void (*fn)(struct timer *t))
{
	assert(ms >= 0);
	timer_stop(l, t);
	t->fn = fn;
	t->due_us = clock_mono_us() + ms * 1000 + 1;
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->heap = mem_realloc(l->heap, l->cap * sizeof(struct timer *));
	}
	l->heap[l->count++] = t;
	heap_up(l, l->count - 1);
	if (t->slot == 1)
		alarm_arm(l);
}

void timer_stop(struct loop *l, struct timer *t)
{
	if (t->slot)
		heap_remove(l, t);
}

/* Posted tasks. */

static struct loop_task *posted_take(struct loop *l, bool *ret_stop)
{
	pthread_mutex_lock(&l->lock);
	struct loop_task *t = l->first;
	l->first = NULL;
	l->last = &l->first;
	*ret_stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	return t;
}

static void woken(uv_async_t *h)
{
	struct loop *l = h->data;
	bool stop;

	struct loop_task *t = posted_take(l, &stop);
	while (t) {
		struct loop_task *next = t->next; /* fn may free t */
		t->fn(t);
		t = next;
	}
	if (stop)
		uv_stop(&l->uv);
}

void loop_post(struct loop *l, struct loop_task *t)
{
	t->next = NULL;
	pthread_mutex_lock(&l->lock);
	*l->last = t;
	l->last = &t->next;
	pthread_mutex_unlock(&l->lock);
	uv_async_send(&l->wakeup);
}

void loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_mutex_unlock(&l->lock);
	uv_async_send(&l->wakeup);
}

/* Watches: the libuv handle outlives watch_free until its close callback. */

struct watch {
	uv_poll_t poll;
	watch_fn *fn;
	void *ctx;
};

static void watch_event(uv_poll_t *h, int status, int events)
{
	struct watch *w = container_of(h, struct watch, poll);
	int ev = 0;

	/* An error condition is for the reader or writer to find out. */
	if (status < 0)
		ev = WATCH_READ | WATCH_WRITE;
	if (events & UV_READABLE)
		ev |= WATCH_READ;
	if (events & UV_WRITABLE)
		ev |= WATCH_WRITE;
	w->fn(w->ctx, ev);
}

struct watch *watch_new(struct loop *l, int fd, watch_fn *fn, void *ctx)
{
	struct watch *w = NEW(struct watch);
	w->fn = fn;
	w->ctx = ctx;
	int rc = uv_poll_init(&l->uv, &w->poll, fd);
	assert(rc == 0); /* a valid, pollable descriptor is the caller's promise */
	return w;
}

void watch_set(struct watch *w, int events)
{
	int ev = 0;

	if (events & WATCH_READ)
		ev |= UV_READABLE;
	if (events & WATCH_WRITE)
		ev |= UV_WRITABLE;
	if (ev)
		uv_poll_start(&w->poll, ev, watch_event);
	else
		uv_poll_stop(&w->poll);
}

static void watch_closed(uv_handle_t *h)
{
	mem_free(container_of((uv_poll_t *)h, struct watch, poll));
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, watch_closed);
}

/* Loop. */

struct loop *loop_new(void)
{
	struct loop *l = NEW(struct loop);

	int rc = uv_loop_init(&l->uv);
	rc |= uv_async_init(&l->uv, &l->wakeup, woken);
	rc |= uv_timer_init(&l->uv, &l->alarm);
	rc |= uv_idle_init(&l->uv, &l->soon);
	l->soon.data = l;
	assert(rc == 0);
	l->wakeup.data = l;
	l->alarm.data = l;
	l->last = &l->first;
	l->thread = pthread_self();
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void loop_run(struct loop *l)
{
	l->thread = pthread_self();
	l->running = true;
	uv_run(&l->uv, UV_RUN_DEFAULT);
	l->running = false;
	pthread_mutex_lock(&l->lock);
	l->stop = false;
	pthread_mutex_unlock(&l->lock);
}

bool loop_is_current(const struct loop *l)
{
	return pthread_equal(l->thread, pthread_self());
}

struct uv_loop_s *loop_uv(struct loop *l)
{
	return &l->uv;
}

static void close_handle(uv_handle_t *h, void *arg UNUSED)
{
	/* What is left belongs to no one any more; watches free themselves when closed. */
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	assert(!l->running);
	uv_close((uv_handle_t *)&l->wakeup, NULL);
	uv_close((uv_handle_t *)&l->alarm, NULL);
	uv_close((uv_handle_t *)&l->soon, NULL);
	uv_walk(&l->uv, close_handle, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	int rc = uv_loop_close(&l->uv);
	assert(rc == 0);
	pthread_mutex_destroy(&l->lock);
	mem_free(l->heap);
	mem_free(l);
}
