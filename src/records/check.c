#include "records/check.h"

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/keyring.h"
#include "records/ids.h"
#include "records/json_canon.h"
#include "records/payload.h"
#include "records/recent.h"

#include <stdio.h>

/* Rows read at a time: not all payloads of a dataset fit into memory. */
#define PAGE_ROWS 1000

struct checked {
	struct dataset d;
	struct records_of of;
	int64_t rows, live, size, ids; /* found so far */
	int64_t ids_due; /* by the rows found; one that moves has two */
	int64_t *hashes; /* of the ids, by row number */
	unsigned char *places; /* enum id_place, by row number, where the id was not found yet */
	struct record_ad ad;
	struct jc_scratch *scratch;
	struct buf payload, spare;
};

static void checked_done(struct checked *k)
{
	jc_scratch_free(k->scratch);
	buf_done(&k->payload);
	buf_done(&k->spare);
	mem_free(k->hashes);
	mem_free(k->places);
}

static int wrong(const struct checked *k, struct sv id, const char *what, struct err *err)
{
	return err_set(err, ERR_INTERNAL, "dataset %.*s of connection %lld, record '%.*s': %s",
		SV(k->of.model), (long long)k->of.connection, SV(id), what);
}

static int wrong_count(
	const struct checked *k, const char *what, int64_t noted, int64_t found, struct err *err)
{
	return err_set(err, ERR_INTERNAL,
		"dataset %.*s of connection %lld: %s: %lld noted, %lld there", SV(k->of.model),
		(long long)k->of.connection, what, (long long)noted, (long long)found);
}

/* The payload opens, is an object with this id, and has the hash of the key. */
static int check_payload(
	struct checked *k, struct sv id, struct sv hash, struct sv sealed, struct err *err)
{
	struct arena arena = { 0 };
	struct jc_record r;

	buf_clear(&k->payload);
	if (keyring_open(k->of.keys, k->of.environment, record_ad(&k->ad, id), sealed, &k->payload,
		    err) < 0 ||
		payload_unpack(&k->payload, &k->spare, err) < 0)
		return wrong(k, id, "the payload does not open", err);
	int rc = jc_one(buf_sv(&k->payload), (struct jc_limits){ .depth = JC_DEPTH_MAX },
		k->scratch, &arena, &r, err);
	if (rc < 0)
		rc = wrong(k, id, "the payload is no record", err);
	else if (!sv_eq(r.id, id))
		rc = wrong(k, id, "the payload is that of another record", err);
	else if (hash.len != sizeof(r.hash) || memcmp(hash.ptr, r.hash, sizeof(r.hash)) != 0)
		rc = wrong(k, id, "the payload has another hash", err);
	arena_done(&arena);
	return rc;
}

/* A row of check_rows; of the feed are the columns from 6 on. */
static int check_row(struct checked *k, struct rows *r, struct err *err)
{
	int64_t row_no = row_i64(r, 0), stamp = row_i64(r, 3), flags = row_i64(r, 4);
	struct sv id = row_sv(r, 1), sealed = row_sv(r, 11);

	if (row_null(r, 6))
		return wrong(k, id, "it is not in the feed", err);
	if (row_i64(r, 6) != row_no || !sv_eq(row_sv(r, 7), id))
		return wrong(k, id, "the feed has another record at its stamp", err);
	if (row_no < 0 || row_no >= k->d.next_row || stamp > k->d.last_stamp || stamp < 1)
		return wrong(k, id, "its number or stamp was never given out", err);
	if (row_i64(r, 8) > stamp)
		return wrong(k, id, "it was changed before it was added", err);
	if (!(flags & ROW_DELETED) != row_null(r, 9) || !(flags & ROW_PRUNED) != row_null(r, 10) ||
		!(flags & ROW_PRUNED) != (sealed.ptr != NULL))
		return wrong(k, id, "its flags are not those of the feed", err);
	if (stamp <= k->d.pruned_to && !(flags & ROW_PRUNED))
		return wrong(k, id, "it should be pruned", err);
	if (row_i64(r, 5) != (int64_t)sealed.len)
		return wrong(k, id, "its payload has another size", err);
	k->hashes[row_no] = record_id_hash(id);
	k->places[row_no] = (unsigned char)id_places(&k->d, row_no, k->hashes[row_no]);
	k->ids_due += __builtin_popcount(k->places[row_no]);
	k->rows++;
	k->live += !(flags & ROW_DELETED);
	k->size += (int64_t)sealed.len;
	return k->of.keys && k->of.environment && sealed.ptr
		       ? check_payload(k, id, row_sv(r, 2), sealed, err)
		       : 0;
}

/* A page of the rows behind `behind`; returns how many. */
static int64_t check_page(struct dbc *c, struct checked *k, int64_t *behind, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int64_t n = 0;
	int rc;

	TRY(db_query(c, Q_CHECK_ROWS,
		ARGS(arg_i64(k->d.connection), arg_i64(k->d.id), arg_i64(*behind),
			arg_i64(PAGE_ROWS)),
		&rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		TRY(check_row(k, &rows, err));
		*behind = row_i64(&rows, 0);
		n++;
	}
	return rc < 0 ? rc : n;
}

static int check_rows(struct dbc *c, struct checked *k, struct err *err)
{
	int64_t behind = -1, n;

	do {
		n = check_page(c, k, &behind, err);
		TRY((int)(n < 0 ? n : 0));
	} while (n == PAGE_ROWS);
	return 0;
}

/* An id where ids.c looks for it: it must be that of a row that has one there. */
static int check_id(
	struct checked *k, int64_t row_no, int64_t hash, enum id_place place, struct err *err)
{
	char name[32];

	snprintf(name, sizeof(name), "number %lld", (long long)row_no);
	if (row_no < 0 || row_no >= k->d.next_row || !(k->places[row_no] & place))
		return wrong(k, sv_str(name), "its id is in the wrong place, or comes twice", err);
	if (k->hashes[row_no] != hash)
		return wrong(k, sv_str(name), "its id has another hash", err);
	k->places[row_no] &= (unsigned char)~place;
	k->ids++;
	return 0;
}

static int check_indexed(struct dbc *c, struct checked *k, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int rc;

	TRY(db_query(c, Q_CHECK_IDS, ARGS(arg_i64(k->d.connection), arg_i64(k->d.id)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0)
		TRY(check_id(k, row_i64(&rows, 0), row_i64(&rows, 1), ID_INDEXED, err));
	return rc;
}

static int check_ids(struct dbc *c, struct checked *k, struct err *err)
{
	const struct recent_range all = { .low = 0, .high = INT64_MAX, .end = INT64_MAX };
	own_in(recent_rows_done) struct recent_rows recent = { 0 };

	TRY(check_indexed(c, k, err));
	TRY(recent_between(c, &k->d, all, &recent, err));
	for (size_t i = 0; i < recent.count; i++)
		TRY(check_id(k, recent.list[i].row_no, recent.list[i].hash, ID_RECENT, err));
	return k->ids == k->ids_due ? 0 : wrong_count(k, "ids", k->ids_due, k->ids, err);
}

static int check_count(
	struct dbc *c, const struct checked *k, enum query q, const char *what, struct err *err)
{
	int64_t found;

	TRY(db_one_i64(c, q, ARGS(arg_i64(k->d.connection), arg_i64(k->d.id)), &found, err));
	return found == k->rows ? 0 : wrong_count(k, what, k->rows, found, err);
}

static int check_dataset(struct dbc *c, struct checked *k, struct err *err)
{
	TRY(record_ad_init(&k->ad, &k->of, err));
	k->hashes = mem_array((size_t)k->d.next_row + 1, sizeof(*k->hashes));
	k->places = mem_zalloc((size_t)k->d.next_row + 1);
	TRY(check_rows(c, k, err));
	if (k->rows != k->d.total)
		return wrong_count(k, "rows", k->d.total, k->rows, err);
	if (k->live != k->d.live)
		return wrong_count(k, "live rows", k->d.live, k->live, err);
	if (k->size != k->d.size)
		return wrong_count(k, "bytes", k->d.size, k->size, err);
	TRY(check_ids(c, k, err));
	TRY(check_count(c, k, Q_CHECK_FEED_ROWS, "rows of the feed", err));
	return check_count(c, k, Q_CHECK_DIFFERENT_IDS, "different ids", err);
}

static int check_orphans(struct dbc *c, struct err *err)
{
	int64_t orphans;

	TRY(db_one_i64(c, Q_CHECK_ORPHANS, NO_ARGS, &orphans, err));
	if (orphans)
		return err_set(err, ERR_INTERNAL,
			"%lld rows of the record tables belong to no dataset", (long long)orphans);
	return 0;
}

struct list {
	struct dataset d;
	int64_t environment;
	struct sv model;
	struct list *next;
};

static int list_datasets(struct dbc *c, int64_t environment, struct list **ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int rc;

	TRY(db_query(c, Q_CHECK_DATASETS, ARGS(arg_i64(environment)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		*ret = ARENA_NEW(db_arena(c), struct list);
		(*ret)->model = arena_sv(db_arena(c), row_sv(&rows, 2));
		(*ret)->environment = row_i64(&rows, 10);
		(*ret)->d = (struct dataset){
			.connection = row_i64(&rows, 0),
			.id = row_i64(&rows, 1),
			.last_stamp = row_i64(&rows, 3),
			.next_row = row_i64(&rows, 4),
			.indexed = row_i64(&rows, 5),
			.live = row_i64(&rows, 6),
			.total = row_i64(&rows, 7),
			.size = row_i64(&rows, 8),
			.pruned_to = row_i64(&rows, 9),
			.moving = row_i64(&rows, 11),
			.moved = row_i64(&rows, 12),
		};
		ret = &(*ret)->next;
	}
	return rc;
}

int records_check(struct dbc *c, struct records_check *check, struct err *err)
{
	struct list *list = NULL;

	check->datasets = check->rows = 0;
	TRY(list_datasets(c, check->environment, &list, err));
	for (; list; list = list->next) {
		own_in(checked_done) struct checked k = { .d = list->d };
		k.of = (struct records_of){
			.keys = check->keys,
			.environment = list->environment,
			.connection = list->d.connection,
			.model = list->model,
		};
		k.scratch = jc_scratch_new();
		buf_init(&k.payload, JC_BATCH_BYTES_MAX);
		buf_init(&k.spare, JC_BATCH_BYTES_MAX);
		TRY(check_dataset(c, &k, err));
		check->datasets++;
		check->rows += k.rows;
	}
	return check_orphans(c, err);
}
