#include "base/clock.h"
#include "records/records_test.h"

static void expect_pruned(struct records_pruned p, int count, bool more)
{
	assert_int_equal(p.count, count);
	assert_int_equal(p.more, more);
}

static void test_prune_steps(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	struct sv second = field(s, "2", "_nango_metadata.cursor"), last = edge(s, true);
	expect_pruned(prune(s, second, 1), 1, true);
	expect_pruned(prune(s, second, 10), 1, false);
	expect_pruned(prune(s, last, 10), 1, false);
	expect_pruned(prune(s, last, 10), 0, false);
}

static void test_prune_with_moved_rows(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	struct sv last = edge(s, true);
	expect_save(s, 1, "[{\"id\":\"2\",\"v\":2},{\"id\":\"3\",\"v\":2}]", 0, 2, 0);
	expect_pruned(prune(s, last, 10), 1, true);
	expect_pruned(prune(s, last, 10), 0, false);
	assert_string_equal(payload(s, "3"), "{\"id\":\"3\",\"v\":2}");
}

static void test_pruned_record(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1},{\"id\":\"2\"}]", 2, 0, 0);
	struct sv cursor = field(s, "1", "_nango_metadata.cursor");
	expect_pruned(prune(s, cursor, 10), 1, false);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\"}");
	assert_string_equal(feed(s), "1:ADDED 2:ADDED");
	assert_true(sv_eq(cursor, field(s, "1", "_nango_metadata.cursor")));
	assert_false(sv_eq_str(field(s, "1", "_nango_metadata.pruned_at"), "null"));
	expect_dataset(s, 2, 2);
	/* Saved again, it is whole again, where it was. */
	expect_save(s, 2, "[{\"id\":\"1\",\"a\":1}]", 0, 0, 1);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":1}");
	assert_true(sv_eq(cursor, field(s, "1", "_nango_metadata.cursor")));
	assert_true(sv_eq_str(field(s, "1", "_nango_metadata.pruned_at"), "null"));
	expect_pruned(prune(s, cursor, 10), 1, false); /* and may be pruned again */
	expect_save(s, 2, "[{\"id\":\"1\",\"a\":2}]", 0, 1, 0);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":2}");
}

static void test_deleted_are_pruned_too(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1}]", 1, 0, 0);
	expect_delete(s, 1, "[{\"id\":\"1\"}]", 1, 0);
	expect_pruned(prune(s, edge(s, true), 10), 1, false);
	assert_string_equal(feed(s), "1:DELETED");
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\"}");
	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1}]", 1, 0, 0);
	assert_string_equal(payload(s, "1"), "{\"id\":\"1\",\"a\":1}");
}

static void test_delete_of_pruned(void **state)
{
	struct store *s = *state;

	expect_save(s, 1, "[{\"id\":\"1\",\"a\":1}]", 1, 0, 0);
	prune(s, edge(s, true), 10);
	expect_delete(s, 1, "[{\"id\":\"1\"}]", 1, 0);
	assert_string_equal(feed(s), "1:DELETED");
	expect_pruned(prune(s, edge(s, true), 10), 0, false);
}

struct arg_of {
	struct store *s;
	int64_t until_us;
	struct records_pruned ret;
	struct dataset_name *names;
	size_t count;
	struct err *err;
};

static int wrong_limit_job(struct dbc *c, void *arg, struct err *err)
{
	struct arg_of *a = arg;

	assert_int_equal(records_empty(c, &a->s->of, 0, &a->ret, err), ERR_INVALID);
	assert_string_equal(err->msg, "limit must be greater than 0");
	return records_prune(c, &a->s->of, SV_LIT("x"), 1, &a->ret, err);
}

static void test_wrong_arguments(void **state)
{
	struct arg_of a = { .s = *state };
	struct err err;

	assert_int_equal(db_run(a.s->db, DB_WRITE, wrong_limit_job, &a, &err), ERR_INVALID);
	assert_string_equal(err.msg, "Invalid cursor");
}

static void test_empty(void **state)
{
	struct store *s = *state;

	expect_pruned(empty(s, 10), 0, false);
	expect_save(s, 1,
		"[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"},{\"id\":\"4\"},{\"id\":\"5\"}]", 5,
		0, 0);
	expect_delete(s, 1, "[{\"id\":\"1\"}]", 1, 0);
	expect_pruned(empty(s, 2), 2, true);
	assert_string_equal(feed(s), "4:ADDED 5:ADDED 1:DELETED");
	expect_dataset(s, 3, 2);
	expect_pruned(empty(s, 2), 2, true);
	expect_pruned(empty(s, 2), 1, false);
	expect_dataset(s, 0, 0);
	expect_save(s, 2, "[{\"id\":\"2\"}]", 1, 0, 0);
	assert_string_equal(feed(s), "2:ADDED");
}

/* Rows numbered anew are not taken for those a run saw before the emptying. */
static void test_empty_forgets_seen(void **state)
{
	struct store *s = *state;

	expect_save(s, 5, "[{\"id\":\"1\"},{\"id\":\"2\"}]", 2, 0, 0);
	empty(s, 100);
	expect_save(s, 4, "[{\"id\":\"3\"}]", 1, 0, 0);
	assert_string_equal(outdated(s, 5, 5), "\"3\"");
}

static int remove_job(struct dbc *c, void *arg, struct err *err)
{
	struct arg_of *a = arg;

	return records_remove(c, &a->s->of, 2, &a->ret, err);
}

static void test_remove(void **state)
{
	struct arg_of a = { .s = *state };
	struct err err;

	expect_save(a.s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	track_start(a.s, 1);
	assert_int_equal(db_run(a.s->db, DB_WRITE, remove_job, &a, &err), 0);
	expect_pruned(a.ret, 2, true);
	assert_int_equal(db_run(a.s->db, DB_WRITE, remove_job, &a, &err), 0);
	expect_pruned(a.ret, 1, false);
	assert_string_equal(feed(a.s), "");
	assert_memory_equal(track_end(a.s, 1, 0), "error: ", 7);
	expect_save(a.s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
}

/* Retention. */

static int prunable_job(struct dbc *c, void *arg, struct err *err)
{
	struct arg_of *a = arg;

	return datasets_prunable(c, a->until_us, 10, &a->s->arena, &a->names, &a->count, err);
}

static int older_job(struct dbc *c, void *arg, struct err *err)
{
	struct arg_of *a = arg;

	return records_prune_older(c, &a->s->of, a->until_us, 2, &a->ret, err);
}

static void test_prune_older(void **state)
{
	struct arg_of a = { .s = *state };
	struct err err;

	expect_save(a.s, 1, "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]", 3, 0, 0);
	a.until_us = clock_now_us() - 1000000;
	assert_int_equal(db_run(a.s->db, DB_READ, prunable_job, &a, &err), 0);
	assert_int_equal(a.count, 0);
	a.until_us = clock_now_us() + 1000000;
	assert_int_equal(db_run(a.s->db, DB_READ, prunable_job, &a, &err), 0);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.names[0].connection, 7);
	assert_true(sv_eq_str(a.names[0].model, "Contact"));
	assert_int_equal(db_run(a.s->db, DB_WRITE, older_job, &a, &err), 0);
	expect_pruned(a.ret, 2, true);
	assert_int_equal(db_run(a.s->db, DB_WRITE, older_job, &a, &err), 0);
	expect_pruned(a.ret, 1, false);
	assert_int_equal(db_run(a.s->db, DB_READ, prunable_job, &a, &err), 0);
	assert_int_equal(a.count, 0);
}

static int idle_job(struct dbc *c, void *arg, struct err *err)
{
	struct arg_of *a = arg;
	struct dataset_name name;

	TRY(datasets_idle(c, a->until_us, &a->s->arena, &name, err));
	a->names = arena_alloc(&a->s->arena, sizeof(name));
	a->names[0] = name;
	return 0;
}

/* Two idle ones are looked at in turn. */
static void test_idle(void **state)
{
	struct arg_of a = { .s = *state };
	struct err err;

	expect_save(a.s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	a.s->of.model = SV_LIT("Account");
	expect_save(a.s, 1, "[{\"id\":\"1\"}]", 1, 0, 0);
	a.until_us = clock_now_ms() - 1000;
	assert_int_equal(db_run(a.s->db, DB_WRITE, idle_job, &a, &err), ERR_NOT_FOUND);
	a.until_us = clock_now_ms() + 1000;
	assert_int_equal(db_run(a.s->db, DB_WRITE, idle_job, &a, &err), 0);
	struct sv first = a.names[0].model;
	clock_shift_ms(10);
	assert_int_equal(db_run(a.s->db, DB_WRITE, idle_job, &a, &err), 0);
	assert_false(sv_eq(first, a.names[0].model));
	clock_shift_ms(10);
	assert_int_equal(db_run(a.s->db, DB_WRITE, idle_job, &a, &err), 0);
	assert_true(sv_eq(first, a.names[0].model));
	clock_shift_ms(-20);
}

int prune_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_prune_steps),
		STORE_TEST(test_prune_with_moved_rows),
		STORE_TEST(test_pruned_record),
		STORE_TEST(test_deleted_are_pruned_too),
		STORE_TEST(test_delete_of_pruned),
		STORE_TEST(test_wrong_arguments),
		STORE_TEST(test_empty),
		STORE_TEST(test_empty_forgets_seen),
		STORE_TEST(test_remove),
		STORE_TEST(test_prune_older),
		STORE_TEST(test_idle),
	};
	return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
