/*
 * Export and import over a database whose every table has rows: made from the list of tables, so
 * that new tables and columns are tested without a line here.
 */
#include "base/fault.h"
#include "base/sv.h"
#include "crypto/keyring.h"
#include "db/db.h"
#include "db/tables.h"
#include "db/testdb.h"
#include "model/sealed.h"
#include "os/file.h"
#include "transfer/export.h"
#include "transfer/import.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 7, LAST_ID = 500 };

static char dir[64];
static struct keyring *keys;
static struct testdb source, target;
static struct buf exported; /* of the filled database; shared by the tests */

static char *path_of(const char *name)
{
	static char paths[4][128];
	static int n;
	char *path = paths[n++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static struct keyring *ring(char fill)
{
	unsigned char bytes[AEAD_KEY_SIZE];
	struct master_key m;

	memset(bytes, fill, sizeof(bytes));
	aead_key_init(&m.key, 0, bytes);
	return keyring_new(&m);
}

static struct db *open_db(const struct testdb *t)
{
	struct db_config cfg = testdb_config(t);
	struct db *db = NULL;
	struct err err = { 0 };

	if (db_open(&cfg, NULL, &db, &err) < 0)
		fail_msg("%s", err.msg);
	return db;
}

/* An empty one to import into, until drop_target(). */
static struct db *make_target(void)
{
	testdb_make(&target);
	return open_db(&target);
}

static void drop_target(struct db *db)
{
	db_close(db);
	testdb_drop(&target);
}

/* --- filling --- */

/* Row n of every table: n, or text and bytes made of it. So foreign keys fit, and unique keys
 * differ. */
static struct arg value(struct dbc *c, const struct table_column *col, int n)
{
	static const char *const odd[] = { "", "\xff\xfe", "é\n\"\\", "\x01😀" };
	/* Only SQLite lets text be anything. */
	const char *tail = odd[n % 4 == 1 && testdb_is_postgres(&source) ? 0 : n % 4];

	switch (col->type) {
	case COLUMN_INT: return arg_i64(n == 5 ? INT64_C(9007199254740993) : n);
	case COLUMN_REAL: return (struct arg){ .type = ARG_F64, .f64 = n / 3.0 };
	case COLUMN_TEXT: return arg_str(arena_printf(db_arena(c), "t%d%s", n, tail));
	case COLUMN_BLOB:
		return arg_blob(sv_make(
			arena_printf(db_arena(c), "b%d%c%s", n, 0, tail), 4 + strlen(tail)));
	}
	return arg_null();
}

static int wrap_job(struct dbc *c, int n, struct arg *wrapped)
{
	unsigned char *bytes = arena_alloc(db_arena(c), KEY_WRAPPED_SIZE);

	keyring_make(keys, n, bytes);
	*wrapped = arg_blob(sv_make((const char *)bytes, KEY_WRAPPED_SIZE));
	return 0;
}

static int fill_table(struct dbc *c, const struct table *t, struct err *err)
{
	struct arg args[64];

	assert_true(t->column_count <= ARRAY_LEN(args));
	for (int n = 1; n <= ROWS; n++) {
		for (size_t i = 0; i < t->column_count; i++) {
			args[i] = value(c, &t->columns[i], n);
			/* Data keys must open, and their ids are small. */
			if (strcmp(t->name, "data_keys") == 0 &&
				strcmp(t->columns[i].name, "id") == 0)
				args[i] = arg_i64(n);
			if (strcmp(t->columns[i].name, "wrapped") == 0)
				wrap_job(c, n == 5 ? 0 : n, &args[i]);
		}
		if (strcmp(t->name, "data_keys") == 0 && n == 5)
			continue; /* its environment's number is not `n` */
		TRY(db_exec(c, t->insert, args, t->column_count, NULL, err));
	}
	if (!t->identity)
		return 0;
	TRY(db_exec(c, Q_SEQUENCE_CLEAR, ARGS(arg_str(t->name)), NULL, err));
	return db_exec(c, Q_SEQUENCE_SET, ARGS(arg_str(t->name), arg_i64(LAST_ID)), NULL, err);
}

static int fill_job(struct dbc *c, void *arg, struct err *err)
{
	(void)arg;
	for (size_t i = 0; i < table_count; i++)
		if (fill_table(c, &tables[i], err) < 0)
			return err_wrap(err, "%s", tables[i].name);
	return 0;
}

/* --- steps --- */

static void export_to(struct db *db, const char *name)
{
	struct err err = { 0 };
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct export e = { .fd = fd, .keys = keys };

	if (export_all(db, &e, &err) < 0)
		fail_msg("%s", err.msg);
	close(fd);
}

static struct buf read_file(const char *name)
{
	struct buf b = { 0 };
	struct err err = { 0 };

	buf_init(&b, 1 << 24);
	if (file_read(path_of(name), &b, &err) < 0)
		fail_msg("%s", err.msg);
	return b;
}

static int import_text(struct db *db, struct sv text, struct import *in, struct err *err)
{
	*err = (struct err){ 0 };
	assert_int_equal(file_write(path_of("in"), text, err), 0);
	int fd = open(path_of("in"), O_RDONLY);
	*in = (struct import){ .fd = fd, .keys = keys };
	int rc = import_all(db, in, err);
	close(fd);
	return rc;
}

/* Everything but the header. */
static struct sv body(struct sv text)
{
	return sv_from(text, (size_t)((char *)memchr(text.ptr, '\n', text.len) - text.ptr));
}

static void expect_same(struct db *db)
{
	export_to(db, "again");
	struct buf again = read_file("again");
	assert_true(sv_eq(body(buf_sv(&again)), body(buf_sv(&exported))));
	buf_done(&again);
}

static int whole_job(struct dbc *c, void *arg, struct err *err)
{
	(void)arg;
	return import_check_none(c, err);
}

static int whole(struct db *db)
{
	struct err err;

	return db_run(db, DB_READ, whole_job, NULL, &err);
}

static int setup(void **state)
{
	struct err err = { 0 };

	snprintf(dir, sizeof(dir), "%s/tidemark-transfer-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	*state = mkdtemp(dir);
	keys = ring('a');
	testdb_make(&source);
	struct db *db = open_db(&source);
	if (db_run(db, DB_WRITE, fill_job, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	export_to(db, "a");
	db_close(db);
	exported = read_file("a");
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	testdb_drop(&source);
	keyring_free(keys);
	buf_done(&exported);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* --- the tests --- */

static int insert_job(struct dbc *c, void *arg, struct err *err)
{
	return sealed_renew_keys(c, keys, arg, err);
}

static void test_there_and_back(void **state)
{
	struct err err = { 0 };
	struct import in;
	int64_t n;

	(void)state;
	struct db *db = make_target();
	if (import_text(db, buf_sv(&exported), &in, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(in.resumed_rows, 0);
	assert_int_equal(in.rows, (int64_t)table_count * ROWS - 1);
	assert_int_equal(whole(db), 0);
	expect_same(db);
	/* Numbers go on behind the highest ever given out, not the highest there. */
	assert_int_equal(db_run(db, DB_WRITE, insert_job, &n, &err), 0);
	assert_int_equal(n, ROWS);
	assert_int_equal(atoi(testdb_ask(&target, "SELECT MIN(id) FROM data_keys WHERE id > 100")),
		LAST_ID + 1);
	drop_target(db);
}

static bool is_known(struct sv name)
{
	/* Notes of imports, and of migrations. */
	bool known = sv_eq_str(name, "imports") || sv_eq_str(name, "tidemark_schema");

	for (size_t i = 0; i < table_count; i++)
		known |= sv_eq_str(name, tables[i].name);
	return known;
}

/* What the list was made of is what a database has. */
static void test_no_table_is_forgotten(void **state)
{
	struct sv rest, name;
	size_t n = 0;

	(void)state;
	struct db *db = make_target();
	rest = sv_str(testdb_ask(&target,
		testdb_is_postgres(&target)
			? "SELECT relname FROM pg_class WHERE relkind = 'r' AND "
			  "relnamespace = current_schema()::regnamespace"
			: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT "
			  "LIKE 'sqlite_%'"));
	while (sv_split(&rest, ' ', &name)) {
		if (name.len && !is_known(name))
			fail_msg("table %.*s", SV(name));
		n += name.len > 0;
	}
	assert_true(n > table_count);
	drop_target(db);
}

#ifdef TIDEMARK_TEST_HOOKS
static void test_interrupted_at_every_batch(void **state)
{
	struct err err = { 0 };
	struct import in;
	char fault[32];

	(void)state;
	/* Every point would take too long; all kinds of them come by. */
	for (int n = 1;; n += testdb_is_postgres(&source) ? 23 : 5) {
		struct db *db = make_target();
		snprintf(fault, sizeof(fault), "*:%d", n);
		fault_set(fault);
		int rc = import_text(db, buf_sv(&exported), &in, &err);
		bool fired = fault_fired();
		fault_set(NULL);
		if (!fired) {
			assert_int_equal(rc, 0);
			drop_target(db);
			break;
		}
		/* A failure behind the last commit is none. */
		assert_true(rc < 0 || whole(db) == 0);
		if (rc < 0 && import_text(db, buf_sv(&exported), &in, &err) < 0)
			fail_msg("after %s: %s", fault, err.msg);
		assert_int_equal(whole(db), 0);
		if (n % 16 == 1)
			expect_same(db);
		drop_target(db);
	}
}
#endif

/* Cut off anywhere: refused, marked, and good again with the rest. */
static void test_cut_off(void **state)
{
	struct err err;
	struct import in;
	struct sv all = buf_sv(&exported);

	(void)state;
	for (size_t cut = 0; cut < all.len; cut += all.len / 23) {
		struct db *db = make_target();
		assert_int_equal(import_text(db, sv_make(all.ptr, cut), &in, &err), ERR_INVALID);
		int fd = open(path_of("in"), O_RDONLY);
		assert_int_equal(import_check_end(fd, &err), ERR_INVALID);
		close(fd);
		assert_true(cut < 300 || whole(db) == ERR_CONFLICT);
		assert_int_equal(import_text(db, all, &in, &err), 0);
		assert_int_equal(whole(db), 0);
		drop_target(db);
	}
	assert_int_equal(file_write(path_of("in"), all, &err), 0);
	int fd = open(path_of("in"), O_RDONLY);
	assert_int_equal(import_check_end(fd, &err), 0);
	close(fd);
}

static char *changed(const char *what, const char *instead)
{
	struct sv all = buf_sv(&exported);
	struct buf copy;
	const char *at = strstr(all.ptr, what);

	assert_non_null(at);
	buf_init(&copy, SIZE_MAX);
	buf_add(&copy, all.ptr, (size_t)(at - all.ptr));
	buf_str(&copy, instead);
	buf_str(&copy, at + strlen(what));
	return buf_steal(&copy, &(size_t){ 0 });
}

static void refused(const char *what, const char *instead, int code, const char *why)
{
	own_mem char *text = changed(what, instead);
	struct err err;
	struct import in;

	struct db *db = make_target();
	int rc = import_text(db, sv_make(text, exported.len), &in, &err);
	if (rc != code || !strstr(err.msg, why))
		fail_msg("%d %s", rc, err.msg);
	drop_target(db);
}

static void test_bad_files(void **state)
{
	char schema[32], other[32];

	(void)state;
	snprintf(schema, sizeof(schema), "\"schema\":%d,", schema_version);
	snprintf(other, sizeof(other), "\"schema\":%d,", schema_version + 1);
	refused(schema, other, ERR_INVALID, "or a newer one");
	snprintf(other, sizeof(other), "\"schema\":%d,", schema_version - 1);
	refused(schema, other, ERR_INVALID, "export again");
	refused("tidemark_export\":1", "tidemark_export\":2", ERR_INVALID, "format 2");
	refused("tidemark_export", "tidemark_xxxxxx", ERR_INVALID, "no export");
	refused("{\"table\":\"runs", "{\"table\":\"rums", ERR_INVALID, "expected table runs");
	refused("\"columns\":[\"id\"", "\"columns\":[\"ix\"", ERR_INVALID, "other columns");
	refused("\n[1,", "\n{1,", ERR_INVALID, "expected the begin of table");
	refused("\n[2,", "\n[[,", ERR_INVALID, "line 1 column");
	refused("\n[2,2", "\n[2.2", ERR_INVALID, "values");
	refused("YjIA", "????", ERR_INVALID, "wrong value for");
	refused("YjIA", "YjIB", ERR_INVALID, "checksum");
	refused("\"rows\":{\"", "\"rows\":{\"", 0, "");
}

/* The rows of a damaged file are not completed by a good one. */
static void test_damage_stays(void **state)
{
	own_mem char *text = changed("YjIA", "YjIB");
	struct err err;
	struct import in;

	(void)state;
	struct db *db = make_target();
	assert_int_equal(import_text(db, sv_make(text, exported.len), &in, &err), ERR_INVALID);
	assert_int_equal(import_text(db, buf_sv(&exported), &in, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "another or damaged file"));
	assert_int_equal(whole(db), ERR_CONFLICT);
	drop_target(db);
}

static void test_wrong_targets(void **state)
{
	struct err err;
	struct import in;
	struct keyring *right = keys;
	own_mem char *other = changed("\"id\":\"", "\"id\":\"");

	(void)state;
	struct db *db = make_target();
	keys = ring('b');
	assert_int_equal(import_text(db, buf_sv(&exported), &in, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "master key"));
	keyring_free(keys);
	keys = right;
	/* Another export while one is not complete. */
	assert_int_equal(
		import_text(db, sv_make(exported.ptr, exported.len / 2), &in, &err), ERR_INVALID);
	char *id = strstr(other, "\"id\":\"") + 6;
	*id = *id == '0' ? '1' : '0';
	assert_int_equal(import_text(db, sv_make(other, exported.len), &in, &err), ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "another export"));
	/* A full one. */
	assert_int_equal(import_text(db, buf_sv(&exported), &in, &err), 0);
	assert_int_equal(import_text(db, buf_sv(&exported), &in, &err), ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "not empty"));
	drop_target(db);
}

static void test_half_an_import_is_not_exported(void **state)
{
	struct err err;
	struct import in;

	(void)state;
	struct db *db = make_target();
	assert_int_equal(
		import_text(db, sv_make(exported.ptr, exported.len / 2), &in, &err), ERR_INVALID);
	struct export e = { .fd = -1, .keys = keys };
	assert_int_equal(export_all(db, &e, &err), ERR_CONFLICT);
	drop_target(db);
}

static void test_disk_full(void **state)
{
	struct err err;
	struct export e = { .fd = open("/dev/full", O_WRONLY), .keys = keys };

	(void)state;
	struct db *db = open_db(&source);
	assert_int_equal(export_all(db, &e, &err), ERR_IO);
	assert_non_null(strstr(err.msg, "cannot write the export: No space left"));
	close(e.fd);
	db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_no_table_is_forgotten),
#ifdef TIDEMARK_TEST_HOOKS
		cmocka_unit_test(test_interrupted_at_every_batch),
#endif
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_damage_stays),
		cmocka_unit_test(test_wrong_targets),
		cmocka_unit_test(test_half_an_import_is_not_exported),
		cmocka_unit_test(test_disk_full),
	};
	return cmocka_run_group_tests_name("transfer", tests, setup, teardown);
}
