#include "base/clock.h"
#include "sched/ticker.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A host that counts its looks and stops the loop after some. */
struct host {
	struct loop *loop;
	struct sched *sched;
	int looks, stop_after;
	int64_t next_in;
	bool wake_inside;
};

static void look(void *ctx)
{
	struct host *h = ctx;

	if (++h->looks >= h->stop_after)
		loop_stop(h->loop);
	if (h->wake_inside)
		sched_wake(h->sched);
	sched_looked(h->sched, h->next_in ? clock_now_ms() + h->next_in : 0);
}

static void run(struct host *h)
{
	h->loop = loop_new();
	h->sched = sched_new(h->loop, look, h);
	sched_wake(h->sched);
	assert_int_equal(h->looks, 0);
	loop_run(h->loop);
	sched_free(h->sched);
	loop_free(h->loop);
}

static void ticker_looks_when_due(void **state UNUSED)
{
	struct host h = { .stop_after = 3, .next_in = 5 };

	run(&h);
	assert_in_range(h.looks, 3, 20);
}

static void wake_during_a_look_looks_again(void **state UNUSED)
{
	struct host h = { .stop_after = 2, .wake_inside = true };

	run(&h);
	assert_in_range(h.looks, 2, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticker_looks_when_due),
		cmocka_unit_test(wake_during_a_look_looks_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
