#include "db/db.h"

#include "base/clock.h"
#include "base/mem.h"
#include "db/testdb.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct testdb testdb;

static int setup(void **state)
{
	(void)state;
	testdb_make(&testdb);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	testdb_drop(&testdb);
	return 0;
}

static struct db *open_db(struct loop *loop)
{
	struct db_config cfg = testdb_config(&testdb);
	struct db *db = NULL;
	struct err err = { 0 };

	if (db_open(&cfg, loop, &db, &err) < 0)
		fail_msg("%s", err.msg);
	return db;
}

struct insert {
	int64_t connection;
	const char *model;
	bool then_fail;
	int64_t id;
};

static int insert_job(struct dbc *c, void *arg, struct err *err)
{
	struct insert *in = arg;
	own_in(rows_done) struct rows rows UNUSED = { 0 };
	struct arg a[] = { arg_i64(in->connection), arg_str(in->model), arg_i64(1) };

	TRY(db_exec(c, Q_DATASET_CREATE, a, 3, NULL, err));
	if (in->then_fail)
		return err_set(err, ERR_INVALID, "on purpose");
	return db_one_i64(c, Q_DATASET_FIND, a, 2, &in->id, err);
}

static int count_job(struct dbc *c, void *arg, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int64_t *n = arg;
	int rc;

	*n = 0;
	/* dataset_find by model, as dataset_list shows only those with rows */
	for (int i = 0; i < 100; i++) {
		char model[16];
		snprintf(model, sizeof(model), "M%d", i);
		TRY(db_query(c, Q_DATASET_FIND, ARGS(arg_i64(1), arg_str(model)), &rows, err));
		while ((rc = rows_next(&rows, err)) > 0)
			(*n)++;
		rows_done(&rows);
		TRY(rc);
	}
	return 0;
}

static int check_job(struct dbc *c, void *arg, struct err *err)
{
	(void)arg;
	return db_check(c, err);
}

static void test_queries_fit_schema(void **state)
{
	struct err err = { 0 };
	struct db *db = open_db(NULL);

	(void)state;
	if (db_run(db, DB_READ, check_job, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	db_close(db);
}

static void test_write_then_read(void **state)
{
	struct err err = { 0 };
	struct insert in = { .connection = 1, .model = "M1" };
	int64_t n;
	struct db *db = open_db(NULL);

	(void)state;
	assert_int_equal(db_run(db, DB_WRITE, insert_job, &in, &err), 0);
	assert_int_equal(in.id, 1);
	in.model = "M2";
	assert_int_equal(db_run(db, DB_WRITE, insert_job, &in, &err), 0);
	assert_int_equal(in.id, 2);
	db_close(db);
	db = open_db(NULL); /* it lasts */
	assert_int_equal(db_run(db, DB_READ, count_job, &n, &err), 0);
	assert_int_equal(n, 2);
	db_close(db);
}

static void test_failed_job_leaves_nothing(void **state)
{
	struct err err = { 0 };
	struct insert in = { .connection = 1, .model = "M1", .then_fail = true };
	int64_t n;
	struct db *db = open_db(NULL);

	(void)state;
	assert_int_equal(db_run(db, DB_WRITE, insert_job, &in, &err), ERR_INVALID);
	assert_string_equal(err.msg, "on purpose");
	assert_int_equal(db_run(db, DB_READ, count_job, &n, &err), 0);
	assert_int_equal(n, 0);
	db_close(db);
}

static void test_reader_cannot_write(void **state)
{
	struct err err = { 0 };
	struct insert in = { .connection = 1, .model = "M1" };
	struct db *db = open_db(NULL);

	(void)state;
	assert_int_equal(db_run(db, DB_READ, insert_job, &in, &err), ERR_IO);
	assert_non_null(strstr(err.msg, "read-only"));
	db_close(db);
}

static int nested_job(struct dbc *c, void *arg, struct err *err)
{
	struct insert fails = { .connection = 1, .model = "M1", .then_fail = true };
	struct insert works = { .connection = 1, .model = "M2" };

	(void)arg;
	assert_int_equal(db_nested(c, insert_job, &fails, err), ERR_INVALID);
	return db_nested(c, insert_job, &works, err);
}

static void test_nested(void **state)
{
	struct err err = { 0 };
	int64_t n;
	struct db *db = open_db(NULL);

	(void)state;
	assert_int_equal(db_run(db, DB_WRITE, nested_job, NULL, &err), 0);
	assert_int_equal(db_run(db, DB_READ, count_job, &n, &err), 0);
	assert_int_equal(n, 1);
	db_close(db);
}

static int reuse_job(struct dbc *c, void *arg, struct err *err)
{
	own_in(rows_done) struct rows outer = { 0 };
	own_in(rows_done) struct rows inner = { 0 };

	(void)arg;
	TRY(db_one(c, Q_DATASET_FIND, ARGS(arg_i64(1), arg_str("M1")), &outer, err));
	TRY(db_one(c, Q_DATASET_FIND, ARGS(arg_i64(1), arg_str("M2")), &inner, err));
	assert_int_equal(row_i64(&outer, 0), 1);
	assert_int_equal(row_i64(&inner, 0), 2);
	rows_done(&inner);
	assert_int_equal(db_one(c, Q_DATASET_FIND, ARGS(arg_i64(1), arg_str("M3")), &inner, err),
		ERR_NOT_FOUND);
	return 0;
}

static void test_same_query_twice_at_once(void **state)
{
	struct err err = { 0 };
	struct insert in = { .connection = 1, .model = "M1" };
	struct db *db = open_db(NULL);

	(void)state;
	assert_int_equal(db_run(db, DB_WRITE, insert_job, &in, &err), 0);
	in.model = "M2";
	assert_int_equal(db_run(db, DB_WRITE, insert_job, &in, &err), 0);
	assert_int_equal(db_run(db, DB_READ, reuse_job, NULL, &err), 0);
	db_close(db);
}

static int conflict_job(struct dbc *c, void *arg, struct err *err)
{
	(void)arg;
	for (int i = 0; i < 2; i++)
		TRY(db_exec(c, Q_RECORD_BATCH_STORE,
			ARGS(arg_i64(1), arg_i64(2), arg_i64(3), arg_i64(0), arg_i64(0), arg_i64(0),
				arg_i64(0), arg_i64(0), arg_i64(0)),
			NULL, err));
	return 0;
}

static void test_unique_violation_is_conflict(void **state)
{
	struct err err = { 0 };
	struct db *db = open_db(NULL);

	(void)state;
	assert_int_equal(db_run(db, DB_WRITE, conflict_job, NULL, &err), ERR_CONFLICT);
	db_close(db);
}

/* Submitted jobs. */

struct waiting {
	struct loop *loop;
	int left;
	int failed;
};

struct submitted {
	struct op op;
	struct insert in;
	struct waiting *w;
	enum err_code code;
};

static void submitted_done(void *ctx, const struct err *err)
{
	struct submitted *s = ctx;

	s->code = err->code;
	s->w->failed += err->code != ERR_OK;
	if (--s->w->left == 0)
		loop_stop(s->w->loop);
}

/* The first of a group among them, and several in a row. */
static bool fails(int i)
{
	return i % 10 < 2 || i % 10 == 5;
}

static void test_group_commit(void **state)
{
	enum { JOBS = 100 };
	struct submitted jobs[JOBS] = { 0 };
	own(loop_free) struct loop *loop = loop_new();
	struct waiting w = { .loop = loop, .left = JOBS };
	struct db *db = open_db(loop);
	struct db_stats stats;

	(void)state;
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct submitted){
			.op = { .done = submitted_done, .ctx = &jobs[i] },
			.in = { .connection = i + 1, .model = "M", .then_fail = fails(i) },
			.w = &w,
		};
		db_submit(db, DB_WRITE, &jobs[i].op, insert_job, &jobs[i].in);
	}
	loop_run(loop);
	assert_int_equal(w.failed, 30);
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(jobs[i].code, fails(i) ? ERR_INVALID : ERR_OK);
	db_stats(db, &stats);
	assert_int_equal(stats.jobs, JOBS);
	if (testdb_is_postgres(&testdb))
		assert_int_equal(stats.commits, 70);
	else
		assert_true(stats.commits < JOBS);
	assert_string_equal(testdb_ask(&testdb, "SELECT COUNT(*) FROM datasets"), "70 ");
	db_close(db);
}

static int slow_job(struct dbc *c, void *arg, struct err *err)
{
	int fd = *(int *)arg;
	char byte;

	(void)c;
	return read(fd, &byte, 1) == 1 ? 0 : err_set(err, ERR_INTERNAL, "pipe");
}

static void test_cancel_takes_back(void **state)
{
	enum { BLOCKERS = 8 }; /* as many as there may be writers */
	own(loop_free) struct loop *loop = loop_new();
	struct waiting w = { .loop = loop, .left = BLOCKERS + 2 };
	struct submitted blockers[BLOCKERS] = { 0 }, jobs[2] = { 0 };
	struct db *db = open_db(loop);
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < BLOCKERS; i++) {
		blockers[i] =
			(struct submitted){ .op = { .done = submitted_done, .ctx = &blockers[i] },
				.w = &w };
		db_submit(db, DB_WRITE, &blockers[i].op, slow_job, &fds[0]);
	}
	for (int i = 0; i < 2; i++) {
		jobs[i] = (struct submitted){ .op = { .done = submitted_done, .ctx = &jobs[i] },
			.in = { .connection = 1, .model = i == 0 ? "M1" : "M2" },
			.w = &w };
		db_submit(db, DB_WRITE, &jobs[i].op, insert_job, &jobs[i].in);
	}
	jobs[0].op.cancel(&jobs[0].op);
	assert_int_equal(write(fds[1], "xxxxxxxx", BLOCKERS), BLOCKERS);
	loop_run(loop);
	assert_int_equal(w.failed, 1);
	assert_int_equal(jobs[0].code, ERR_CANCELLED);
	assert_int_equal(jobs[1].code, ERR_OK);
	db_close(db);
	close(fds[0]);
	close(fds[1]);
}

/* Opening. */

static void expect_refused(enum err_code code, const char *text)
{
	struct db_config cfg = testdb_config(&testdb);
	struct db *db = NULL;
	struct err err = { 0 };

	assert_int_equal(db_open(&cfg, NULL, &db, &err), code);
	if (!strstr(err.msg, text))
		fail_msg("'%s' does not say '%s'", err.msg, text);
}

static void test_second_server_refused(void **state)
{
	struct db *db = open_db(NULL);

	(void)state;
	expect_refused(ERR_CONFLICT, "in use by another server");
	db_close(db);
	db_close(open_db(NULL));
}

static void test_newer_schema_refused(void **state)
{
	(void)state;
	db_close(open_db(NULL));
	testdb_ask(
		&testdb, testdb_is_postgres(&testdb)
				 ? "INSERT INTO tidemark_schema (version, name) VALUES (9999, 'x')"
				 : "PRAGMA user_version = 9999");
	expect_refused(ERR_CONFLICT, "newer tidemark");
}

static void test_foreign_database_refused(void **state)
{
	(void)state;
	if (testdb_is_postgres(&testdb))
		testdb_ask(&testdb, "DROP SCHEMA public CASCADE; CREATE SCHEMA public;");
	testdb_ask(&testdb, "CREATE TABLE theirs (a INT)");
	expect_refused(ERR_CONFLICT, "another program");
}

static void test_tables_of_extensions_are_no_others(void **state)
{
	(void)state;
	if (!testdb_is_postgres(&testdb))
		return;
	testdb_ask(&testdb, "DROP SCHEMA public CASCADE; CREATE SCHEMA public;");
	testdb_ask(&testdb, "CREATE EXTENSION pg_stat_statements"); /* two views in public */
	db_close(open_db(NULL));
}

static void test_not_a_database(void **state)
{
	int fd = open(testdb.path, O_WRONLY | O_CREAT, 0600);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(fd, "no database ", 12), 12);
	close(fd);
	expect_refused(ERR_INVALID, "not a database");
}

/* 1 MiB into the log, in the place of what was there. */
static int large_job(struct dbc *c, void *arg, struct err *err)
{
	int64_t *n = arg;
	char *bytes = arena_alloc(db_arena(c), 1 << 20);

	memset(bytes, (int)(*n)++, 1 << 20);
	return db_exec(c, Q_RECORD_SEEN_STORE,
		ARGS(arg_i64(1), arg_i64(1), arg_i64(1), arg_i64(*n % 2),
			arg_blob(sv_make(bytes, 1 << 20))),
		NULL, err);
}

static void test_log_stays_short(void **state)
{
	struct db *db = open_db(NULL);
	char log[104];
	struct stat st;
	int64_t n = 0;

	(void)state;
	snprintf(log, sizeof(log), "%s-wal", testdb.path);
	while (n < 200)
		assert_int_equal(db_run(db, DB_WRITE, large_job, &n, NULL), 0);
	/* 128 MiB are its limit where nobody reads; what it is cut to is less. */
	assert_int_equal(stat(log, &st), 0);
	assert_true(st.st_size < 140 << 20);
	db_close(db);
	assert_int_equal(stat(log, &st), -1);
}

static void test_missing_directory(void **state)
{
	(void)state;
	snprintf(testdb.path, sizeof(testdb.path), "%s/none/t.db", testdb.dir);
	expect_refused(ERR_IO, "check the data directory");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest both[] = {
		T(queries_fit_schema),
		T(write_then_read),
		T(failed_job_leaves_nothing),
		T(reader_cannot_write),
		T(nested),
		T(same_query_twice_at_once),
		T(unique_violation_is_conflict),
		T(group_commit),
		T(cancel_takes_back),
		T(newer_schema_refused),
		T(foreign_database_refused),
		T(tables_of_extensions_are_no_others),
	};
	const struct CMUnitTest file[] = {
		T(log_stays_short),
		T(second_server_refused),
		T(not_a_database),
		T(missing_directory),
	};
	int failed = cmocka_run_group_tests(both, NULL, NULL);

	if (!getenv("TIDEMARK_TEST_POSTGRES"))
		failed += cmocka_run_group_tests(file, NULL, NULL);
	return failed;
}
