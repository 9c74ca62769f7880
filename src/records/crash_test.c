/*
 * Promise 2 of the design: whenever the process is killed, what was acknowledged is there, what it
 * was at is there as a whole or not at all, and the tables agree. At every fault point:
 * fault_test.c.
 */
#include "records/kill_test.h"

/* A few; `./run crash` is hundreds. */
static void test_killed_at_random(void **state)
{
	struct kills kills = { .cycles = 10, .seed = 1, .most_ms = 60 };
	struct kills_result result;

	kills_run(*state, &kills, &result);
	assert_true(result.acknowledged > 0);
}

int crash_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_killed_at_random),
	};
	return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
