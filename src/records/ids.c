#include "records/ids.h"

#include "base/mem.h"
#include "records/id_set.h"
#include "records/recent.h"
#include "records/rows_args.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/*
 * When the recent ids move to record_ids. They are spread all over it, so that each move writes up
 * to a page per row: the larger the dataset, the more of them should go at once. But all recent
 * ones are read to find one, and a move holds up the other writers.
 */
enum { RECENT_MIN = 16000, RECENT_MAX = 65000, RECENT_SHARE = 32, MOVE_ROWS = 1000 };

int64_t record_id_hash(struct sv text)
{
	int64_t hash = (int64_t)(XXH3_64bits(text.ptr, text.len) >> 17);

	return hash ? hash : 1;
}

/* Finding. */

struct search {
	const struct record_id *ids;
	struct record_row *rows;
	bool *found;
	size_t *index; /* of the id that each key stands for */
};

/* The row is that of id i, unless only their hashes are the same. */
static int take_row(struct search *s, size_t i, struct rows *r, struct err *err)
{
	struct record_row *row = &s->rows[i];
	struct sv hash = row_sv(r, 0);

	if (!sv_eq(row_sv(r, 6), s->ids[i].text))
		return 0;
	if (hash.len != sizeof(row->hash))
		return err_set(err, ERR_INTERNAL, "a stored record hash has %zu bytes", hash.len);
	memcpy(row->hash, hash.ptr, hash.len);
	row->stamp = row_i64(r, 1);
	row->row_no = row_i64(r, 2);
	row->flags = row_i64(r, 3);
	row->size = row_i64(r, 4);
	row->writer = row_i64(r, 5);
	s->found[i] = true;
	return 0;
}

static int found_row(void *ctx, size_t key, struct rows *r, struct err *err)
{
	struct search *s = ctx;

	return take_row(s, s->index[key], r, err);
}

/* The ids not found yet, by index. */
static size_t search_left(struct search *s, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!s->found[i])
			s->index[n++] = i;
	return n;
}

/* In record_ids, those at the front of s->index. */
static int search_main(
	struct dbc *c, const struct dataset *d, struct search *s, size_t n, struct err *err)
{
	struct arg *keys = arena_alloc(db_arena(c), (n + 1) * sizeof(*keys));

	for (size_t i = 0; i < n; i++)
		keys[i] = arg_i64(s->ids[s->index[i]].hash);
	return db_query_each(c, Q_RECORD_FIND, ARGS(arg_i64(d->connection), arg_i64(d->id)), keys,
		n, found_row, s, err);
}

/*
 * A sync mostly brings the records in the order it brought them first. So if some of them, looked
 * up, are near each other, the others are between those, where reading all rows costs a fraction
 * of looking each up: in record_ids, that is a page for every one of them.
 */

enum { NEAR_MIN = 50, PROBES = 3 };

struct near {
	struct search *s;
	struct id_set set; /* made when the rows are not in the order of the ids */
	size_t count, next;
};

static int near_row(struct dbc *c, struct near *n, struct rows *r, struct err *err)
{
	struct sv id = row_sv(r, 6);

	if (n->next < n->count && sv_eq(n->s->ids[n->next].text, id))
		return take_row(n->s, n->next++, r, err);
	if (!n->set.list) {
		size_t left = search_left(n->s, n->count);
		id_set_init(&n->set, db_arena(c), n->s->ids, n->s->index, left);
	}
	int64_t hash = record_id_hash(id);
	for (size_t at = id_set_find(&n->set, hash); id_set_has(&n->set, at, hash); at++) {
		size_t i = n->set.list[at].index;
		TRY(take_row(n->s, i, r, err));
		n->next = i + 1;
	}
	return 0;
}

static int read_between(struct dbc *c, const struct dataset *d, struct search *s, size_t count,
	int64_t low, int64_t high, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	struct near near = { .s = s, .count = count };
	int rc;

	TRY(db_query(c, Q_RECORD_KEY_RANGE,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(low), arg_i64(high - low + 1)),
		&rows, err));
	while ((rc = rows_next(&rows, err)) > 0)
		TRY(near_row(c, &near, &rows, err));
	return rc;
}

static int search_near(
	struct dbc *c, const struct dataset *d, struct search *s, size_t count, struct err *err)
{
	const size_t probes[PROBES] = { 0, count / 2, count - 1 };
	int64_t low = INT64_MAX, high = 0;

	if (count < NEAR_MIN)
		return 0;
	memcpy(s->index, probes, sizeof(probes));
	TRY(search_main(c, d, s, PROBES, err));
	for (size_t i = 0; i < PROBES; i++) {
		int64_t row = s->rows[probes[i]].row_no;
		if (!s->found[probes[i]])
			continue;
		low = row < low ? row : low;
		high = row > high ? row : high;
	}
	return low < high && high - low < 2 * (int64_t)count
		       ? read_between(c, d, s, count, low, high, err)
		       : 0;
}

static int search_recent(
	struct dbc *c, const struct dataset *d, struct search *s, size_t count, struct err *err)
{
	own_in(recent_rows_done) struct recent_rows hits = { 0 };
	size_t n = search_left(s, count);

	if (n == 0)
		return 0;
	TRY(recent_find(c, d, s->ids, s->index, n, &hits, err));
	struct arg *keys = arena_alloc(db_arena(c), (hits.count + 1) * sizeof(*keys));
	s->index = arena_alloc(db_arena(c), (hits.count + 1) * sizeof(*s->index));
	for (size_t i = 0; i < hits.count; i++) {
		keys[i] = arg_i64(hits.list[i].row_no);
		s->index[i] = hits.list[i].index;
	}
	return db_query_each(c, Q_RECORD_KEY_FIND, ARGS(arg_i64(d->connection), arg_i64(d->id)),
		keys, hits.count, found_row, s, err);
}

int ids_find(struct dbc *c, const struct dataset *d, const struct record_id *ids, size_t count,
	struct record_row *rows, bool *found, struct err *err)
{
	struct search s = { .ids = ids, .rows = rows, .found = found };

	s.index = arena_alloc(db_arena(c), (count + 1) * sizeof(*s.index));
	memset(found, 0, count * sizeof(*found));
	if (d->indexed) {
		TRY(search_near(c, d, &s, count, err));
		TRY(search_main(c, d, &s, search_left(&s, count), err));
	}
	return d->next_row > d->indexed ? search_recent(c, d, &s, count, err) : 0;
}

/* Adding. */

#ifdef TIDEMARK_TEST_HOOKS
int64_t ids_recent_most;
#endif

static int64_t recent_most(const struct dataset *d)
{
	int64_t share = d->total / RECENT_SHARE;

#ifdef TIDEMARK_TEST_HOOKS
	if (ids_recent_most)
		return ids_recent_most;
#endif
	return share < RECENT_MIN ? RECENT_MIN : share > RECENT_MAX ? RECENT_MAX : share;
}

static int move_recent(struct dbc *c, struct dataset *d, struct err *err)
{
	own_in(recent_rows_done) struct recent_rows all = { 0 };
	struct rows_args args = rows_args(c, 4, MOVE_ROWS);

	TRY(recent_all(c, d, &all, err));
	for (size_t i = 0; i < all.count; i++) {
		struct arg *row = rows_args_add(&args, d);
		row[2] = arg_i64(all.list[i].hash);
		row[3] = arg_i64(all.list[i].row_no);
		if (args.rows < MOVE_ROWS && i + 1 < all.count)
			continue;
		TRY(rows_args_run(c, Q_RECORD_ID_INSERT, &args, err));
		args.rows = 0;
	}
	d->indexed = d->next_row;
	return recent_clear(c, d, err);
}

int ids_add(struct dbc *c, struct dataset *d, const struct record_id *ids, int64_t first_row,
	size_t count, struct err *err)
{
	TRY(recent_add(c, d, ids, first_row, count, err));
	return d->next_row - d->indexed >= recent_most(d) ? move_recent(c, d, err) : 0;
}

/* Removing. */

static int remove_main(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err)
{
	struct rows_args args = rows_args(c, 4, count);

	for (size_t i = 0; i < count; i++) {
		struct arg *row = rows_args_add(&args, d);
		row[2] = arg_i64(ids[i].hash);
		row[3] = arg_i64(row_nos[i]);
	}
	return rows_args_run(c, Q_RECORD_ID_REMOVE, &args, err);
}

int ids_remove(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err)
{
	/* Runs of rows that are in the same place: mostly one. */
	for (size_t from = 0, to; from < count; from = to) {
		bool recent = row_nos[from] >= d->indexed;
		for (to = from + 1; to < count && (row_nos[to] >= d->indexed) == recent;)
			to++;
		TRY((recent ? recent_remove : remove_main)(
			c, d, ids + from, row_nos + from, to - from, err));
	}
	return 0;
}

int ids_clear(struct dbc *c, struct dataset *d, struct err *err)
{
	d->indexed = 0;
	TRY(recent_clear(c, d, err));
	return db_exec(
		c, Q_RECORD_ID_CLEAR, ARGS(arg_i64(d->connection), arg_i64(d->id)), NULL, err);
}
