/*
 * Promise 1 of the design: a reader that polls with its last cursor misses nothing, whatever is
 * written at the same time (spec/records.md 19.1).
 */
#include "io/loop.h"
#include "records/race_test.h"

/* In small; `./run race` is the same for hundreds of thousands of changes. */
static void test_reader_misses_nothing(void **state)
{
	struct race race = { .writers = 8, .processes = 1, .changes = 6000, .seed = 1 };
	struct race_result result;

	race_run(*state, &race, &result);
	assert_true(result.changes >= race.changes);
	assert_int_equal(result.missed, 0);
	assert_int_equal(result.invented, 0);
	assert_int_equal(result.disorder, 0);
}

/* Several write the same record at once. */
struct test {
	struct store store;
	struct loop *loop;
	int writing; /* that have not finished */
};

struct same {
	struct test *t;
	char text[64];
	struct records_batch *b;
	struct op op;
};

static int same_job(struct dbc *c, void *arg, struct err *err)
{
	return records_apply(c, ((struct same *)arg)->b, err);
}

static int same_prepare_job(struct dbc *c, void *arg, struct err *err)
{
	return records_prepare(c, ((struct same *)arg)->b, err);
}

static void same_done(void *ctx, const struct err *err)
{
	struct same *s = ctx;

	assert_int_equal(err->code, ERR_OK);
	if (--s->t->writing == 0)
		loop_stop(s->t->loop);
}

/* The payload that stays goes to last. */
static struct records_counts write_same(bool differ, char last[64])
{
	struct test t = { .loop = loop_new(), .writing = 5 };
	struct same same[5] = { 0 };
	struct records_counts sum = { 0 };
	struct err err;

	store_open(&t.store, t.loop);
	for (int i = 0; i < 5; i++) {
		same[i].t = &t;
		snprintf(same[i].text, sizeof(same[i].text), "[{\"id\":\"x\",\"v\":%d}]",
			differ ? i : 0);
		same[i].b = records_batch_new(&(struct records_input){
			.of = t.store.of, .records = sv_str(same[i].text), .run = 1 });
		/* All prepared on the same, empty view. */
		assert_int_equal(db_run(t.store.db, DB_READ, same_prepare_job, &same[i], &err), 0);
	}
	for (int i = 0; i < 5; i++) {
		same[i].op = (struct op){ .done = same_done, .ctx = &same[i] };
		db_submit(t.store.db, DB_WRITE, &same[i].op, same_job, &same[i]);
	}
	loop_run(t.loop);
	for (int i = 0; i < 5; i++) {
		sum.added += same[i].b->counts.added;
		sum.updated += same[i].b->counts.updated;
		sum.unchanged += same[i].b->counts.unchanged;
		records_batch_free(same[i].b);
	}
	assert_int_equal(live(&t.store), 1);
	snprintf(last, 64, "%s", payload(&t.store, "x"));
	store_close(&t.store);
	loop_free(t.loop);
	return sum;
}

static void test_same_record_at_once(void **state)
{
	char last[64];

	(void)state;
	struct records_counts n = write_same(false, last);
	assert_int_equal(n.added, 1);
	assert_int_equal(n.unchanged, 4);
	assert_string_equal(last, "{\"id\":\"x\",\"v\":0}");
}

/* One writer works in the order it was asked; among several, the last to commit wins. */
static void test_different_payloads_at_once(void **state)
{
	char last[64];
	int v;

	(void)state;
	struct records_counts n = write_same(true, last);
	assert_int_equal(n.added, 1);
	assert_int_equal(n.updated, 4);
	assert_int_equal(sscanf(last, "{\"id\":\"x\",\"v\":%d}", &v), 1);
	if (getenv("TIDEMARK_TEST_POSTGRES"))
		assert_in_range(v, 0, 4);
	else
		assert_int_equal(v, 4);
}

int concurrent_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_reader_misses_nothing),
		cmocka_unit_test(test_same_record_at_once),
		cmocka_unit_test(test_different_payloads_at_once),
	};
	return cmocka_run_group_tests_name("concurrent", tests, NULL, NULL);
}
