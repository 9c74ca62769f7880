#include "records/recent.h"

#include "base/fault.h"
#include "base/mem.h"
#include "records/id_set.h"

#include <stdlib.h>

enum { CHUNK_ROWS = 1024 };

/* The hashes of the rows from number * CHUNK_ROWS on; 0 where there is no row (any more). */
struct chunk {
	int64_t number, hashes[CHUNK_ROWS];
	size_t count;
};

static int chunk_read(struct chunk *k, int64_t number, struct sv bytes, struct err *err)
{
	k->number = number;
	k->count = bytes.len / sizeof(k->hashes[0]);
	if (bytes.len > sizeof(k->hashes) || bytes.len % sizeof(k->hashes[0]) != 0)
		return err_set(err, ERR_INTERNAL, "a stored list of ids has %zu bytes", bytes.len);
	memcpy(k->hashes, bytes.ptr, bytes.len);
	return 0;
}

static int chunk_load(
	struct dbc *c, const struct dataset *d, int64_t number, struct chunk *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	ret->number = number;
	ret->count = 0;
	TRY(db_query(c, Q_RECORD_RECENT_CHUNK,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(number)), &rows, err));
	int rc = rows_next(&rows, err);
	return rc <= 0 ? rc : chunk_read(ret, number, row_sv(&rows, 0), err);
}

static int chunk_store(
	struct dbc *c, const struct dataset *d, const struct chunk *k, struct err *err)
{
	struct sv bytes = sv_make((const char *)k->hashes, k->count * sizeof(k->hashes[0]));

	TRY(FAULT("records.write", err));
	return db_exec(c, Q_RECORD_RECENT_STORE,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(k->number), arg_blob(bytes)),
		NULL, err);
}

/* Adding. */

/* As many as there is room for in the chunk of first_row. Returns how many. */
static int64_t add_to_chunk(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	int64_t first_row, size_t count, struct err *err)
{
	struct chunk k = { .number = first_row / CHUNK_ROWS };
	size_t at = (size_t)(first_row % CHUNK_ROWS), n = CHUNK_ROWS - at;

	n = n < count ? n : count;
	if (at)
		TRY(chunk_load(c, d, k.number, &k, err));
	for (size_t i = k.count; i < at; i++)
		k.hashes[i] = 0;
	for (size_t i = 0; i < n; i++)
		k.hashes[at + i] = ids[i].hash;
	k.count = at + n;
	TRY(chunk_store(c, d, &k, err));
	return (int64_t)n;
}

int recent_add(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	int64_t first_row, size_t count, struct err *err)
{
	for (size_t done = 0; done < count;) {
		int64_t n = add_to_chunk(
			c, d, ids + done, first_row + (int64_t)done, count - done, err);
		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	return 0;
}

/* Finding. */

static int by_hash(const void *a, const void *b)
{
	const struct recent_row *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

static void rows_put(struct recent_rows *r, int64_t hash, int64_t row_no, size_t index)
{
	if (r->count == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 64;
		r->list = mem_realloc(r->list, r->cap * sizeof(*r->list));
	}
	r->list[r->count++] = (struct recent_row){ .hash = hash, .row_no = row_no, .index = index };
}

void recent_rows_done(struct recent_rows *r)
{
	mem_free(r->list);
}

/* What is looked for: one of the two. */
struct wanted {
	const struct id_set *set;
	const struct recent_range *range;
};

static void match(const struct wanted *w, int64_t hash, int64_t row_no, struct recent_rows *ret)
{
	const struct recent_range *r = w->range;

	if (w->set)
		for (size_t at = id_set_find(w->set, hash); id_set_has(w->set, at, hash); at++)
			rows_put(ret, hash, row_no, w->set->list[at].index);
	else if (hash && hash >= r->low && hash <= r->high && row_no < r->end)
		rows_put(ret, hash, row_no, 0);
}

static int scan(struct dbc *c, const struct dataset *d, const struct wanted *w,
	struct recent_rows *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	struct chunk k;
	int rc;

	TRY(db_query(
		c, Q_RECORD_RECENT_LIST, ARGS(arg_i64(d->connection), arg_i64(d->id)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		TRY(chunk_read(&k, row_i64(&rows, 0), row_sv(&rows, 1), err));
		for (size_t i = 0; i < k.count; i++)
			match(w, k.hashes[i], k.number * CHUNK_ROWS + (int64_t)i, ret);
	}
	return rc;
}

int recent_find(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const size_t *wanted, size_t count, struct recent_rows *ret, struct err *err)
{
	struct id_set set;

	id_set_init(&set, db_arena(c), ids, wanted, count);
	return scan(c, d, &(struct wanted){ .set = &set }, ret, err);
}

int recent_between(struct dbc *c, const struct dataset *d, struct recent_range range,
	struct recent_rows *ret, struct err *err)
{
	TRY(scan(c, d, &(struct wanted){ .range = &range }, ret, err));
	if (ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), by_hash);
	return 0;
}

/* Removing. */

/* Those at the front that share a chunk. Returns how many. */
static int64_t remove_from_chunk(struct dbc *c, const struct dataset *d,
	const struct record_id *ids, const int64_t *row_nos, size_t count, struct err *err)
{
	struct chunk k;
	size_t i;

	TRY(chunk_load(c, d, row_nos[0] / CHUNK_ROWS, &k, err));
	for (i = 0; i < count && row_nos[i] / CHUNK_ROWS == k.number; i++) {
		size_t at = (size_t)(row_nos[i] % CHUNK_ROWS);
		if (at >= k.count || k.hashes[at] != ids[i].hash)
			return err_set(err, ERR_INTERNAL, "the record tables disagree");
		k.hashes[at] = 0;
	}
	TRY(chunk_store(c, d, &k, err));
	return (int64_t)i;
}

int recent_remove(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err)
{
	for (size_t done = 0; done < count;) {
		int64_t n = remove_from_chunk(c, d, ids + done, row_nos + done, count - done, err);
		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	return 0;
}

int recent_forget(struct dbc *c, const struct dataset *d, int64_t end, struct err *err)
{
	struct chunk k;
	size_t at = (size_t)(end % CHUNK_ROWS);

	TRY(db_exec(c, Q_RECORD_RECENT_FORGET,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(end / CHUNK_ROWS)), NULL,
		err));
	if (at == 0)
		return 0;
	TRY(chunk_load(c, d, end / CHUNK_ROWS, &k, err));
	memset(k.hashes, 0, (at < k.count ? at : k.count) * sizeof(k.hashes[0]));
	return chunk_store(c, d, &k, err);
}

int recent_clear(struct dbc *c, const struct dataset *d, struct err *err)
{
	return db_exec(
		c, Q_RECORD_RECENT_CLEAR, ARGS(arg_i64(d->connection), arg_i64(d->id)), NULL, err);
}
