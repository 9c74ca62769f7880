#include "base/clock.h"
#include "records/cursor.h"
#include "records/records_test.h"

static void test_empty(void **state)
{
	struct store *s = *state;
	struct err err;

	assert_string_equal(
		list(s, (struct records_query){ 0 }).ptr, "{\"next_cursor\":null,\"records\":[]}");
	assert_int_equal(edge(s, false).len, 0);
	assert_int_equal(edge(s, true).len, 0);
	assert_int_equal(try_list(s, (struct records_query){ .limit = -1 }, &err), ERR_INVALID);
}

/* The exact shape of records.md 10.5. */
static void test_shape(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"a\":1.50,\"id\":1,\"b\":\"\\u00e9\"}]", 1, 0, 0);
	struct sv ts = field(s, "1", "_nango_metadata.first_seen_at");
	struct sv cursor = field(s, "1", "_nango_metadata.cursor");
	const char *want = arena_printf(&s->arena,
		"{\"next_cursor\":null,\"records\":[{\"a\":1.50,\"id\":\"1\",\"b\":\"\\u00e9\","
		"\"_nango_metadata\":{\"first_seen_at\":\"%.*s\",\"last_modified_at\":\"%.*s\","
		"\"last_action\":\"ADDED\",\"deleted_at\":null,\"pruned_at\":null,"
		"\"cursor\":\"%.*s\"}}]}",
		SV(ts), SV(ts), SV(cursor));
	assert_string_equal(list(s, (struct records_query){ 0 }).ptr, want);
	for (size_t i = 0; i < cursor.len; i++)
		assert_true(
			strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=",
				cursor.ptr[i]));
}

static void test_pages(void **state)
{
	struct store *s = *state;
	struct records_query q = { .limit = 2 };

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	struct sv first = list(s, q);
	assert_string_equal(actions(s, first), "1:ADDED 2:ADDED");
	q.cursor = next_cursor(s, first);
	assert_true(sv_eq(q.cursor, field(s, "2", "_nango_metadata.cursor")));
	struct sv second = list(s, q);
	assert_string_equal(actions(s, second), "3:ADDED");
	assert_null(next_cursor(s, second).ptr);
	q = (struct records_query){ .limit = 3 };
	assert_null(next_cursor(s, list(s, q)).ptr); /* exactly full */
	assert_true(sv_eq(edge(s, false), field(s, "1", "_nango_metadata.cursor")));
	assert_true(sv_eq(edge(s, true), field(s, "3", "_nango_metadata.cursor")));
}

static void save_numbered(struct store *s, int count)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	for (int i = 0; i < count; i++)
		buf_printf(&b, "%c{\"id\":\"%d\"}", i ? ',' : '[', i);
	buf_char(&b, ']');
	expect_save(s, 1, b.ptr, count, 0, 0);
	buf_done(&b);
}

static void test_all_in_order(void **state)
{
	struct store *s = *state;
	struct records_query q = { .limit = 100 };
	struct buf seen;
	int pages = 0;

	save_numbered(s, 3000);
	buf_init(&seen, 1 << 20);
	do {
		struct sv page = list(s, q);
		if (pages++)
			buf_char(&seen, ' ');
		buf_str(&seen, actions(s, page));
		q.cursor = next_cursor(s, page);
	} while (q.cursor.ptr);
	assert_int_equal(pages, 30);
	assert_string_equal(seen.ptr, feed(s));
	assert_memory_equal(seen.ptr, "0:ADDED 1:ADDED 2:ADDED ", 24);
	buf_done(&seen);
}

/* A cursor is a place, whatever becomes of the record that was there. */
static void test_cursor_outlives_its_row(void **state)
{
	struct store *s = *state;
	struct records_query q = { 0 };

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	q.cursor = field(s, "2", "_nango_metadata.cursor");
	expect_save(s, 1, "[{\"id\":\"2\",\"v\":2}]", 0, 1, 0);
	assert_string_equal(actions(s, list(s, q)), "3:ADDED 2:UPDATED");
	expect_delete(s, 1, "[{\"id\":\"3\"}]", 1, 0);
	assert_string_equal(actions(s, list(s, q)), "2:UPDATED 3:DELETED");
	empty(s, 1000);
	assert_string_equal(actions(s, list(s, q)), "");
	expect_save(s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	assert_string_equal(actions(s, list(s, q)), "1:ADDED");
}

static void test_wrong_cursors(void **state)
{
	struct store *s = *state;
	struct records_query q = { .limit = 1, .cursor = SV_LIT("rubbish") };
	struct err err;

	expect_save(s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	assert_int_equal(try_list(s, q, &err), ERR_INVALID);
	assert_string_equal(err.msg, "Invalid cursor");
	q.cursor = edge(s, true);
	assert_int_equal(try_list(s, q, &err), 0);
	s->of.connection = 8;
	assert_int_equal(try_list(s, q, &err), ERR_INVALID);
}

static void test_filters(void **state)
{
	struct store *s = *state;
	static const struct {
		unsigned actions;
		const char *want;
	} cases[] = {
		{ RECORDS_ADDED, "1:ADDED 4:ADDED" },
		{ RECORDS_UPDATED, "2:UPDATED" },
		{ RECORDS_DELETED, "3:DELETED" },
		{ RECORDS_ADDED | RECORDS_UPDATED, "1:ADDED 4:ADDED 2:UPDATED" },
		{ RECORDS_ADDED | RECORDS_DELETED, "1:ADDED 4:ADDED 3:DELETED" },
		{ RECORDS_UPDATED | RECORDS_DELETED, "2:UPDATED 3:DELETED" },
		{ RECORDS_ADDED | RECORDS_UPDATED | RECORDS_DELETED,
			"1:ADDED 4:ADDED 2:UPDATED 3:DELETED" },
	};

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"},{\"id\":\"4\"}]", 4, 0, 0);
	expect_save(s, 1, "[{\"id\":\"2\",\"v\":2}]", 0, 1, 0);
	expect_delete(s, 1, "[{\"id\":\"3\"}]", 1, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct records_query q = { .actions = cases[i].actions };
		assert_string_equal(actions(s, list(s, q)), cases[i].want);
		struct sv ids[] = { SV_LIT("3"), SV_LIT("2"), SV_LIT("1"), SV_LIT("4") };
		q.ids = ids;
		q.id_count = 4;
		assert_string_equal(actions(s, list(s, q)), cases[i].want);
	}
	/* Paging with a filter. */
	struct records_query q = { .actions = RECORDS_ADDED, .limit = 1 };
	struct sv page = list(s, q);
	q.cursor = next_cursor(s, page);
	page = list(s, q);
	assert_string_equal(actions(s, page), "4:ADDED");
	assert_null(next_cursor(s, page).ptr);
}

static void test_ids(void **state)
{
	struct store *s = *state;
	struct sv ids[] = { SV_LIT("3"), SV_LIT("none"), SV_LIT("1"), SV_LIT("3") };
	struct records_query q = { .ids = ids, .id_count = 4 };

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	assert_string_equal(actions(s, list(s, q)), "1:ADDED 3:ADDED");
	q.limit = 1;
	struct sv page = list(s, q);
	assert_string_equal(actions(s, page), "1:ADDED");
	q.cursor = next_cursor(s, page);
	page = list(s, q);
	assert_string_equal(actions(s, page), "3:ADDED");
	assert_null(next_cursor(s, page).ptr);
}

static void test_modified_after(void **state)
{
	struct store *s = *state;
	struct records_query q = { 0 };
	int64_t us;

	expect_save(s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	clock_shift_ms(5000);
	expect_save(s, 1, "[{\"id\":\"2\"}]", 1, 0, 0);
	clock_shift_ms(-5000);
	assert_true(clock_parse_iso(field(s, "2", "_nango_metadata.last_modified_at"), &us));
	q.modified_after_us = us; /* inclusive */
	assert_string_equal(actions(s, list(s, q)), "2:ADDED");
	q.modified_after_us = us - us % 1000 + 999; /* truncated to milliseconds */
	assert_string_equal(actions(s, list(s, q)), "2:ADDED");
	q.modified_after_us = us + 1000;
	assert_string_equal(actions(s, list(s, q)), "");
	q.modified_after_us = us - 4000000;
	assert_string_equal(actions(s, list(s, q)), "2:ADDED");
	q.modified_after_us = us - 10000000;
	assert_string_equal(actions(s, list(s, q)), "1:ADDED 2:ADDED");
}

/* The clock going backwards does not put changes behind cursors that were given out. */
static void test_clock_backwards(void **state)
{
	struct store *s = *state;
	struct records_query q = { 0 };

	expect_save(s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	q.cursor = edge(s, true);
	clock_shift_ms(-3600000);
	expect_save(s, 1, "[{\"id\":\"2\"}]", 1, 0, 0);
	empty(s, 1000);
	expect_save(s, 1, "[{\"id\":\"3\"}]", 1, 0, 0);
	clock_shift_ms(3600000);
	assert_string_equal(actions(s, list(s, q)), "3:ADDED");
}

static void test_byte_budget(void **state)
{
	struct store *s = *state;
	struct records_query q = { .max_bytes = 1 };

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"},{\"id\":\"4\"}]", 4, 0, 0);
	struct sv page = list(s, q);
	assert_string_equal(actions(s, page), "1:ADDED"); /* one always fits */
	q.cursor = next_cursor(s, page);
	q.max_bytes = 2 * 10; /* two payloads */
	page = list(s, q);
	assert_string_equal(actions(s, page), "2:ADDED 3:ADDED");
	q.cursor = next_cursor(s, page);
	page = list(s, q);
	assert_string_equal(actions(s, page), "4:ADDED");
	assert_null(next_cursor(s, page).ptr);
}

struct by_ids_arg {
	const struct records_of *of;
	struct sv ids[3];
	struct buf out;
};

static int by_ids_job(struct dbc *c, void *arg, struct err *err)
{
	struct by_ids_arg *a = arg;

	return records_by_ids(c, a->of, a->ids, 3, &a->out, err);
}

static void test_by_ids(void **state)
{
	struct store *s = *state;
	struct by_ids_arg a = { .of = &s->of, .ids = { SV_LIT("2"), SV_LIT("1"), SV_LIT("none") } };
	struct err err;

	buf_init(&a.out, 1 << 20);
	assert_int_equal(db_run(s->db, DB_READ, by_ids_job, &a, &err), 0);
	assert_string_equal(a.out.ptr, "{\"records\":[]}");
	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	expect_delete(s, 1, "[{\"id\":\"1\"}]", 1, 0);
	prune(s, edge(s, true), 100);
	buf_clear(&a.out);
	assert_int_equal(db_run(s->db, DB_READ, by_ids_job, &a, &err), 0);
	assert_string_equal(actions(s, buf_sv(&a.out)), "2:ADDED 1:DELETED");
	buf_done(&a.out);
}

/* A payload moved to another row, or of another key, is refused, not shown. */
static void test_wrong_key(void **state)
{
	struct store *s = *state;
	struct err err;

	expect_save(s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	s->of.environment = 2;
	assert_int_equal(try_list(s, (struct records_query){ .limit = 1 }, &err), ERR_NOT_FOUND);
}

static void test_variants_are_apart(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	s->of.model = SV_LIT("Contact::eu");
	assert_string_equal(feed(s), "");
	expect_save(s, 1, "[{\"id\":\"2\"}]", 1, 0, 0);
	assert_string_equal(feed(s), "2:ADDED");
	s->of.model = SV_LIT("Contact");
	assert_string_equal(feed(s), "1:ADDED");
}

struct counts_arg {
	struct arena *arena;
	struct dataset_counts *list;
	size_t count;
};

static int counts_job(struct dbc *c, void *arg, struct err *err)
{
	struct counts_arg *a = arg;

	return datasets_list(c, 7, a->arena, &a->list, &a->count, err);
}

static void test_counts(void **state)
{
	struct store *s = *state;
	struct counts_arg a = { .arena = &s->arena };
	struct err err;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0, 0);
	expect_delete(s, 1, "[{\"id\":\"1\"}]", 1, 0);
	s->of.model = SV_LIT("Account");
	expect_save(s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	s->of.model = SV_LIT("Nothing");
	expect_delete(s, 1, "[{\"id\":\"1\"}]", 0, 1);
	assert_int_equal(db_run(s->db, DB_READ, counts_job, &a, &err), 0);
	assert_int_equal(a.count, 2);
	assert_true(sv_eq_str(a.list[0].model, "Account"));
	assert_true(sv_eq_str(a.list[1].model, "Contact"));
	assert_int_equal(a.list[1].live, 1);
	assert_int_equal(a.list[1].size, 2 * (10 + 33));
	assert_true(a.list[1].updated_ms > 0);
}

/* Bytes stored of the only dataset. */
static int64_t size(struct store *s)
{
	struct counts_arg a = { .arena = &s->arena };
	struct err err;

	assert_int_equal(db_run(s->db, DB_READ, counts_job, &a, &err), 0);
	assert_int_equal(a.count, 1);
	return a.list[0].size;
}

static void test_size_follows(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	int64_t first = size(s);
	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1},{\"id\":\"2\",\"more\":\"text\"}]", 0, 1, 1);
	int64_t saved = size(s);
	assert_int_equal(saved, first + (int64_t)strlen(",\"more\":\"text\""));
	expect_update(s, 1, "[{\"id\":\"1\",\"b\":2}]", 1, 0, 0);
	int64_t updated = size(s);
	assert_int_equal(updated, saved + (int64_t)strlen(",\"b\":2"));
	expect_delete(s, 1, "[{\"id\":\"3\"},{\"id\":\"2\"}]", 2, 0);
	assert_int_equal(size(s), updated); /* their payloads are kept */
	prune(s, field(s, "1", "_nango_metadata.cursor"), 10);
	assert_int_equal(size(s), 2 * (33 + 10) + (int64_t)strlen(",\"more\":\"text\""));
	prune(s, edge(s, true), 10);
	assert_int_equal(size(s), 0);
	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1,\"b\":2}]", 0, 0, 1); /* restored */
	assert_int_equal(size(s), 33 + (int64_t)strlen("{\"id\":\"1\",\"a\":1,\"b\":2}"));
}

int read_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_empty),
		STORE_TEST(test_shape),
		STORE_TEST(test_pages),
		STORE_TEST(test_all_in_order),
		STORE_TEST(test_cursor_outlives_its_row),
		STORE_TEST(test_wrong_cursors),
		STORE_TEST(test_filters),
		STORE_TEST(test_ids),
		STORE_TEST(test_modified_after),
		STORE_TEST(test_clock_backwards),
		STORE_TEST(test_byte_budget),
		STORE_TEST(test_by_ids),
		STORE_TEST(test_wrong_key),
		STORE_TEST(test_variants_are_apart),
		STORE_TEST(test_counts),
		STORE_TEST(test_size_follows),
	};
	return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
