#include "model/sync_schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

extern const struct CMUnitTest sync_schedule_tests[];
extern const size_t sync_schedule_test_count;

enum { MINUTE = 60000, HOUR = 3600000, DAY = 86400000 };

static struct sync_schedule of(const char *id, int64_t interval)
{
	return (struct sync_schedule){
		.sync_id = sv_str(id), .created_ms = 1000, .interval_ms = interval
	};
}

static void slots(void **state UNUSED)
{
	assert_int_equal(sync_schedule_slot_ms(0, 10, 0), 0);
	assert_int_equal(sync_schedule_slot_ms(3, 10, 0), 3);
	assert_int_equal(sync_schedule_slot_ms(3, 10, 3), 3);
	assert_int_equal(sync_schedule_slot_ms(3, 10, 4), 13);
	assert_int_equal(sync_schedule_slot_ms(9, 10, 100), 109);
}

static void short_periods_start_at_creation(void **state UNUSED)
{
	struct sync_schedule s = of("a", 15000);

	assert_int_equal(sync_schedule_next_ms(&s, 0, 1001), 16000);
	assert_int_equal(sync_schedule_next_ms(&s, 16000, 16002), 31000);
}

static void long_periods_are_spread(void **state UNUSED)
{
	unsigned bucket[10] = { 0 };
	char id[20];

	for (int i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "sync-%d", i);
		struct sync_schedule s = of(id, HOUR);
		int64_t phase = sync_schedule_phase_ms(s.sync_id, s.created_ms, s.interval_ms);
		assert_in_range(phase, 0, HOUR - 1);
		bucket[phase / (HOUR / 10)]++;
	}
	for (size_t i = 0; i < ARRAY_LEN(bucket); i++)
		assert_in_range(bucket[i], 800, 1200);
}

static void a_year_of_hourly_runs(void **state UNUSED)
{
	struct sync_schedule s = of("0b6f5bb5-6d5c-4f4c-9f0f-000000000001", HOUR);
	int64_t due = 1000, runs = 0, last = 0;

	for (; due < 365LL * DAY; runs++) {
		int64_t next = sync_schedule_next_ms(&s, due, due + 2000);
		assert_in_range(next - due, 1, HOUR + 2000);
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
	struct sync_schedule s = of("x", HOUR);
	int64_t first = sync_schedule_next_ms(&s, 0, 1000);

	assert_int_equal(sync_schedule_next_ms(&s, first, first + 5 * HOUR + 1), first + 6 * HOUR);
	assert_int_equal(sync_schedule_next_ms(&s, first, first + HOUR), first + HOUR);
}

static void triggered_runs_leave_the_grid_alone(void **state UNUSED)
{
	struct sync_schedule s = of("x", HOUR);
	int64_t slot = sync_schedule_next_ms(&s, 0, 1000);

	assert_int_equal(sync_schedule_next_ms(&s, 0, slot - 10), slot);
}

static void retries_fit_into_the_period(void **state UNUSED)
{
	struct sync_schedule s = of("x", HOUR);

	int64_t wait = sync_schedule_retry_ms(&s, 1, 1, HOUR, 0);
	assert_in_range(wait, 5000, 7500);
	assert_int_equal(sync_schedule_retry_ms(&s, 2, 1, HOUR, 0), -1);
	assert_int_equal(sync_schedule_retry_ms(&s, 1, 1, 4000, 0), -1);
	assert_in_range(sync_schedule_retry_ms(&s, 2, 5, HOUR, 0), 10000, 15000);
}

const struct CMUnitTest sync_schedule_tests[] = {
	cmocka_unit_test(slots),
	cmocka_unit_test(short_periods_start_at_creation),
	cmocka_unit_test(long_periods_are_spread),
	cmocka_unit_test(a_year_of_hourly_runs),
	cmocka_unit_test(overruns_and_downtime_drop_slots),
	cmocka_unit_test(triggered_runs_leave_the_grid_alone),
	cmocka_unit_test(retries_fit_into_the_period),
};
const size_t sync_schedule_test_count = ARRAY_LEN(sync_schedule_tests);
