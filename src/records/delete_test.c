#include "records/records_test.h"

static void test_delete(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	expect_delete(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0);
	expect_dataset(s, 3, 1);
	assert_string_equal(feed(s), "3:ADDED 1:DELETED 2:DELETED");
	/* The last payload is kept, and the time is that of the change. */
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":1}");
	assert_true(sv_eq(field(s, "1", "_nango_metadata.deleted_at"),
		field(s, "1", "_nango_metadata.last_modified_at")));
}

static void test_delete_again_is_nothing(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0, 0);
	expect_delete(s, 1, "[{\"id\":\"1\"}]", 1, 0);
	struct sv last = edge(s, true);
	expect_delete(s, 2, "[{\"id\":\"1\"}]", 0, 1);
	assert_true(sv_eq(last, edge(s, true)));
	expect_dataset(s, 2, 1);
}

static void test_unknown_is_ignored(void **state)
{
	struct store *s = *state;

	expect_delete(s, 1, "[{\"id\":\"1\"}]", 0, 1);
	assert_string_equal(feed(s), "");
	expect_dataset(s, 0, 0);
}

static void test_undelete(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1},{\"id\":\"2\",\"a\":1}]", 2, 0, 0);
	expect_delete(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0);
	expect_save(
		s, 2, "[{\"id\":\"1\",\"a\":1},{\"id\":\"2\",\"a\":2}]", 2, 0, 0); /* same or not */
	expect_dataset(s, 2, 2);
	assert_string_equal(feed(s), "1:ADDED 2:ADDED");
	assert_true(sv_eq_str(field(s, "1", "_nango_metadata.deleted_at"), "null"));
	assert_true(sv_eq(field(s, "1", "_nango_metadata.first_seen_at"),
		field(s, "1", "_nango_metadata.last_modified_at")));
	expect_save(s, 2, "[{\"id\":\"1\",\"a\":1}]", 0, 0, 1);
}

static void test_time_of_deletion(void **state)
{
	struct store *s = *state;
	struct err err;

	expect_save(s, 1,
		"[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"},{\"id\":\"4\"},{\"id\":\"5\"}]", 5,
		0, 0);
	expect_delete(s, 1,
		"[{\"id\":\"1\",\"deletedAt\":\"2020-01-02T03:04:05.678Z\"},"
		"{\"id\":\"2\",\"deletedAt\":1577934245000},"
		"{\"id\":\"3\",\"deletedAt\":\"2020-01-02\"},"
		"{\"id\":\"4\",\"deletedAt\":\"1960-01-02T00:00:00+01:00\"},"
		"{\"id\":\"5\",\"deletedAt\":null}]",
		5, 0);
	assert_true(sv_eq_str(
		field(s, "1", "_nango_metadata.deleted_at"), "2020-01-02T03:04:05.678+00:00"));
	assert_true(sv_eq_str(
		field(s, "2", "_nango_metadata.deleted_at"), "2020-01-02T03:04:05+00:00"));
	assert_true(sv_eq_str(
		field(s, "3", "_nango_metadata.deleted_at"), "2020-01-02T00:00:00+00:00"));
	assert_true(sv_eq_str(
		field(s, "4", "_nango_metadata.deleted_at"), "1960-01-01T23:00:00+00:00"));
	assert_true(sv_eq(field(s, "5", "_nango_metadata.deleted_at"),
		field(s, "5", "_nango_metadata.last_modified_at")));
	struct records_input in = { .of = s->of,
		.op = RECORDS_DELETE,
		.records = SV_LIT("[{\"id\":\"1\"},{\"id\":\"2\",\"deletedAt\":\"soon\"}]") };
	assert_int_equal(try_batch(s, &in, &err), ERR_INVALID);
	assert_string_equal(err.msg, "records[1].deletedAt: expected a time");
}

/* Deletion detection. */

static void save_three_generations(struct store *s)
{
	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"4\"}]", 2, 0, 0);
	expect_save(s, 2, "[{\"id\":\"2\"}]", 1, 0, 0);
	expect_save(s, 3, "[{\"id\":\"3\"}]", 1, 0, 0);
	expect_delete(s, 3, "[{\"id\":\"4\"}]", 1, 0);
}

static void test_outdated(void **state)
{
	struct store *s = *state;

	save_three_generations(s);
	assert_string_equal(outdated(s, 1, 3), "");
	assert_string_equal(outdated(s, 3, 3), "\"1\",\"2\"");
	assert_string_equal(outdated(s, 3, 3), "");
	assert_string_equal(feed(s), "3:ADDED 4:DELETED 1:DELETED 2:DELETED");
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\"}");
	expect_dataset(s, 4, 1);
	assert_string_equal(outdated(s, 4, 4), "\"3\"");
}

static void test_unchanged_is_seen(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	expect_save(s, 2, "[{\"id\":\"2\"}]", 0, 0, 1);
	expect_save(s, 9, "[{\"id\":\"3\"}]", 0, 0, 1); /* a webhook, with a later run */
	assert_string_equal(outdated(s, 2, 2), "\"1\"");
}

static void test_window_over_failed_runs(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"},{\"id\":\"4\"}]", 4, 0, 0);
	track_start(s, 5);
	expect_save(s, 5, "[{\"id\":\"1\"}]", 0, 0, 1);
	/* The run fails, the next goes on. Its start leaves the window as it is. */
	track_start(s, 6);
	expect_save(s, 6, "[{\"id\":\"2\"}]", 0, 0, 1);
	assert_string_equal(track_end(s, 6, 0), "\"3\",\"4\"");
	assert_string_equal(track_end(s, 6, 0),
		"error: No track deletes starting point found for model 'Contact'.");
}

static void test_end_without_start(void **state)
{
	struct store *s = *state;

	s->of.model = SV_LIT("Contact::eu");
	assert_string_equal(track_end(s, 1, 0),
		"error: No track deletes starting point found for model 'Contact'.");
}

static int done_job(struct dbc *c, void *arg, struct err *err)
{
	int64_t run = *(int64_t *)arg;

	return records_run_done(c, 7, run, run + 1, err);
}

/* What was seen lasts as long as the window, and no longer. */
static void test_seen_is_kept_for_windows(void **state)
{
	struct store *s = *state;
	struct err err;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0, 0);
	track_start(s, 2);
	for (int64_t run = 2; run < 20; run++) {
		if (run == 2)
			expect_save(s, run, "[{\"id\":\"1\"}]", 0, 0, 1);
		assert_int_equal(db_run(s->db, DB_WRITE, done_job, &run, &err), 0);
	}
	assert_string_equal(track_end(s, 20, 0), "\"2\"");
	int64_t run = 20;
	assert_int_equal(db_run(s->db, DB_WRITE, done_job, &run, &err), 0);
	assert_string_equal(outdated(s, 2, 21), "\"1\"");
}

static void test_small_steps_cover_all(void **state)
{
	struct store *s = *state;

	expect_save(s, 1,
		"[{\"id\":\"01\"},{\"id\":\"02\"},{\"id\":\"03\"},{\"id\":\"04\"},{\"id\":\"05\"},{"
		"\"id\":\"06\"},"
		"{\"id\":\"07\"},{\"id\":\"08\"},{\"id\":\"09\"},{\"id\":\"10\"},{\"id\":\"11\"}]",
		11, 0, 0);
	track_start(s, 2);
	expect_save(s, 2, "[{\"id\":\"05\"}]", 0, 0, 1);
	assert_string_equal(track_end(s, 2, 3),
		"\"01\",\"02\",\"03\",\"04\",\"06\",\"07\",\"08\",\"09\",\"10\",\"11\"");
	expect_dataset(s, 11, 1);
}

/* More rows than one chunk of the set holds, in no order. */
static void test_many_rows(void **state)
{
	struct store *s = *state;
	struct buf b;

	buf_init(&b, 1 << 24);
	for (int i = 0; i < 20000; i++)
		buf_printf(&b, "%c{\"id\":\"%05d\"}", i ? ',' : '[', i);
	buf_char(&b, ']');
	expect_save(s, 1, b.ptr, 20000, 0, 0);
	buf_clear(&b);
	for (int i = 0; i < 20000; i++)
		if (i * 7919 % 20000 != 12345)
			buf_printf(&b, "%c{\"id\":\"%05d\"}", i ? ',' : '[', i * 7919 % 20000);
	buf_char(&b, ']');
	expect_save(s, 2, b.ptr, 0, 0, 19999);
	assert_string_equal(outdated(s, 2, 2), "\"12345\"");
	buf_done(&b);
}

int delete_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_delete),
		STORE_TEST(test_delete_again_is_nothing),
		STORE_TEST(test_unknown_is_ignored),
		STORE_TEST(test_undelete),
		STORE_TEST(test_time_of_deletion),
		STORE_TEST(test_outdated),
		STORE_TEST(test_unchanged_is_seen),
		STORE_TEST(test_window_over_failed_runs),
		STORE_TEST(test_end_without_start),
		STORE_TEST(test_seen_is_kept_for_windows),
		STORE_TEST(test_small_steps_cover_all),
		STORE_TEST(test_many_rows),
	};
	return cmocka_run_group_tests_name("delete", tests, NULL, NULL);
}
