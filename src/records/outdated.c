#include "records/outdated.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sv.h"
#include "records/rows_args.h"
#include "records/seen.h"

struct victim {
	struct sv id;
	int64_t row_no, stamp;
};

/* Rows read at a time: not all rows of a dataset fit into memory. */
#define PAGE_ROWS 10000

struct search {
	const struct seen *seen;
	struct victim *list;
	size_t count, limit;
	int64_t behind; /* row number that was looked at last */
	bool full;
};

/* Unseen live rows of one page; how many rows it had. */
static int64_t search_page(
	struct dbc *c, const struct dataset *d, struct search *s, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int64_t n = 0;
	int rc;

	TRY(db_query(c, Q_RECORD_KEY_PAGE,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(s->behind),
			arg_i64(PAGE_ROWS)),
		&rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		int64_t row_no = row_i64(&rows, 0);
		bool unseen = !(row_i64(&rows, 3) & ROW_DELETED) && !seen_has(s->seen, row_no);
		if (unseen && s->count == s->limit) {
			s->full = true;
			break;
		}
		if (unseen)
			s->list[s->count++] = (struct victim){
				.row_no = row_no,
				.id = arena_sv(db_arena(c), row_sv(&rows, 1)),
				.stamp = row_i64(&rows, 2),
			};
		s->behind = row_no;
		n++;
	}
	return rc < 0 ? rc : n;
}

/* Collects unseen live rows behind o->after; o->more when there were too many. */
static int collect(struct dbc *c, const struct dataset *d, struct records_outdated *o,
	struct victim *list, size_t limit, size_t *ret_count, struct err *err)
{
	struct seen seen;
	struct search s = { .seen = &seen, .list = list, .limit = limit, .behind = o->after - 1 };
	int64_t n;

	TRY(seen_since(c, d, o->generation, db_arena(c), &seen, err));
	do {
		n = search_page(c, d, &s, err);
		TRY((int)(n < 0 ? n : 0));
	} while (n == PAGE_ROWS && !s.full);
	o->more = s.full;
	*ret_count = s.count;
	return 0;
}

static void report(struct records_outdated *o, const struct victim *list, size_t count)
{
	for (size_t i = 0; i < count && o->keys; i++) {
		if (o->deleted + (int64_t)i)
			buf_char(o->keys, ',');
		buf_json_str(o->keys, list[i].id);
	}
	o->deleted += (int64_t)count;
}

static int delete_rows(struct dbc *c, struct dataset *d, int64_t run, const struct victim *list,
	size_t count, struct err *err)
{
	struct rows_args keys = rows_args(c, 5, count), feed = rows_args(c, 5, count);

	for (size_t i = 0; i < count; i++) {
		struct arg *k = rows_args_add(&keys, d), *f = rows_args_add(&feed, d);
		k[2] = arg_i64(list[i].row_no);
		k[3] = f[3] = f[4] = arg_i64(dataset_stamp(d));
		k[4] = arg_i64(run);
		f[2] = arg_i64(list[i].stamp);
	}
	d->live -= (int64_t)count;
	TRY(rows_args_run(c, Q_RECORD_KEY_DELETE, &keys, err));
	return rows_args_run(c, Q_RECORD_FEED_DELETE, &feed, err);
}

int records_outdated(struct dbc *c, struct records_outdated *o, struct err *err)
{
	size_t limit = o->limit ? o->limit : 10000, n;
	struct dataset d;

	o->more = false;
	int rc = dataset_lock_quietly(c, &o->of, &d, err);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	struct victim *list = arena_alloc(db_arena(c), limit * sizeof(*list));
	TRY(collect(c, &d, o, list, limit, &n, err));
	TRY(delete_rows(c, &d, o->run, list, n, err));
	TRY(dataset_store(c, &d, err));
	if (n)
		o->after = list[n - 1].row_no + 1;
	report(o, list, n);
	return 0;
}

/* Windows. */

int records_track_start(
	struct dbc *c, const struct records_of *of, struct sv owner, int64_t run, struct err *err)
{
	struct dataset d;

	TRY(dataset_lock(c, of, &d, err));
	return db_exec(c, Q_RECORD_WINDOW_OPEN,
		ARGS(arg_i64(d.connection), arg_i64(d.id), arg_sv(owner), arg_i64(run),
			arg_i64(clock_now_ms())),
		NULL, err);
}

static int no_window(struct sv model, struct err *err)
{
	ptrdiff_t variant = sv_find(model, SV_LIT("::"));

	if (variant >= 0)
		model.len = (size_t)variant;
	return err_set(err, ERR_NOT_FOUND,
		"No track deletes starting point found for model '%.*s'.", SV(model));
}

int records_track_find(struct dbc *c, const struct records_of *of, struct sv owner,
	int64_t *ret_generation, struct err *err)
{
	struct dataset d;

	int rc = dataset_find(c, of, &d, err);
	if (rc == 0)
		rc = db_one_i64(c, Q_RECORD_WINDOW_FIND,
			ARGS(arg_i64(d.connection), arg_i64(d.id), arg_sv(owner)), ret_generation,
			err);
	return rc == ERR_NOT_FOUND ? no_window(of->model, err) : rc;
}

int records_track_close(
	struct dbc *c, const struct records_of *of, struct sv owner, struct err *err)
{
	struct dataset d;

	TRY(dataset_find(c, of, &d, err));
	return db_exec(c, Q_RECORD_WINDOW_CLOSE,
		ARGS(arg_i64(d.connection), arg_i64(d.id), arg_sv(owner)), NULL, err);
}

int records_track_end(struct dbc *c, struct records_outdated *o, struct sv owner, struct err *err)
{
	TRY(records_track_find(c, &o->of, owner, &o->generation, err));
	do {
		TRY(records_outdated(c, o, err));
	} while (o->more);
	return records_track_close(c, &o->of, owner, err);
}

int records_track_reset(struct dbc *c, int64_t connection, struct sv owner, struct err *err)
{
	return db_exec(c, Q_RECORD_WINDOW_CLOSE_OWNER, ARGS(arg_i64(connection), arg_sv(owner)),
		NULL, err);
}
