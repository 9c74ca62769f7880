/* What does not fit: ids, records, batches, cursors; a disk without room, a damaged file. */
#include "records/cursor.h"
#include "records/records_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct records_input input(struct store *s, enum records_op op, struct sv records)
{
	return (struct records_input){ .of = s->of, .op = op, .records = records, .run = 1 };
}

/* count times text, in the arena. */
static const char *repeat(struct store *s, const char *text, size_t count)
{
	size_t len = strlen(text);
	char *out = arena_alloc(&s->arena, len * count + 1);

	for (size_t i = 0; i < count; i++)
		memcpy(out + i * len, text, len);
	out[len * count] = 0;
	return out;
}

static const char *record_of(struct store *s, const char *id)
{
	return arena_printf(&s->arena, "[{\"id\":%s,\"v\":1}]", id);
}

static const char *quoted(struct store *s, const char *text)
{
	return arena_printf(&s->arena, "\"%s\"", text);
}

/* Ids are 1 to 255 UTF-16 code units, or numbers. */
static void test_ids(void **state)
{
	struct store *s = *state;
	const struct {
		const char *json, *stored; /* NULL: refused */
	} cases[] = {
		{ "\"\"", NULL },
		{ "\"\\u0000\"", NULL },
		{ "0", "0" },
		{ "-0", "0" },
		{ "1e400", NULL },
		{ quoted(s, repeat(s, "x", 255)), repeat(s, "x", 255) },
		{ quoted(s, repeat(s, "x", 256)), NULL },
		{ quoted(s, repeat(s, "\u00e9", 255)), repeat(s, "\u00e9", 255) },
		{ quoted(s, repeat(s, "\U0001F600", 127)), repeat(s, "\U0001F600", 127) },
		{ quoted(s, repeat(s, "\U0001F600", 128)), NULL },
		{ quoted(s, repeat(s, "\\ud83d\\ude00", 127)), repeat(s, "\U0001F600", 127) },
		{ "\"a\\ud800\"", "a\uFFFD" }, /* half a character has no UTF-8 */
		{ "[]", NULL },
		{ "[\"a\"]", NULL },
		{ "{}", NULL },
		{ "{\"id\":1}", NULL },
		{ "true", NULL },
		{ "false", NULL },
		{ "null", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *records = record_of(s, cases[i].json);
		struct records_input in = input(s, RECORDS_SAVE, sv_str(records));
		struct err err;
		int rc = try_batch(s, &in, &err);
		assert_int_equal(rc, cases[i].stored ? 0 : ERR_INVALID);
		if (!cases[i].stored)
			assert_non_null(strstr(err.msg, "records[0].id"));
		else
			assert_true(sv_eq_str(field(s, cases[i].stored, "id"), cases[i].stored));
	}
	expect_dataset(s, 5, 5); /* two were spelled twice */
}

static void test_what_is_no_record(void **state)
{
	struct store *s = *state;
	static const char *const bad[] = { "[1]", "[\"1\"]", "[null]", "[true]", "[[]]",
		"[{\"id\":\"a\"},[{\"id\":\"b\"}]]", "{}", "null", "", " ", "[", "[{\"id\":\"a\"",
		"[{\"id\":\"a\"}],", "[{\"id\":\"a\"},]", "[{\"id\":\"a\",}]", "[{id:\"a\"}]",
		"[{\"id\":\"a\",\"v\":\"\xff\"}]", "[{\"id\":\"a\",\"v\":\"\n\"}]",
		"[{\"id\":\"a\",\"v\":01}]", "[{\"id\":\"a\",\"v\":NaN}]" };
	static const enum records_op ops[] = { RECORDS_SAVE, RECORDS_UPDATE, RECORDS_DELETE };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad) * ARRAY_LEN(ops); i++) {
		struct records_input in =
			input(s, ops[i % ARRAY_LEN(ops)], sv_str(bad[i / ARRAY_LEN(ops)]));
		if (try_batch(s, &in, &err) != ERR_INVALID || strlen(err.msg) < 10)
			fail_msg("accepted %s", bad[i / ARRAY_LEN(ops)]);
	}
	assert_string_equal(feed(s), "");
	expect_save(s, 1, "[]", 0, 0, 0);
	expect_save(s, 1, " [ ] ", 0, 0, 0);
	struct records_input huge =
		input(s, RECORDS_SAVE, sv_make("[]", JC_BATCH_BYTES_MAX + (size_t)1));
	assert_int_equal(try_batch(s, &huge, &err), ERR_LIMIT);
}

/* What is no character stays what it was, and counts for equality. */
static void test_strange_text(void **state)
{
	struct store *s = *state;
	const char *strange = "{\"id\":\"1\",\"v\":\"a\\u0000b\\ud800c\\udfff\"}";

	expect_save(s, 1, arena_printf(&s->arena, "[%s]", strange), 1, 0, 0);
	assert_string_equal(payload(s, "1"), strange);
	expect_save(s, 1, "[{\"id\":\"1\",\"v\":\"a\\u0000b\\uD800c\\uDFFF\"}]", 0, 0, 1);
	expect_save(s, 1, "[{\"id\":\"1\",\"v\":\"a\\u0000b\\ud801c\\udfff\"}]", 0, 1, 0);
	expect_update(s, 1, "[{\"id\":\"1\",\"\\ud800\":1}]", 1, 0, 0);
	expect_update(s, 1, "[{\"id\":\"1\",\"\\uD800\":1}]", 0, 1, 0);
}

static const char *nested(struct store *s, size_t depth)
{
	/* The record itself is one level. */
	return arena_printf(&s->arena, "[{\"id\":\"1\",\"v\":%s%s}]", repeat(s, "[", depth - 1),
		repeat(s, "]", depth - 1));
}

static void test_depth(void **state)
{
	struct store *s = *state;
	struct records_input in = input(s, RECORDS_SAVE, sv_str(nested(s, 101)));
	struct err err;

	expect_save(s, 1, nested(s, 100), 1, 0, 0);
	assert_int_equal(try_batch(s, &in, &err), ERR_LIMIT);
	in.op = RECORDS_UPDATE;
	assert_int_equal(try_batch(s, &in, &err), ERR_LIMIT);
	in.limits.depth = 101;
	assert_int_equal(try_batch(s, &in, &err), 0);
	in.limits.depth = JC_DEPTH_MAX;
	in.records = sv_str(nested(s, JC_DEPTH_MAX + 1));
	assert_int_equal(try_batch(s, &in, &err), ERR_LIMIT);
	in.records = sv_str(repeat(s, "[", 100000)); /* no stack is that deep */
	assert_true(try_batch(s, &in, &err) < 0);
	expect_dataset(s, 1, 1);
}

/* A record of 16 MiB among small ones. */
static void test_large_record(void **state)
{
	struct store *s = *state;
	const char *fill = repeat(s, "0123456789abcdef", 1 << 20);
	const char *records = arena_printf(
		&s->arena, "[{\"id\":\"a\"},{\"id\":\"big\",\"v\":\"%s\"},{\"id\":\"b\"}]", fill);
	struct records_input in = input(s, RECORDS_SAVE, sv_str(records));
	struct err err;

	in.limits.record_bytes = 1 << 20;
	assert_int_equal(try_batch(s, &in, &err), ERR_LIMIT);
	assert_non_null(strstr(err.msg, "records[1]"));
	assert_string_equal(feed(s), "");
	expect_save(s, 1, records, 3, 0, 0);
	expect_save(s, 1, records, 0, 0, 3);
	assert_int_equal(field(s, "big", "v").len, 16 << 20);
	expect_update(s, 1, "[{\"id\":\"big\",\"w\":1}]", 1, 0, 0);
	assert_true(sv_eq_str(field(s, "big", "v"), fill));
	/* An update may not make it larger than a record may be. */
	in = input(s, RECORDS_UPDATE, SV_LIT("[{\"id\":\"big\",\"w\":2},{\"id\":\"a\",\"w\":2}]"));
	in.limits.record_bytes = 1 << 20;
	assert_int_equal(try_batch(s, &in, &err), ERR_LIMIT);
	assert_true(sv_eq_str(field(s, "big", "w"), "1"));
	assert_int_equal(field(s, "a", "w").len, 0);
	expect_delete(s, 1, "[{\"id\":\"big\"}]", 1, 0);
}

static void add_many(struct buf *b, int count, const char *more)
{
	buf_clear(b);
	for (int i = 0; i < count; i++)
		buf_printf(b, "%c{\"id\":\"%d\"%s}", i ? ',' : '[', i, more);
	buf_char(b, ']');
}

static void test_ten_thousand(void **state)
{
	enum { MANY = 10000 };
	struct store *s = *state;
	struct buf b;

	buf_init(&b, 1 << 24);
	add_many(&b, MANY, "");
	expect_save(s, 1, b.ptr, MANY, 0, 0);
	expect_save(s, 1, b.ptr, 0, 0, MANY);
	add_many(&b, MANY, ",\"v\":1");
	expect_save(s, 1, b.ptr, 0, MANY, 0);
	add_many(&b, MANY, ",\"w\":2");
	expect_update(s, 1, b.ptr, MANY, 0, 0);
	expect_delete(s, 1, b.ptr, MANY, 0);
	expect_update(s, 1, b.ptr, 0, 0, MANY);
	expect_save(s, 1, b.ptr, MANY, 0, 0);
	expect_dataset(s, MANY, MANY);
	check_store(s);
	assert_int_equal(empty(s, MANY).count, MANY);
	buf_done(&b);
}

/* Cursors. */

static struct sv cursor_at(struct store *s, int64_t stamp)
{
	struct iso_writer iso = { 0 };
	struct buf b;

	buf_init(&b, CURSOR_TEXT_MAX);
	cursor_write(cursor_space(s->of.connection, s->of.model), &iso, stamp, SV_LIT("1"), &b);
	struct sv text = arena_sv(&s->arena, buf_sv(&b));
	buf_done(&b);
	return text;
}

/* Positions where nothing is, or not yet. */
static void test_cursors_of_other_times(void **state)
{
	struct store *s = *state;
	struct sv future = cursor_at(s, INT64_C(4102444800000000)), past = cursor_at(s, 1);

	assert_int_equal(prune(s, future, 10).count, 0); /* no dataset yet */
	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0, 0);
	assert_string_equal(actions(s, list(s, (struct records_query){ .cursor = future })), "");
	assert_string_equal(
		actions(s, list(s, (struct records_query){ .cursor = past })), "1:ADDED 2:ADDED");
	assert_int_equal(prune(s, past, 10).count, 0);
	assert_int_equal(prune(s, future, 10).count, 2);
	/* What comes after is not pruned because of it. */
	expect_save(s, 1, "[{\"id\":\"3\",\"v\":1}]", 1, 0, 0);
	assert_string_equal(payload(s, "3"), "{\"id\":\"3\",\"v\":1}");
}

/* Places. */

/* Saves new records until it fails. */
static int fill_up(struct store *s, struct err *err)
{
	const char *fill = repeat(s, "0123456789", 100);
	struct buf b;
	int rc = 0;

	buf_init(&b, 1 << 22);
	for (int batch = 0; rc == 0 && batch < 1000; batch++) {
		buf_clear(&b);
		for (int i = 0; i < 500; i++)
			buf_printf(&b, "%c{\"id\":\"%d-%d\",\"v\":\"%s\"}", i ? ',' : '[', batch, i,
				fill);
		buf_char(&b, ']');
		struct records_input in = input(s, RECORDS_SAVE, buf_sv(&b));
		rc = try_batch(s, &in, err);
	}
	buf_done(&b);
	return rc;
}

/* A limit on the size of files stands in for a disk without room. */
static void test_no_room(void **state)
{
	struct store *s = *state;
	struct rlimit before, tight;
	struct err err;

	if (testdb_is_postgres(&s->at))
		skip();
	expect_save(s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = before;
	tight.rlim_cur = 2 << 20;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	int rc = fill_up(s, &err);
	struct err again;
	struct records_input in = input(s, RECORDS_SAVE, SV_LIT("[{\"id\":\"1\",\"v\":2}]"));
	int rc_again = try_batch(s, &in, &again);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(rc, ERR_IO);
	assert_non_null(strstr(err.msg, "disk"));
	check_store(s); /* whole batches only */
	if (rc_again < 0)
		expect_save(s, 1, "[{\"id\":\"1\",\"v\":2}]", 0, 1, 0);
	db_close(take(s->db));
	store_open_db(s, NULL);
	check_store(s);
}

static int everything(struct store *s, struct err *err)
{
	struct records_input in = input(s, RECORDS_SAVE, SV_LIT("[{\"id\":\"1-1\",\"v\":2}]"));
	struct db_config cfg = testdb_config(&s->at);
	struct records_query q = { .limit = 100000 };

	TRY(db_open(&cfg, NULL, &s->db, err));
	int rc = try_list(s, q, err);
	if (rc == 0)
		rc = try_batch(s, &in, err);
	db_close(take(s->db));
	return rc;
}

/* Whether opening, reading or writing notices it: there is an error that says what is wrong. */
static void test_damaged_file(void **state)
{
	static const off_t cut[] = { 100, 4096, 8192, 100000, 1000000 };
	struct store *s = *state;
	struct err err;

	if (testdb_is_postgres(&s->at))
		skip();
	db_close(take(s->db));
	for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
		store_open_db(s, NULL);
		struct records_input in = input(s, RECORDS_SAVE, SV_LIT("[]"));
		assert_int_equal(try_batch(s, &in, &err), 0);
		struct buf b;
		buf_init(&b, 1 << 22);
		for (int j = 0; j < 3000; j++)
			buf_printf(&b, "%c{\"id\":\"%zu-%d\",\"v\":\"%0500d\"}", j ? ',' : '[', i,
				j, j);
		buf_char(&b, ']');
		expect_save(s, 1, b.ptr, 3000, 0, 0);
		buf_done(&b);
		db_close(take(s->db)); /* the log is empty now */
		assert_int_equal(truncate(s->at.path, cut[i]), 0);
		assert_true(everything(s, &err) < 0);
		assert_non_null(strstr(err.msg, "t.db"));
		assert_int_equal(unlink(s->at.path), 0);
	}
	store_open_db(s, NULL);
}

int input_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_ids),
		STORE_TEST(test_what_is_no_record),
		STORE_TEST(test_strange_text),
		STORE_TEST(test_depth),
		STORE_TEST(test_large_record),
		STORE_TEST(test_ten_thousand),
		STORE_TEST(test_cursors_of_other_times),
		STORE_TEST(test_no_room),
		STORE_TEST(test_damaged_file),
	};
	return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
