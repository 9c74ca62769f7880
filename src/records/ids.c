#include "records/ids.h"

#include "base/mem.h"
#include "records/rows_args.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* More of them make each batch rewrite more pages, fewer make the moves dearer: measured. */
#define RECENT_MAX 16000

enum { PART_MAIN, PART_RECENT };

int64_t record_id_hash(struct sv text)
{
	return (int64_t)(XXH3_64bits(text.ptr, text.len) >> 17);
}

/* Finding. */

struct search {
	const struct record_id *ids;
	struct record_row *rows;
	bool *found;
	size_t *index; /* of the id that each key stands for */
};

static int found_row(void *ctx, size_t key, struct rows *r, struct err *err)
{
	struct search *s = ctx;
	size_t i = s->index[key];
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

static int search_part(struct dbc *c, const struct dataset *d, struct search *s, size_t count,
	struct arg *keys, int part, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (s->found[i])
			continue;
		s->index[n] = i;
		keys[n++] = arg_i64(s->ids[i].hash);
	}
	return db_query_each(c, Q_RECORD_FIND,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(part)), keys, n, found_row, s,
		err);
}

int ids_find(struct dbc *c, const struct dataset *d, const struct record_id *ids, size_t count,
	struct record_row *rows, bool *found, struct err *err)
{
	struct search s = { .ids = ids, .rows = rows, .found = found };
	struct arg *keys = arena_alloc(db_arena(c), (count + 1) * sizeof(*keys));

	s.index = arena_alloc(db_arena(c), (count + 1) * sizeof(*s.index));
	memset(found, 0, count * sizeof(*found));
	if (d->total > d->recent)
		TRY(search_part(c, d, &s, count, keys, PART_MAIN, err));
	if (d->recent)
		TRY(search_part(c, d, &s, count, keys, PART_RECENT, err));
	return 0;
}

/* Adding. */

static int move_recent(struct dbc *c, struct dataset *d, struct err *err)
{
	struct arg of[2] = { arg_i64(d->connection), arg_i64(d->id) };

	TRY(db_exec(c, Q_RECORD_ID_MERGE, of, 2, NULL, err));
	TRY(db_exec(c, Q_RECORD_ID_MERGED, of, 2, NULL, err));
	d->recent = 0;
	return 0;
}

int ids_add(struct dbc *c, struct dataset *d, const struct record_id *ids, const int64_t *row_nos,
	size_t count, struct err *err)
{
	struct rows_args args = rows_args(c, 4, count);

	for (size_t i = 0; i < count; i++) {
		struct arg *row = rows_args_add(&args, d);
		row[2] = arg_i64(ids[i].hash);
		row[3] = arg_i64(row_nos[i]);
	}
	TRY(rows_args_run(c, Q_RECORD_ID_INSERT, &args, err));
	d->recent += (int64_t)count;
	return d->recent >= RECENT_MAX ? move_recent(c, d, err) : 0;
}

/* Removing. */

static int remove_from(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, int part, int64_t *ret_removed, struct err *err)
{
	struct rows_args args = rows_args(c, 5, count);

	*ret_removed = 0;
	for (size_t i = 0; i < count; i++) {
		struct arg *row = rows_args_add(&args, d);
		row[2] = arg_i64(part);
		row[3] = arg_i64(ids[i].hash);
		row[4] = arg_i64(row_nos[i]);
	}
	/* Each is in one of the parts, so that not every row removes one. */
	return db_exec_many(c, Q_RECORD_ID_REMOVE, args.list, 5, count, ret_removed, err);
}

int ids_remove(struct dbc *c, struct dataset *d, const struct record_id *ids,
	const int64_t *row_nos, size_t count, struct err *err)
{
	int64_t main_rows, recent_rows;

	TRY(remove_from(c, d, ids, row_nos, count, PART_MAIN, &main_rows, err));
	TRY(remove_from(c, d, ids, row_nos, count, PART_RECENT, &recent_rows, err));
	d->recent -= recent_rows;
	if (main_rows + recent_rows != (int64_t)count)
		return err_set(err, ERR_INTERNAL, "the record tables disagree");
	return 0;
}

int ids_clear(struct dbc *c, struct dataset *d, struct err *err)
{
	d->recent = 0;
	return db_exec(
		c, Q_RECORD_ID_CLEAR, ARGS(arg_i64(d->connection), arg_i64(d->id)), NULL, err);
}
