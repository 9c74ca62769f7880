/* A store of its own for each test, and short words for what is done to it. */
#pragma once

#include "base/mem.h"
#include "data/json.h"
#include "db/testdb.h"
#include "records/batch.h"
#include "records/check.h"
#include "records/outdated.h"
#include "records/prune.h"
#include "records/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct loop;

struct store {
	struct testdb at;
	struct db *db;
	struct keyring *keys;
	struct records_of of; /* connection 7, model Contact */
	struct arena arena;
};

void store_open(struct store *s, struct loop *loop);
void store_open_db(struct store *s, struct loop *loop); /* again, after db_close */
void store_close(struct store *s);
int store_setup(void **state); /* *state = struct store * */
int store_teardown(void **state);
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

/* Runs a batch; it must succeed. The caller frees it. */
struct records_batch *run_batch(struct store *s, const struct records_input *in);
int try_batch(struct store *s, const struct records_input *in, struct err *err);

/* {"id":"<i>","v":<version>} for i in from .. to-1, as a JSON array in the arena. */
char *many_records(struct store *s, int from, int to, int version);

/* Saves, updates, deletes; fails the test unless the counts are as given. */
void expect_save(
	struct store *s, int64_t run, const char *records, int added, int updated, int unchanged);
void expect_update(
	struct store *s, int64_t run, const char *records, int updated, int unchanged, int ignored);
void expect_delete(struct store *s, int64_t run, const char *records, int deleted, int ignored);

/* A page as JSON text, in the arena of the store; the query's `of` is filled in. */
struct sv list(struct store *s, struct records_query q);
int try_list(struct store *s, struct records_query q, struct err *err);
/* "1:ADDED 2:DELETED" and next_cursor (absent = null). */
const char *actions(struct store *s, struct sv page);
struct sv next_cursor(struct store *s, struct sv page);
/* The whole feed: actions of a page without limit. */
const char *feed(struct store *s);
/* One record, by a path of its JSON ("_nango_metadata.cursor"); a string or other JSON text. */
struct sv field(struct store *s, const char *id, const char *path);
/* The payload without _nango_metadata, as text. */
const char *payload(struct store *s, const char *id);
struct sv edge(struct store *s, bool last);

int64_t live(struct store *s);
int64_t stored_size(struct store *s); /* of the payloads, sealed */
void expect_dataset(struct store *s, int64_t total, int64_t live);
/* The tables agree (records/check.h). */
void check_store(struct store *s);

struct records_pruned prune(struct store *s, struct sv cursor, int64_t limit);
struct records_pruned empty(struct store *s, int64_t limit);

/* Windows; end returns the deleted ids joined by commas, as JSON strings. */
void track_start(struct store *s, int64_t run);
/* The run that opened the window; 0 = none is open. */
int64_t window(struct store *s);
const char *track_end(struct store *s, int64_t run, size_t limit);
const char *outdated(struct store *s, int64_t generation, int64_t run);

/* The groups of tests, a file each. */
int cursor_tests(void);
int save_tests(void);
int ids_tests(void);
int update_tests(void);
int delete_tests(void);
int read_tests(void);
int prune_tests(void);
int payload_tests(void);
int differential_tests(void);
int concurrent_tests(void);
int crash_tests(void);
int fault_tests(void);
int input_tests(void);
int plan_tests(void); /* PostgreSQL only */
