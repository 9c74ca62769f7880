#include "records/records_test.h"

static struct records_input saving(struct store *s, const char *records)
{
	return (struct records_input){ .of = s->of, .records = sv_str(records), .run = 1 };
}

static void test_first_duplicate_wins(void **state)
{
	struct store *s = *state;
	struct records_input in =
		saving(s, "[{\"id\":\"1\",\"n\":1},{\"id\":\"2\"},{\"id\":\"1\",\"n\":2},"
			  "{\"id\":\"3\"},{\"id\":1,\"n\":3},{\"id\":\"4\"}]");
	own(records_batch_free) struct records_batch *b = run_batch(s, &in);

	assert_int_equal(b->counts.added, 4);
	assert_int_equal(b->duplicate_count, 1);
	assert_true(sv_eq_str(b->duplicates[0], "1"));
	assert_int_equal(live(s), 4);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"n\":1}");
}

static void test_same_and_changed(void **state)
{
	struct store *s = *state;

	expect_save(s, 1,
		"[{\"id\":\"1\",\"a\":1},{\"id\":\"2\",\"a\":1},{\"id\":\"3\"},{\"id\":\"4\"}]", 4,
		0, 0);
	struct sv before = field(s, "1", "_nango_metadata.cursor");
	expect_save(s, 2, "[{\"id\":\"1\",\"a\":1},{\"id\":\"2\",\"a\":\"longer than it was\"}]", 0,
		1, 1);
	assert_int_equal(live(s), 4);
	assert_string_equal(feed(s), "1:ADDED 3:ADDED 4:ADDED 2:UPDATED");
	assert_true(sv_eq(before, field(s, "1", "_nango_metadata.cursor")));
	assert_true(sv_eq(field(s, "1", "_nango_metadata.first_seen_at"),
		field(s, "1", "_nango_metadata.last_modified_at")));
	assert_false(sv_eq(field(s, "2", "_nango_metadata.first_seen_at"),
		field(s, "2", "_nango_metadata.last_modified_at")));
	assert_string_equal(payload(s, "3"), "{\"id\":\"3\"}");
}

static void test_unchanged_emits_nothing(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1},{\"id\":\"2\"}]", 2, 0, 0);
	struct sv last = edge(s, true);
	expect_save(s, 2, "[{\"id\":\"2\"},{\"a\":1.0,\"id\":\"1\"}]", 0, 0, 2);
	assert_true(sv_eq(last, edge(s, true)));
	assert_string_equal(actions(s, list(s, (struct records_query){ .cursor = last })), "");
}

static void test_numbers_and_strings_are_one_id(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":5,\"a\":1},{\"id\":1.5},{\"id\":0},{\"id\":1e21}]", 4, 0, 0);
	assert_string_equal(payload(s, "5"), "{\"id\":\"5\",\"a\":1}");
	assert_string_equal(payload(s, "0"), "{\"id\":\"0\"}");
	assert_string_equal(payload(s, "1e+21"), "{\"id\":\"1e+21\"}");
	expect_save(s, 1, "[{\"id\":\"5\",\"a\":1}]", 0, 0, 1);
	expect_save(s, 1, "[{\"id\":\"5\",\"a\":2}]", 0, 1, 0);
}

static void test_bad_batches(void **state)
{
	struct store *s = *state;
	struct err err;
	static const char *const bad[] = { "[{}]", "[{\"id\":null}]", "[{\"id\":true}]",
		"[{\"id\":\"\"}]", "[{\"id\":{}}]", "[null]", "[1]", "{\"id\":\"1\"}",
		"[{\"id\":\"1\"}", "", "[{\"id\":\"1\"}]x" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct records_input in = saving(s, bad[i]);
		if (try_batch(s, &in, &err) != ERR_INVALID)
			fail_msg("accepted %s", bad[i]);
	}
	struct records_input one = saving(s, "[{\"id\":\"a\"},{\"id\":[]}]");
	try_batch(s, &one, &err);
	assert_non_null(strstr(err.msg, "records[1].id"));
	assert_string_equal(feed(s), ""); /* not even the first */
}

static void test_length_of_ids(void **state)
{
	struct store *s = *state;
	char text[300];
	struct err err;

	snprintf(text, sizeof(text), "[{\"id\":\"%0255d\"}]", 1);
	expect_save(s, 1, text, 1, 0, 0);
	snprintf(text, sizeof(text), "[{\"id\":\"%0256d\"}]", 1);
	struct records_input in = saving(s, text);
	assert_int_equal(try_batch(s, &in, &err), ERR_INVALID);
}

static void test_nul(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"a\\u0000b\",\"t\":\"x\\u0000y\"}]", 1, 0, 0);
	assert_string_equal(payload(s, "ab"), "{\"id\":\"ab\",\"t\":\"x\\u0000y\"}");
	expect_save(s, 1, "[{\"id\":\"ab\",\"t\":\"x\\u0000y\"}]", 0, 0, 1);
}

static void test_metadata_is_not_stored(void **state)
{
	struct store *s = *state;

	expect_save(
		s, 1, "[{\"id\":\"1\",\"_nango_metadata\":{\"cursor\":\"x\"},\"a\":1}]", 1, 0, 0);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":1}");
	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1}]", 0, 0, 1);
}

static void test_order_within_batch(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"b\"},{\"id\":\"a\"},{\"id\":\"c\"}]", 3, 0, 0);
	assert_string_equal(feed(s), "b:ADDED a:ADDED c:ADDED");
	expect_save(
		s, 1, "[{\"id\":\"c\",\"x\":1},{\"id\":\"new\"},{\"id\":\"b\",\"x\":1}]", 1, 2, 0);
	assert_string_equal(feed(s), "a:ADDED c:UPDATED new:ADDED b:UPDATED");
}

static void test_large_batch_is_one(void **state)
{
	struct store *s = *state;
	char *text = many_records(s, 0, 2500, 1);
	char *twice = arena_printf(&s->arena, "%.*s,%s", (int)strlen(text) - 1, text, text + 1);
	struct records_input in = saving(s, twice);
	own(records_batch_free) struct records_batch *b = run_batch(s, &in);

	assert_int_equal(b->counts.added, 2500);
	assert_int_equal(b->duplicate_count, 2500);
	expect_save(s, 1, many_records(s, 0, 2500, 1), 0, 0, 2500);
	expect_save(s, 1, many_records(s, 1000, 3000, 2), 500, 1500, 0);
	expect_dataset(s, 3000, 3000);
}

/* What was decided on an old view is decided again. */
static void test_stale_preparation(void **state)
{
	struct store *s = *state;
	struct records_input in = saving(s, "[{\"id\":\"1\",\"a\":1}]");
	own(records_batch_free) struct records_batch *b = records_batch_new(&in);
	struct err err;

	assert_int_equal(db_run(s->db, DB_READ, (db_job_fn *)(void *)records_prepare, b, &err), 0);
	expect_save(s, 2, "[{\"id\":\"1\",\"a\":1}]", 1, 0, 0);
	assert_int_equal(db_run(s->db, DB_WRITE, (db_job_fn *)(void *)records_apply, b, &err), 0);
	assert_int_equal(b->counts.unchanged, 1);
	assert_int_equal(b->counts.added, 0);
	expect_save(s, 2, "[{\"id\":\"1\",\"a\":2}]", 0, 1, 0);
	assert_int_equal(db_run(s->db, DB_WRITE, (db_job_fn *)(void *)records_apply, b, &err), 0);
	assert_int_equal(b->counts.updated, 1);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":1}");
}

static void test_batch_sent_again_counts_once(void **state)
{
	struct store *s = *state;
	struct records_input in = saving(s, "[{\"id\":\"1\"},{\"id\":\"2\"}]");
	struct err err;

	in.seq = 1;
	for (int i = 0; i < 3; i++) {
		own(records_batch_free) struct records_batch *b = run_batch(s, &in);
		assert_int_equal(b->counts.added, 2);
		assert_int_equal(b->replayed, i > 0);
	}
	in.records = SV_LIT("[{\"id\":\"1\",\"other\":1}]");
	assert_int_equal(try_batch(s, &in, &err), ERR_CONFLICT);
	in.seq = 2;
	own(records_batch_free) struct records_batch *b = run_batch(s, &in);
	assert_int_equal(b->counts.updated, 1);
}

/* Merging. */

static int64_t guard_now(struct store *s)
{
	struct records_input in = saving(s, "[{\"id\":\"guard\"}]");
	own(records_batch_free) struct records_batch *b = run_batch(s, &in);

	return b->last_stamp;
}

static struct records_counts guarded_save(
	struct store *s, int64_t run, int64_t guard, const char *records, int64_t *ret_last)
{
	struct records_input in = saving(s, records);

	in.run = run;
	in.guard = guard;
	own(records_batch_free) struct records_batch *b = run_batch(s, &in);
	*ret_last = b->last_stamp;
	return b->counts;
}

static void test_guard(void **state)
{
	struct store *s = *state;
	int64_t last;

	expect_save(s, 1, "[{\"id\":\"1\",\"v\":1},{\"id\":\"2\",\"v\":1},{\"id\":\"3\",\"v\":1}]",
		3, 0, 0);
	int64_t guard = guard_now(s);
	expect_save(s, 99, "[{\"id\":\"2\",\"v\":\"theirs\"}]", 0, 1, 0);
	struct records_counts n = guarded_save(s, 2, guard,
		"[{\"id\":\"1\",\"v\":2},{\"id\":\"2\",\"v\":2},{\"id\":\"3\",\"v\":1},{\"id\":"
		"\"4\"}]",
		&last);
	assert_int_equal(n.added, 1);
	assert_int_equal(n.updated, 1);
	assert_int_equal(n.unchanged, 1);
	assert_int_equal(n.ignored, 1);
	assert_string_equal(payload(s, "2"), "{\"id\":\"2\",\"v\":\"theirs\"}");
	/* Our own later write is not foreign to us, whatever the guard. */
	n = guarded_save(s, 2, guard, "[{\"id\":\"1\",\"v\":3}]", &last);
	assert_int_equal(n.updated, 1);
	n = guarded_save(s, 2, guard, "[{\"id\":\"2\",\"v\":\"theirs\"}]", &last);
	assert_int_equal(n.unchanged, 1);
	assert_int_equal(last, 0);
}

static void test_guarded_delete(void **state)
{
	struct store *s = *state;
	struct records_input in = saving(s, "[{\"id\":\"1\"}]");

	int64_t guard = guard_now(s);
	expect_save(s, 99, "[{\"id\":\"1\"}]", 1, 0, 0);
	in.op = RECORDS_DELETE;
	in.guard = guard;
	own(records_batch_free) struct records_batch *b = run_batch(s, &in);
	assert_int_equal(b->counts.ignored, 1);
	assert_string_equal(feed(s), "guard:ADDED 1:ADDED");
}

/* To restore what was pruned is no change of ours: who wrote it may still write it. */
static void test_restoring_is_not_writing(void **state)
{
	struct store *s = *state;
	int64_t last;

	int64_t guard = guard_now(s);
	expect_save(s, 2, "[{\"id\":\"1\",\"v\":1},{\"id\":\"2\",\"v\":1}]", 2, 0, 0);
	prune(s, field(s, "1", "_nango_metadata.cursor"), 10);
	/* Beside a change, which has another writer in the same statement. */
	expect_save(s, 99, "[{\"id\":\"1\",\"v\":1},{\"id\":\"2\",\"v\":2}]", 0, 1, 1);
	struct records_counts n = guarded_save(s, 2, guard, "[{\"id\":\"1\",\"v\":2}]", &last);
	assert_int_equal(n.updated, 1);
	n = guarded_save(s, 2, guard, "[{\"id\":\"2\",\"v\":3}]", &last);
	assert_int_equal(n.ignored, 1);
}

int save_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_first_duplicate_wins),
		STORE_TEST(test_same_and_changed),
		STORE_TEST(test_unchanged_emits_nothing),
		STORE_TEST(test_numbers_and_strings_are_one_id),
		STORE_TEST(test_bad_batches),
		STORE_TEST(test_length_of_ids),
		STORE_TEST(test_nul),
		STORE_TEST(test_metadata_is_not_stored),
		STORE_TEST(test_order_within_batch),
		STORE_TEST(test_large_batch_is_one),
		STORE_TEST(test_stale_preparation),
		STORE_TEST(test_batch_sent_again_counts_once),
		STORE_TEST(test_guard),
		STORE_TEST(test_guarded_delete),
		STORE_TEST(test_restoring_is_not_writing),
	};
	return cmocka_run_group_tests_name("save", tests, NULL, NULL);
}
