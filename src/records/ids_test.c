/* Where ids are found: among the recent, in the index, in both while they move; known to be new. */
#include "records/records_test.h"

#include "records/known.h"

/* Ids are found, and go when their rows go, in record_ids and in record_recent. */
static void test_recent_and_older_ids(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, many_records(s, 0, 17000, 1), 17000, 0, 0);
	expect_save(s, 1, many_records(s, 17000, 18000, 1), 1000, 0, 0);
	expect_save(s, 2, many_records(s, 16500, 18500, 1), 500, 0, 1500);
	expect_save(s, 2, many_records(s, 0, 18500, 2), 0, 18500, 0);
	assert_string_equal(payload(s, "3"), "{\"id\":\"3\",\"v\":2}");
	assert_string_equal(payload(s, "18499"), "{\"id\":\"18499\",\"v\":2}");
	assert_int_equal(empty(s, 14000).count, 14000);
	assert_int_equal(empty(s, 4000).count, 4000); /* some of both */
	expect_save(s, 3, many_records(s, 17990, 18500, 2), 10, 0, 500);
	expect_dataset(s, 510, 510);
	while (empty(s, 300).more)
		;
	expect_save(s, 3, many_records(s, 0, 1000, 2), 1000, 0, 0);
	expect_save(s, 3, many_records(s, 17500, 18500, 2), 1000, 0, 0);
	expect_dataset(s, 2000, 2000);
}

/* 1000 ids from `from` on, `step` apart and in an order of their own; every third is unknown. */
static char *mixed(struct store *s, const char *unknown, int from, int step)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%c{\"id\":\"%s%d\",\"v\":1}", i ? ',' : '[',
			i % 3 == 2 ? unknown : "", from + i * 7 % 1000 * step);
	buf_char(&b, ']');
	char *text = arena_str(&s->arena, buf_sv(&b));
	buf_done(&b);
	return text;
}

/* Rows that are near each other are read together, others one by one: the same comes out. */
static void test_near_and_far_ids(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, many_records(s, 0, 20000, 1), 20000, 0, 0);
	expect_save(s, 2, mixed(s, "a", 5000, 1), 333, 0, 667);
	expect_save(s, 2, mixed(s, "a", 5000, 1), 0, 0, 1000);
	expect_save(s, 2, mixed(s, "b", 100, 19), 333, 0, 667);
	expect_save(s, 2, mixed(s, "c", 19000, 1), 333, 0, 667);
	expect_save(s, 3, many_records(s, 0, 20000, 1), 0, 0, 20000);
	/* Rows that went leave gaps. */
	assert_int_equal(empty(s, 5500).count, 5500);
	expect_save(s, 4, many_records(s, 5000, 6000, 1), 500, 0, 500);
	expect_save(s, 4, many_records(s, 5000, 6000, 2), 0, 1000, 0);
}

#ifdef TIDEMARK_TEST_HOOKS

/* Moving. */

static bool is_moving(struct store *s)
{
	return strcmp(testdb_ask(&s->at, "SELECT moving FROM datasets"), "0 ") != 0;
}

/* Half of the ids are in both places: found, removed from both, moved no second time. */
static void test_half_moved_ids(void **state)
{
	struct store *s = *state;

	ids_recent_most = 200;
	expect_save(s, 1, many_records(s, 0, 200, 1), 200, 0, 0);
	assert_true(is_moving(s));
	check_store(s);
	expect_save(s, 2, many_records(s, 100, 200, 1), 0, 0, 100);
	assert_int_equal(empty(s, 60).count, 60);
	check_store(s);
	expect_save(s, 2, many_records(s, 60, 200, 2), 0, 140, 0);
	assert_true(is_moving(s));
	expect_save(s, 3, many_records(s, 0, 200, 2), 60, 0, 140);
	assert_false(is_moving(s));
	check_store(s);
	expect_save(s, 3, many_records(s, 0, 200, 2), 0, 0, 200);
	expect_dataset(s, 200, 200);
}

static void test_emptied_while_ids_move(void **state)
{
	struct store *s = *state;

	ids_recent_most = 1100;
	expect_save(s, 1, many_records(s, 0, 2500, 1), 2500, 0, 0);
	assert_true(is_moving(s));
	assert_int_equal(empty(s, 20000).count, 2500);
	assert_false(is_moving(s));
	expect_save(s, 2, many_records(s, 1000, 3500, 1), 2500, 0, 0);
	check_store(s);
	/* Others come while they move. */
	for (int at = 3500; at < 9500; at += 1000)
		expect_save(s, 3, many_records(s, at - 500, at + 1000, 1), 1000, 0, 500);
	check_store(s);
}

/* Known ids. */

static void save_many(struct store *s, int from, int to, int added, int unchanged)
{
	for (int at = from; at < to; at += 1000)
		expect_save(s, 1, many_records(s, at, at + 1000, 1), added, 0, unchanged);
}

/*
 * New ids are known to be new without a look-up, and what is known does not outlive the row
 * numbers: other ids that get them are found.
 */
static void test_known_ids(void **state)
{
	struct store *s = *state;
	int64_t before = known_skipped;

	ids_recent_most = 1000;
	save_many(s, 0, 10000, 1000, 0);
	assert_true(known_skipped - before > 7900);
	for (int again = 0; again < 2; again++) {
		int first = 100000 * (again + 1);
		assert_int_equal(empty(s, 20000).count, 10000);
		save_many(s, first, first + 10000, 1000, 0);
		/* Far apart, so that they are looked up one by one. */
		for (int i = 0; i < 8; i++)
			expect_save(s, 2, mixed(s, "", first + i, 9), 0, 0, 1000);
	}
	expect_dataset(s, 10000, 10000);
}

/* Each has other ids than the others, at least 100 more with each turn. */
static void save_in_turn(struct store *s, int datasets, int turns)
{
	for (int turn = 0; turn < turns; turn++)
		for (int i = 0; i < datasets; i++) {
			s->of.connection = 7 + i;
			expect_save(s, 1, many_records(s, turn * 100 + i, turn * 100 + i + 100, 1),
				100, 0, 0);
			expect_save(s, 2, many_records(s, i, turn * 100 + i + 100, 1), 0, 0,
				turn * 100 + 100);
		}
}

/* More datasets than there are filters. */
static void test_known_ids_of_many(void **state)
{
	struct store *s = *state;

	ids_recent_most = 100;
	save_in_turn(s, 70, 6);
	/* The first gives way. */
	s->of.connection = 7 + 69;
	for (int from = 1000; from < 61000; from += 100)
		expect_save(s, 1, many_records(s, from, from + 100, 1), 100, 0, 0);
	int64_t before = known_skipped;
	expect_save(s, 1, many_records(s, 61000, 62000, 1), 1000, 0, 0);
	assert_true(known_skipped - before > 900);
}

/* Two filters have room; others come and give way, to them and later for them. */
static void test_room_for_known_ids(void **state)
{
	struct store *s = *state;

	ids_recent_most = 100;
	known_most_bytes = 2 * 65536 * 16 / 8;
	save_in_turn(s, 3, 5);
	int64_t before = known_skipped;
	s->of.connection = 7 + 2;
	expect_save(s, 1, many_records(s, 5000, 6000, 1), 1000, 0, 0);
	assert_true(known_skipped == before);
	for (int from = 6000; from < 46000; from += 100)
		expect_save(s, 1, many_records(s, from, from + 100, 1), 100, 0, 0);
	assert_true(known_skipped - before > 10000);
	s->of.connection = 7;
	expect_save(s, 1, many_records(s, 0, 600, 1), 100, 0, 500);
}

/*
 * PostgreSQL: the connections lead to another server by now, or to one that has lost commits, where
 * other rows have the numbers. (Here: another process gives them to other rows, and the dataset's
 * numbering is put back.)
 */
static void test_known_ids_of_a_lost_server(void **state)
{
	struct store *s = *state, other = *s;

	if (!testdb_is_postgres(&s->at))
		return;
	ids_recent_most = 1000;
	save_many(s, 0, 5000, 1000, 0);
	char *numbering =
		arena_str(&s->arena, sv_str(testdb_ask(&s->at, "SELECT numbering FROM datasets")));
	other.arena = (struct arena){ 0 };
	store_open_db(&other, NULL);
	assert_int_equal(empty(&other, 20000).count, 5000);
	save_many(&other, 5000, 10000, 1000, 0);
	db_close(other.db);
	arena_done(&other.arena);
	testdb_ask(
		&s->at, arena_printf(&s->arena, "UPDATE datasets SET numbering = %s", numbering));
	testdb_ask(&s->at, "SELECT pg_stat_reset_shared('archiver')");
	for (int from = 5000; from < 10000; from += 1000)
		expect_save(s, 1, mixed(s, "", from, 1), 0, 0, 1000);
}

static int ids_teardown(void **state)
{
	ids_recent_most = 0;
	known_most_bytes = 0;
	return store_teardown(state);
}

#define HOOKED_TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, ids_teardown)

#endif

int ids_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_recent_and_older_ids),
		STORE_TEST(test_near_and_far_ids),
#ifdef TIDEMARK_TEST_HOOKS
		HOOKED_TEST(test_half_moved_ids),
		HOOKED_TEST(test_emptied_while_ids_move),
		HOOKED_TEST(test_known_ids),
		HOOKED_TEST(test_known_ids_of_many),
		HOOKED_TEST(test_room_for_known_ids),
		HOOKED_TEST(test_known_ids_of_a_lost_server),
#endif
	};

	return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
