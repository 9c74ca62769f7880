#include "js/timers.h"

#include "base/mem.h"

#include <limits.h>

void timers_done(struct timers *t)
{
	mem_free(t->heap);
	*t = (struct timers){ 0 };
}

/* Ids grow with time, so equal due times fire in the order they were set. */
static bool before(const struct js_timer *a, const struct js_timer *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->id < b->id;
}

static void swap(struct timers *t, size_t i, size_t k)
{
	struct js_timer tmp = t->heap[i];

	t->heap[i] = t->heap[k];
	t->heap[k] = tmp;
}

static void rise(struct timers *t, size_t i)
{
	for (; i > 0 && before(&t->heap[i], &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(t, i, (i - 1) / 2);
}

static void sink(struct timers *t, size_t i)
{
	for (;;) {
		size_t first = i, left = 2 * i + 1, right = left + 1;
		if (left < t->len && before(&t->heap[left], &t->heap[first]))
			first = left;
		if (right < t->len && before(&t->heap[right], &t->heap[first]))
			first = right;
		if (first == i)
			return;
		swap(t, i, first);
		i = first;
	}
}

void timers_add(struct timers *t, struct js_timer timer)
{
	if (t->len == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->heap = mem_realloc(t->heap, t->cap * sizeof(*t->heap));
	}
	t->heap[t->len] = timer;
	rise(t, t->len++);
}

static void remove_at(struct timers *t, size_t i)
{
	t->heap[i] = t->heap[--t->len];
	if (i < t->len) {
		rise(t, i);
		sink(t, i);
	}
}

bool timers_remove(struct timers *t, uint32_t run, uint32_t id)
{
	for (size_t i = 0; i < t->len; i++) {
		if (t->heap[i].run != run || t->heap[i].id != id)
			continue;
		remove_at(t, i);
		return true;
	}
	return false;
}

void timers_remove_run(struct timers *t, uint32_t run)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->len; i++)
		if (t->heap[i].run != run)
			t->heap[kept++] = t->heap[i];
	t->len = kept;
	for (size_t i = kept / 2; i-- > 0;)
		sink(t, i);
}

bool timers_take_due(struct timers *t, int64_t now_us, struct js_timer *ret)
{
	if (t->len == 0 || t->heap[0].due_us > now_us)
		return false;
	*ret = t->heap[0];
	remove_at(t, 0);
	return true;
}

int timers_wait_ms(const struct timers *t, int64_t now_us)
{
	if (t->len == 0)
		return -1;
	int64_t us = t->heap[0].due_us - now_us;
	if (us <= 0)
		return 0;
	return us / 1000 >= INT_MAX ? INT_MAX : (int)((us + 999) / 1000);
}
