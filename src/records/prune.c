#include "records/prune.h"

#include "base/clock.h"
#include "records/cursor.h"
#include "records/ids.h"
#include "records/rows_args.h"

/*
 * A removed dataset may be made again, and readers may still have its cursors: the row with its
 * last stamp stays until no clock that is set back can give out such a stamp again.
 */
#define KEEP_STAMP_US (86400 * INT64_C(1000000))

struct old_row {
	struct sv id;
	int64_t row_no, stamp, size;
	bool deleted;
};

struct old_rows {
	struct old_row *list;
	size_t count;
	int64_t size, live; /* sums */
};

/* The oldest rows in (after, until], at most limit; unpruned: only those with a payload. */
static int collect(struct dbc *c, const struct dataset *d, int64_t after, int64_t until,
	bool unpruned, int64_t limit, struct old_rows *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int rc;

	*ret = (struct old_rows){ 0 };
	limit = limit < d->total ? limit : d->total;
	ret->list = arena_alloc(db_arena(c), ((size_t)limit + 1) * sizeof(*ret->list));
	TRY(db_query(c, Q_RECORD_FEED_OLDEST,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(after), arg_i64(until),
			arg_i64(unpruned), arg_i64(limit)),
		&rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		struct old_row *row = &ret->list[ret->count++];
		*row = (struct old_row){
			.stamp = row_i64(&rows, 0),
			.row_no = row_i64(&rows, 1),
			.id = arena_sv(db_arena(c), row_sv(&rows, 2)),
			.deleted = !row_null(&rows, 3),
			.size = row_i64(&rows, 4),
		};
		ret->size += row->size;
		ret->live += !row->deleted;
	}
	return rc;
}

static int check_limit(int64_t limit, struct err *err)
{
	return limit > 0 ? 0 : err_set(err, ERR_INVALID, "limit must be greater than 0");
}

/* Pruning. */

static int forget_payloads(
	struct dbc *c, struct dataset *d, const struct old_rows *old, struct err *err)
{
	struct rows_args keys = rows_args(c, 3, old->count), feed = rows_args(c, 4, old->count);

	for (size_t i = 0; i < old->count; i++) {
		struct arg *k = rows_args_add(&keys, d), *f = rows_args_add(&feed, d);
		k[2] = arg_i64(old->list[i].row_no);
		f[2] = arg_i64(old->list[i].stamp);
		f[3] = arg_i64(d->now_us);
	}
	d->size -= old->size;
	TRY(rows_args_run(c, Q_RECORD_KEY_PRUNE, &keys, err));
	return rows_args_run(c, Q_RECORD_FEED_PRUNE, &feed, err);
}

/* ret_last: stamp of the last row pruned. */
static int prune_until(struct dbc *c, const struct records_of *of, int64_t until, int64_t limit,
	struct records_pruned *ret, int64_t *ret_last, struct err *err)
{
	struct dataset d;
	struct old_rows old;

	*ret = (struct records_pruned){ 0 };
	TRY(check_limit(limit, err));
	int rc = dataset_lock_quietly(c, of, &d, err);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	TRY(collect(c, &d, d.pruned_to, until, true, limit, &old, err));
	ret->count = (int64_t)old.count;
	ret->more = ret->count == limit;
	if (ret->count)
		*ret_last = old.list[old.count - 1].stamp;
	int64_t reached = ret->more ? *ret_last : until < d.last_stamp ? until : d.last_stamp;
	if (reached > d.pruned_to) {
		d.pruned_to = reached;
		d.changed = true;
	}
	TRY(forget_payloads(c, &d, &old, err));
	return dataset_store(c, &d, err);
}

int records_prune(struct dbc *c, const struct records_of *of, struct sv until_cursor, int64_t limit,
	struct records_pruned *ret, struct err *err)
{
	int64_t until, last;

	TRY(cursor_read(cursor_space(of->connection, of->model), until_cursor, &until, err));
	TRY(prune_until(c, of, until, limit, ret, &last, err));
	ret->more = ret->count > 0 && last != until;
	return 0;
}

int records_prune_older(struct dbc *c, const struct records_of *of, int64_t until_us, int64_t limit,
	struct records_pruned *ret, struct err *err)
{
	int64_t last;

	return prune_until(c, of, until_us, limit, ret, &last, err);
}

/* Emptying. */

static int remove_ids(struct dbc *c, struct dataset *d, const struct old_rows *old, struct err *err)
{
	struct record_id *ids = arena_array(db_arena(c), old->count, sizeof(*ids));
	int64_t *row_nos = arena_array(db_arena(c), old->count, sizeof(*row_nos));

	for (size_t i = 0; i < old->count; i++) {
		struct sv id = old->list[i].id;
		ids[i] = (struct record_id){ id, record_id_hash(id) };
		row_nos[i] = old->list[i].row_no;
	}
	return ids_remove(c, d, ids, row_nos, old->count, err);
}

static int remove_rows(
	struct dbc *c, struct dataset *d, const struct old_rows *old, struct err *err)
{
	struct rows_args keys = rows_args(c, 3, old->count), feed = rows_args(c, 3, old->count);

	for (size_t i = 0; i < old->count; i++) {
		rows_args_add(&keys, d)[2] = arg_i64(old->list[i].row_no);
		rows_args_add(&feed, d)[2] = arg_i64(old->list[i].stamp);
	}
	TRY(remove_ids(c, d, old, err));
	TRY(rows_args_run(c, Q_RECORD_KEY_REMOVE, &keys, err));
	return rows_args_run(c, Q_RECORD_FEED_REMOVE, &feed, err);
}

static int remove_some(struct dbc *c, struct dataset *d, int64_t limit, struct err *err)
{
	struct old_rows old;

	TRY(collect(c, d, 0, INT64_MAX, false, limit, &old, err));
	TRY(remove_rows(c, d, &old, err));
	d->total -= (int64_t)old.count;
	d->live -= old.live;
	d->size -= old.size;
	return 0;
}

static int remove_all(struct dbc *c, struct dataset *d, struct err *err)
{
	struct arg key[2] = { arg_i64(d->connection), arg_i64(d->id) };

	TRY(ids_clear(c, d, err));
	TRY(db_exec(c, Q_RECORD_KEY_CLEAR, key, 2, NULL, err));
	TRY(db_exec(c, Q_RECORD_FEED_CLEAR, key, 2, NULL, err));
	/* Row numbers start again, so nothing may be known about them. */
	TRY(db_exec(c, Q_RECORD_SEEN_CLEAR, key, 2, NULL, err));
	d->total = d->live = d->size = d->next_row = d->pruned_to = 0;
	d->numbering = d->version + 1; /* as it is stored */
	return 0;
}

static int empty_locked(struct dbc *c, struct dataset *d, int64_t limit, struct records_pruned *ret,
	struct err *err)
{
	int64_t before = d->total;

	TRY(limit < before ? remove_some(c, d, limit, err) : remove_all(c, d, err));
	ret->count = before - d->total;
	ret->more = d->total > 0;
	d->changed = true;
	return dataset_store(c, d, err);
}

int records_empty(struct dbc *c, const struct records_of *of, int64_t limit,
	struct records_pruned *ret, struct err *err)
{
	struct dataset d;

	*ret = (struct records_pruned){ 0 };
	TRY(check_limit(limit, err));
	int rc = dataset_lock_quietly(c, of, &d, err);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	return empty_locked(c, &d, limit, ret, err);
}

int records_remove(struct dbc *c, const struct records_of *of, int64_t limit,
	struct records_pruned *ret, struct err *err)
{
	struct dataset d;

	*ret = (struct records_pruned){ 0 };
	TRY(check_limit(limit, err));
	int rc = dataset_lock_quietly(c, of, &d, err);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	TRY(empty_locked(c, &d, limit, ret, err));
	if (ret->more)
		return 0;
	struct arg key[2] = { arg_i64(d.connection), arg_i64(d.id) };
	TRY(db_exec(c, Q_RECORD_WINDOW_CLEAR, key, 2, NULL, err));
	return d.last_stamp > d.now_us - KEEP_STAMP_US
		       ? 0
		       : db_exec(c, Q_DATASET_REMOVE, key, 2, NULL, err);
}

/* Retention. */

static struct dataset_name read_name(struct rows *r, struct arena *arena)
{
	return (struct dataset_name){
		.connection = row_i64(r, 0),
		.model = arena_sv(arena, row_sv(r, 1)),
	};
}

int datasets_prunable(struct dbc *c, int64_t until_us, int64_t limit, struct arena *arena,
	struct dataset_name **ret, size_t *ret_count, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	size_t n = 0;
	int rc;

	*ret = arena_array(arena, (size_t)limit, sizeof(**ret));
	TRY(db_query(c, Q_DATASET_PRUNABLE, ARGS(arg_i64(until_us), arg_i64(limit)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0)
		(*ret)[n++] = read_name(&rows, arena);
	*ret_count = n;
	return rc;
}

int datasets_idle(struct dbc *c, int64_t since_ms, struct arena *arena, struct dataset_name *ret,
	struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(
		c, Q_DATASET_IDLE, ARGS(arg_i64(since_ms), arg_i64(clock_now_ms())), &rows, err));
	*ret = read_name(&rows, arena);
	return rows_next(&rows, err);
}

int records_run_done(
	struct dbc *c, int64_t connection, int64_t run, int64_t oldest, struct err *err)
{
	TRY(db_exec(c, Q_RECORD_BATCH_FORGET, ARGS(arg_i64(connection), arg_i64(run)), NULL, err));
	return db_exec(
		c, Q_RECORD_SEEN_TRIM, ARGS(arg_i64(connection), arg_i64(oldest)), NULL, err);
}
