#include "records/merge.h"
#include "records/records_test.h"

static void expect_merge(const char *stored, const char *patch, const char *want)
{
	struct err err;
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(merge_objects(sv_str(stored), sv_str(patch), &out, &err), 0);
	if (strcmp(out.ptr, want) != 0)
		fail_msg("%s + %s = %s, not %s", stored, patch, out.ptr, want);
	buf_done(&out);
}

static void test_merge(void **state)
{
	(void)state;
	expect_merge("{}", "{}", "{}");
	expect_merge("{\"a\":1}", "{}", "{\"a\":1}");
	expect_merge("{\"a\":1}", "{\"a\":2}", "{\"a\":2}");
	expect_merge("{\"a\":1,\"b\":2,\"c\":3}", "{\"d\":0,\"b\":null}",
		"{\"a\":1,\"c\":3,\"d\":0,\"b\":null}");
	expect_merge("{\"a\":{\"x\":1,\"y\":{\"p\":1}}}", "{\"a\":{\"y\":{\"q\":2}}}",
		"{\"a\":{\"x\":1,\"y\":{\"p\":1,\"q\":2}}}");
	expect_merge("{\"a\":[1,2,{\"x\":1}]}", "{\"a\":[3]}", "{\"a\":[3]}");
	expect_merge("{\"a\":[1]}", "{\"b\":1}", "{\"a\":[1],\"b\":1}");
	expect_merge("{\"a\":[1]}", "{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1}}");
	expect_merge("{\"a\":{\"x\":1}}", "{\"a\":[1]}", "{\"a\":[1]}");
	expect_merge("{\"a\":{\"x\":1}}", "{\"a\":null}", "{\"a\":null}");
	expect_merge("{\"a\":1}", "{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1}}");
	expect_merge("{\"a\":1.10}", "{\"b\":12345678901234567890}",
		"{\"a\":1.10,\"b\":12345678901234567890}");
	expect_merge("{ \"a\" : 1 , \"b\" : { \"x\" : 1 } }", "{\"b\":{\"x\":2}}",
		"{\"a\":1,\"b\":{\"x\":2}}");
	expect_merge("{\"a\":1}", "{\"b\":1,\"b\":2}", "{\"a\":1,\"b\":2}");
	expect_merge(
		"{\"constructor\":1}", "{\"toString\":2}", "{\"constructor\":1,\"toString\":2}");
}

static void test_update(void **state)
{
	struct store *s = *state;

	expect_save(s, 1,
		"[{\"id\":\"1\",\"a\":1,\"n\":{\"x\":1,\"y\":2},\"l\":[1,2]},{\"id\":\"2\"}]", 2, 0,
		0);
	struct sv before = field(s, "1", "_nango_metadata.cursor");
	struct sv first_seen = field(s, "1", "_nango_metadata.first_seen_at");
	expect_update(s, 2, "[{\"id\":\"1\",\"n\":{\"y\":3},\"l\":[9],\"z\":null}]", 1, 0, 0);
	assert_string_equal(payload(s, "1"),
		"{\"a\":1,\"id\":\"1\",\"n\":{\"x\":1,\"y\":3},\"l\":[9],\"z\":null}");
	assert_false(sv_eq(before, field(s, "1", "_nango_metadata.cursor")));
	assert_true(sv_eq(first_seen, field(s, "1", "_nango_metadata.first_seen_at")));
	assert_string_equal(feed(s), "2:ADDED 1:UPDATED");
	assert_int_equal(live(s), 2);
}

/* Missing and deleted ids are nobody to update; the first of duplicates counts. */
/* One key however it is written: nested objects merge, and nothing stays twice. */
static void test_spelling_of_keys(void **state)
{
	struct store *s = *state;

	expect_save(
		s, 1, "[{\"id\":\"1\",\"o\":{\"a\":{\"x\":1},\"\\u0061\":{\"y\":2}}}]", 1, 0, 0);
	expect_update(s, 1, "[{\"id\":\"1\",\"o\":{\"\\u0061\":{\"z\":3}}}]", 1, 0, 0);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"o\":{\"a\":{\"y\":2,\"z\":3}}}");
}

static void test_who_is_updated(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0, 0);
	expect_delete(s, 1, "[{\"id\":\"2\"}]", 1, 0);
	expect_update(s, 1,
		"[{\"id\":\"1\",\"a\":1},{\"id\":\"2\",\"a\":1},{\"id\":\"3\",\"a\":1},{\"id\":"
		"\"1\",\"a\":2}]",
		1, 0, 2);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":1}");
	assert_string_equal(feed(s), "2:DELETED 1:UPDATED");
}

/* The hash is that of the whole record, not of the part (records.md section 20, 5). */
static void test_hash_is_of_the_merged(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1,\"b\":1}]", 1, 0, 0);
	expect_update(s, 1, "[{\"id\":\"1\"}]", 0, 1, 0);
	expect_update(s, 1, "[{\"id\":\"1\",\"a\":2}]", 1, 0, 0);
	expect_update(s, 1, "[{\"id\":\"1\",\"a\":2}]", 0, 1, 0);
	expect_save(s, 1, "[{\"id\":\"1\",\"a\":2,\"b\":1}]", 0, 0, 1);
	expect_save(s, 1, "[{\"id\":\"1\",\"a\":2}]", 0, 1, 0);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":2}");
}

static void test_update_of_pruned(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1}]", 1, 0, 0);
	prune(s, edge(s, true), 10);
	expect_update(s, 1, "[{\"id\":\"1\",\"b\":1}]", 1, 0, 0);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"b\":1}");
	assert_true(sv_eq_str(field(s, "1", "_nango_metadata.pruned_at"), "null"));
}

/* A row changed between preparation and application is merged into as it is then. */
static void test_stale_merge(void **state)
{
	struct store *s = *state;
	struct records_input in = { .of = s->of,
		.op = RECORDS_UPDATE,
		.run = 1,
		.records = SV_LIT("[{\"id\":\"1\",\"b\":1}]") };
	own(records_batch_free) struct records_batch *b = records_batch_new(&in);
	struct err err;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1}]", 1, 0, 0);
	assert_int_equal(db_run(s->db, DB_READ, (db_job_fn *)(void *)records_prepare, b, &err), 0);
	expect_save(s, 2, "[{\"id\":\"1\",\"a\":2}]", 0, 1, 0);
	assert_int_equal(db_run(s->db, DB_WRITE, (db_job_fn *)(void *)records_apply, b, &err), 0);
	assert_string_equal(payload(s, "1"), "{\"a\":2,\"id\":\"1\",\"b\":1}");
}

static void test_update_is_seen(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0, 0);
	expect_update(s, 2, "[{\"id\":\"1\"}]", 0, 1, 0);
	assert_string_equal(outdated(s, 2, 2), "\"2\"");
}

static void test_guarded_update(void **state)
{
	struct store *s = *state;
	struct records_input in = { .of = s->of,
		.op = RECORDS_UPDATE,
		.run = 1,
		.guard = 1,
		.records = SV_LIT("[{\"id\":\"1\",\"b\":1}]") };

	expect_save(s, 99, "[{\"id\":\"1\",\"a\":1}]", 1, 0, 0);
	own(records_batch_free) struct records_batch *b = run_batch(s, &in);
	assert_int_equal(b->counts.ignored, 1);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":1}");
}

int update_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		STORE_TEST(test_update),
		STORE_TEST(test_spelling_of_keys),
		STORE_TEST(test_who_is_updated),
		STORE_TEST(test_hash_is_of_the_merged),
		STORE_TEST(test_update_of_pruned),
		STORE_TEST(test_stale_merge),
		STORE_TEST(test_update_is_seen),
		STORE_TEST(test_guarded_update),
	};
	return cmocka_run_group_tests_name("update", tests, NULL, NULL);
}
