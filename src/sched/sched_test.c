#include "base/clock.h"
#include "sched/schedule.h"
#include "sched/ticker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { MINUTE = 60000, HOUR = 3600000, DAY = 86400000 };

static struct schedule of(const char *id, int64_t interval)
{
	return (struct schedule){
		.sync_id = sv_str(id), .created_ms = 1000, .interval_ms = interval
	};
}

static void slots(void **state UNUSED)
{
	assert_int_equal(schedule_slot_ms(0, 10, 0), 0);
	assert_int_equal(schedule_slot_ms(3, 10, 0), 3);
	assert_int_equal(schedule_slot_ms(3, 10, 3), 3);
	assert_int_equal(schedule_slot_ms(3, 10, 4), 13);
	assert_int_equal(schedule_slot_ms(9, 10, 100), 109);
}

static void short_periods_start_at_creation(void **state UNUSED)
{
	struct schedule s = of("a", 15000);

	assert_int_equal(schedule_next_ms(&s, 0, 1001), 16000);
	assert_int_equal(schedule_next_ms(&s, 16000, 16002), 31000);
}

static void long_periods_are_spread(void **state UNUSED)
{
	unsigned bucket[10] = { 0 };
	char id[20];

	for (int i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "sync-%d", i);
		struct schedule s = of(id, HOUR);
		int64_t phase = schedule_phase_ms(s.sync_id, s.created_ms, s.interval_ms);
		assert_in_range(phase, 0, HOUR - 1);
		bucket[phase / (HOUR / 10)]++;
	}
	for (size_t i = 0; i < ARRAY_LEN(bucket); i++)
		assert_in_range(bucket[i], 800, 1200);
}

static void a_year_of_hourly_runs(void **state UNUSED)
{
	struct schedule s = of("0b6f5bb5-6d5c-4f4c-9f0f-000000000001", HOUR);
	int64_t due = 1000, runs = 0, last = 0;

	for (; due < 365LL * DAY; runs++) {
		int64_t next = schedule_next_ms(&s, due, due + 2000);
		assert_true(next >= due + HOUR / 2);
		if (runs > 0)
			assert_int_equal(next - due, HOUR);
		last = due;
		due = next;
	}
	assert_in_range(runs, 365 * 24 - 1, 365 * 24 + 1);
	assert_true(last > 0);
}

static void overruns_and_downtime_drop_slots(void **state UNUSED)
{
	struct schedule s = of("x", HOUR);
	int64_t first = schedule_next_ms(&s, 0, 1000);

	assert_int_equal(schedule_next_ms(&s, first, first + 5 * HOUR + 1), first + 6 * HOUR);
	assert_int_equal(schedule_next_ms(&s, first, first + HOUR), first + HOUR);
}

static void triggered_runs_leave_the_grid_alone(void **state UNUSED)
{
	struct schedule s = of("x", HOUR);
	int64_t slot = schedule_next_ms(&s, 0, 1000);

	assert_int_equal(schedule_next_ms(&s, 0, slot - 10), slot);
}

static void retries_fit_into_the_period(void **state UNUSED)
{
	struct schedule s = of("x", HOUR);

	int64_t wait = schedule_retry_ms(&s, 1, 1, HOUR, 0);
	assert_in_range(wait, 5000, 7500);
	assert_int_equal(schedule_retry_ms(&s, 2, 1, HOUR, 0), -1);
	assert_int_equal(schedule_retry_ms(&s, 1, 1, 4000, 0), -1);
	assert_in_range(schedule_retry_ms(&s, 2, 5, HOUR, 0), 10000, 15000);
}

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
	assert_int_equal(h.looks, 3);
}

static void wake_during_a_look_looks_again(void **state UNUSED)
{
	struct host h = { .stop_after = 2, .wake_inside = true };

	run(&h);
	assert_int_equal(h.looks, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots),
		cmocka_unit_test(short_periods_start_at_creation),
		cmocka_unit_test(long_periods_are_spread),
		cmocka_unit_test(a_year_of_hourly_runs),
		cmocka_unit_test(overruns_and_downtime_drop_slots),
		cmocka_unit_test(triggered_runs_leave_the_grid_alone),
		cmocka_unit_test(retries_fit_into_the_period),
		cmocka_unit_test(ticker_looks_when_due),
		cmocka_unit_test(wake_during_a_look_looks_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
