/*
 * What a batch costs must not depend on what PostgreSQL's planner believes about the tables. In
 * each state of its statistics (never taken, taken when there was next to nothing, fresh) the hot
 * path may touch a few index entries for each record, and never scan a table or a whole dataset.
 */
#include "records/records_test.h"

enum { ROWS = 20000, BATCH = 1000 };

static int64_t number(struct store *s, const char *sql)
{
	return strtoll(testdb_ask(&s->at, sql), NULL, 10);
}

/* Sessions report what they touched when they end. */
static void flush(struct store *s)
{
	db_close(s->db);
	while (number(s, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
			 "AND application_name = 'tidemark'"))
		;
	store_open_db(s, NULL);
}

static int64_t touched(struct store *s)
{
	flush(s);
	return number(s, "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes "
			 "WHERE relname LIKE 'record%'");
}

static int64_t scanned(struct store *s)
{
	return number(s, "SELECT sum(seq_tup_read)::bigint FROM pg_stat_user_tables "
			 "WHERE relname LIKE 'record%'");
}

/* 1000 unchanged, 1000 changed, 500 deleted, 500 back, 1000 read. */
static void work(struct store *s)
{
	struct records_query page = { .limit = 1000 };

	expect_save(s, 2, many_records(s, 3000, 3000 + BATCH, 0), 0, 0, BATCH);
	expect_save(s, 2, many_records(s, 9000, 9000 + BATCH, 1), 0, BATCH, 0);
	expect_delete(s, 2, many_records(s, 15000, 15500, 0), 500, 0);
	expect_save(s, 2, many_records(s, 15000, 15500, 0), 500, 0, 0);
	list(s, page);
}

static void expect_few(struct store *s)
{
	int64_t before = touched(s), scans = scanned(s);

	work(s);
	int64_t entries = touched(s) - before;
	/* Two or three look-ups for each of 4000 records; reading a dataset once adds 20000. */
	if (entries > 4000 * 4)
		fail_msg("%lld index entries for 4000 records", (long long)entries);
	assert_int_equal(scanned(s), scans);
}

static void fill(struct store *s)
{
	for (int i = 0; i < ROWS; i += BATCH)
		expect_save(s, 1, many_records(s, i, i + BATCH, 0), BATCH, 0, 0);
}

static void no_statistics(struct store *s)
{
	testdb_ask(&s->at, "ALTER TABLE record_feed SET (autovacuum_enabled = off)");
	testdb_ask(&s->at, "ALTER TABLE record_keys SET (autovacuum_enabled = off)");
	testdb_ask(&s->at, "ALTER TABLE record_ids SET (autovacuum_enabled = off)");
}

static void test_never_analysed(void **state)
{
	struct store *s = *state;

	no_statistics(s);
	fill(s);
	expect_few(s);
}

static void test_stale_statistics(void **state)
{
	struct store *s = *state;

	no_statistics(s);
	expect_save(s, 1, "[{\"id\":\"first\"}]", 1, 0, 0);
	testdb_ask(&s->at, "ANALYZE");
	fill(s);
	expect_few(s);
}

static void test_fresh_statistics(void **state)
{
	struct store *s = *state;

	no_statistics(s);
	fill(s);
	testdb_ask(&s->at, "ANALYZE");
	expect_few(s);
}

int plan_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_never_analysed),
		STORE_TEST(test_stale_statistics),
		STORE_TEST(test_fresh_statistics),
	};

	/* SQLite has one plan for each statement: nothing of ours analyses its tables. */
	if (!getenv("TIDEMARK_TEST_POSTGRES"))
		return 0;
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
