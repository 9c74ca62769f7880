#include "records/ids.h"

#include "base/mem.h"
#include "records/id_set.h"
#include "records/known.h"
#include "records/recent.h"
#include "records/rows_args.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/*
 * When the recent ids move to record_ids. They are spread all over it, so that each move writes
 * most of its pages: the more of them go at once, the less each costs. But all recent ones are read
 * to find one (2 MB at most). A move would hold up the other writers for a second, so it goes on in
 * steps, in the order of hashes, which are even: one for each batch of new rows, of sixteen times
 * as many. Meanwhile (`moving`, `moved` of the dataset) ids that have moved are in both places.
 */
enum { RECENT_MIN = 16000, RECENT_MAX = 262144, RECENT_SHARE = 8 };
enum { STEP_MIN = 16000, STEP_EACH = 16, INSERT_ROWS = 1000 };
#define HASH_MAX (((int64_t)1 << 47) - 1)

int64_t record_id_hash(struct sv text)
{
	int64_t hash = (int64_t)(XXH3_64bits(text.ptr, text.len) >> 17); /* up to HASH_MAX */

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

/* Those of the n at the front of s->index that are not found yet, moved to the front. */
static size_t left_of(struct search *s, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (!s->found[s->index[i]])
			s->index[left++] = s->index[i];
	return left;
}

/* Of all ids. */
static size_t search_left(struct search *s, size_t count)
{
	for (size_t i = 0; i < count; i++)
		s->index[i] = i;
	return left_of(s, count);
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

enum { MANY = 50, PROBES = 3 };

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

/* The rows of ids, by number, as far as they are known. */
struct span {
	int64_t low, high;
};

static struct span span_with(struct span s, int64_t row_no)
{
	return (struct span){ row_no < s.low ? row_no : s.low, row_no > s.high ? row_no : s.high };
}

static bool span_is_near(struct span s, size_t count)
{
	return s.low < s.high && s.high - s.low < 2 * (int64_t)count;
}

static int read_span(struct dbc *c, const struct dataset *d, struct search *s, size_t count,
	struct span span, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	struct near near = { .s = s, .count = count };
	int rc;

	TRY(db_query(c, Q_RECORD_KEY_RANGE,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(span.low),
			arg_i64(span.high - span.low + 1)),
		&rows, err));
	while ((rc = rows_next(&rows, err)) > 0)
		TRY(near_row(c, &near, &rows, err));
	return rc;
}

static int search_near(
	struct dbc *c, const struct dataset *d, struct search *s, size_t count, struct err *err)
{
	const size_t probes[PROBES] = { 0, count / 2, count - 1 };
	struct span span = { INT64_MAX, 0 };

	if (count < MANY)
		return 0;
	memcpy(s->index, probes, sizeof(probes));
	TRY(search_main(c, d, s, PROBES, err));
	for (size_t i = 0; i < PROBES; i++)
		if (s->found[probes[i]])
			span = span_with(span, s->rows[probes[i]].row_no);
	return span_is_near(span, count) ? read_span(c, d, s, count, span, err) : 0;
}

static int read_recent(struct dbc *c, const struct dataset *d, struct search *s,
	const struct recent_rows *hits, struct err *err)
{
	struct arg *keys = arena_alloc(db_arena(c), (hits->count + 1) * sizeof(*keys));

	s->index = arena_alloc(db_arena(c), (hits->count + 1) * sizeof(*s->index));
	for (size_t i = 0; i < hits->count; i++) {
		keys[i] = arg_i64(hits->list[i].row_no);
		s->index[i] = hits->list[i].index;
	}
	return db_query_each(c, Q_RECORD_KEY_FIND, ARGS(arg_i64(d->connection), arg_i64(d->id)),
		keys, hits->count, found_row, s, err);
}

/* Of the `count` ids, the n at the front of s->index. */
static int search_recent(struct dbc *c, const struct dataset *d, struct search *s, size_t count,
	size_t n, struct err *err)
{
	own_in(recent_rows_done) struct recent_rows hits = { 0 };
	struct span span = { INT64_MAX, 0 };

	if (n == 0 || d->next_row == d->indexed)
		return 0;
	TRY(recent_find(c, d, s->ids, s->index, n, &hits, err));
	for (size_t i = 0; i < hits.count; i++)
		span = span_with(span, hits.list[i].row_no);
	return hits.count >= MANY && span_is_near(span, hits.count)
		       ? read_span(c, d, s, count, span, err)
		       : read_recent(c, d, s, &hits, err);
}

/*
 * The n at the front of s->index; *ret_left of them may be recent. Few ids are mostly those of
 * records that are there, as a webhook tells of a change: what is new among them is asked for only
 * when they are not in record_ids.
 */
static int search_indexed(struct dbc *c, const struct dataset *d, struct search *s, size_t n,
	size_t *ret_left, struct err *err)
{
	struct known_ids keep = { .index = s->index, .count = n, .recent = n };
	bool many = n >= MANY;

	if (many)
		TRY(known_filter(c, d, s->ids, &keep, err));
	TRY(search_main(c, d, s, keep.count, err));
	keep.count = keep.recent = left_of(s, keep.recent);
	if (!many && keep.count)
		TRY(known_filter(c, d, s->ids, &keep, err));
	*ret_left = keep.recent;
	return 0;
}

int ids_find(struct dbc *c, const struct dataset *d, const struct record_id *ids, size_t count,
	struct record_row *rows, bool *found, struct err *err)
{
	struct search s = { .ids = ids, .rows = rows, .found = found };

	s.index = arena_alloc(db_arena(c), (count + 1) * sizeof(*s.index));
	memset(found, 0, count * sizeof(*found));
	if (d->indexed)
		TRY(search_near(c, d, &s, count, err));
	size_t n = search_left(&s, count);
	if (d->indexed)
		TRY(search_indexed(c, d, &s, n, &n, err));
	return search_recent(c, d, &s, count, n, err);
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

static int64_t step_rows(size_t added)
{
	int64_t rows = STEP_EACH * (int64_t)added;

#ifdef TIDEMARK_TEST_HOOKS
	if (ids_recent_most)
		return ids_recent_most / 2 + 1;
#endif
	return rows < STEP_MIN ? STEP_MIN : rows;
}

static int insert_indexed(
	struct dbc *c, const struct dataset *d, const struct recent_rows *r, struct err *err)
{
	struct rows_args args = rows_args(c, 4, INSERT_ROWS);

	for (size_t i = 0; i < r->count; i++) {
		struct arg *row = rows_args_add(&args, d);
		row[2] = arg_i64(r->list[i].hash);
		row[3] = arg_i64(r->list[i].row_no);
		if (args.rows < INSERT_ROWS && i + 1 < r->count)
			continue;
		TRY(rows_args_run(c, Q_RECORD_ID_INSERT, &args, err));
		args.rows = 0;
	}
	return 0;
}

static int move_step(struct dbc *c, struct dataset *d, size_t added, struct err *err)
{
	own_in(recent_rows_done) struct recent_rows step = { 0 };
	int64_t all = d->moving - d->indexed, rows = step_rows(added);
	int64_t width = rows < all ? HASH_MAX / all * rows : HASH_MAX;
	struct recent_range range = { d->moved + 1, HASH_MAX, d->moving };

	if (width < HASH_MAX - d->moved)
		range.high = d->moved + width;
	TRY(recent_between(c, d, range, &step, err));
	TRY(insert_indexed(c, d, &step, err));
	d->moved = range.high;
	if (d->moved < HASH_MAX)
		return 0;
	TRY(recent_forget(c, d, d->moving, err));
	d->indexed = d->moving;
	d->moving = d->moved = 0;
	return 0;
}

int ids_add(struct dbc *c, struct dataset *d, const struct record_id *ids, int64_t first_row,
	size_t count, struct err *err)
{
	TRY(recent_add(c, d, ids, first_row, count, err));
	if (!d->moving && d->next_row - d->indexed >= recent_most(d))
		d->moving = d->next_row;
	return d->moving ? move_step(c, d, count, err) : 0;
}

/* Removing. */

int id_places(const struct dataset *d, int64_t row_no, int64_t hash)
{
	if (row_no < d->indexed)
		return ID_INDEXED;
	return row_no < d->moving && hash <= d->moved ? ID_INDEXED | ID_RECENT : ID_RECENT;
}

static int remove_indexed(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err)
{
	struct rows_args args = rows_args(c, 4, count);

	for (size_t i = 0; i < count; i++) {
		if (!(id_places(d, row_nos[i], ids[i].hash) & ID_INDEXED))
			continue;
		struct arg *row = rows_args_add(&args, d);
		row[2] = arg_i64(ids[i].hash);
		row[3] = arg_i64(row_nos[i]);
	}
	return rows_args_run(c, Q_RECORD_ID_REMOVE, &args, err);
}

/* In runs of rows that are among the recent, or not: mostly one. */
static int remove_recent(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err)
{
	for (size_t from = 0, to; from < count; from = to) {
		bool recent = row_nos[from] >= d->indexed;
		for (to = from + 1; to < count && (row_nos[to] >= d->indexed) == recent;)
			to++;
		if (recent)
			TRY(recent_remove(c, d, ids + from, row_nos + from, to - from, err));
	}
	return 0;
}

int ids_remove(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err)
{
	TRY(remove_indexed(c, d, ids, row_nos, count, err));
	return remove_recent(c, d, ids, row_nos, count, err);
}

int ids_clear(struct dbc *c, struct dataset *d, struct err *err)
{
	d->indexed = d->moving = d->moved = 0;
	TRY(recent_clear(c, d, err));
	return db_exec(
		c, Q_RECORD_ID_CLEAR, ARGS(arg_i64(d->connection), arg_i64(d->id)), NULL, err);
}
