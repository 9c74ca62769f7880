#include "records/read.h"

#include "base/mem.h"
#include "records/ids.h"
#include "records/render.h"

#include <stdlib.h>

#define ALL_ACTIONS (RECORDS_ADDED | RECORDS_UPDATED | RECORDS_DELETED)
#define EMPTY_PAGE "{\"next_cursor\":null,\"records\":[]}"

/* A page in the making. next_cursor comes first on the wire but is known last: room is left. */
struct page {
	const struct records_query *q;
	struct render render;
	struct buf *out;
	size_t head; /* where the room is */
	int64_t count, bytes;
	int64_t last_stamp; /* of what was put */
	char last_id[1024];
	size_t last_id_len;
};

#define HEAD "{\"next_cursor\":"
enum { ROOM = CURSOR_TEXT_MAX + 2 };

static int too_large(struct err *err)
{
	return err_set(err, ERR_LIMIT, "the page is too large (ask for fewer records)");
}

static void page_done(struct page *p)
{
	render_done(&p->render);
}

static int page_begin(struct page *p, struct err *err)
{
	TRY(render_init(&p->render, &p->q->of, err));
	buf_str(p->out, HEAD);
	p->head = p->out->len;
	if (buf_reserve(p->out, ROOM))
		buf_grow(p->out, ROOM);
	buf_str(p->out, ",\"records\":[");
	return 0;
}

/* Puts next_cursor into the room left for it and closes the gap behind. */
static int page_end(struct page *p, bool more, struct err *err)
{
	own_in(buf_done) struct buf next = { 0 };

	buf_str(p->out, "]}");
	buf_init(&next, ROOM);
	if (more) {
		buf_char(&next, '"');
		cursor_write(p->render.space, &p->render.iso, p->last_stamp,
			sv_make(p->last_id, p->last_id_len), &next);
		buf_char(&next, '"');
	} else {
		buf_str(&next, "null");
	}
	assert(buf_ok(&next));
	if (!buf_ok(p->out))
		return too_large(err);
	char *room = p->out->ptr + p->head;
	size_t gap = ROOM - next.len;
	memcpy(room, next.ptr, next.len);
	memmove(room + next.len, room + ROOM, p->out->len - p->head - ROOM + 1);
	p->out->len -= gap;
	return 0;
}

/* 1 = put, 0 = the page is full. */
static int page_put(struct page *p, struct rows *row, struct err *err)
{
	int64_t budget = p->q->max_bytes;
	struct sv id = row_sv(row, 1);

	if (p->count == p->q->limit)
		return 0;
	TRY(render_open(&p->render, row, err));
	int64_t size = (int64_t)p->render.payload.len;
	if (budget && p->count && p->bytes + size > budget)
		return 0;
	if (p->count)
		buf_char(p->out, ',');
	render_row(&p->render, row, p->out);
	if (!buf_ok(p->out))
		return too_large(err);
	p->count++;
	p->bytes += size;
	p->last_stamp = row_i64(row, 0);
	assert(id.len <= sizeof(p->last_id));
	memcpy(p->last_id, id.ptr, id.len);
	p->last_id_len = id.len;
	return 1;
}

/* The lowest stamp that may be shown. */
static int64_t lowest(const struct records_query *q, int64_t after)
{
	int64_t from = q->modified_after_us - q->modified_after_us % 1000;

	return after + 1 > from ? after + 1 : from;
}

static unsigned actions_of(const struct records_query *q)
{
	return q->actions ? q->actions : ALL_ACTIONS;
}

static int scan_feed(
	struct dbc *c, struct page *p, const struct dataset *d, int64_t from, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int rc;

	TRY(db_query(c, Q_RECORD_FEED_PAGE,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(from),
			arg_i64(actions_of(p->q)), arg_i64(p->q->limit + 1)),
		&rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		rc = page_put(p, &rows, err);
		if (rc <= 0)
			return rc < 0 ? rc : page_end(p, true, err);
	}
	return rc < 0 ? rc : page_end(p, false, err);
}

/* Ids: found first, then taken in the order of their stamps. */

struct stamps {
	int64_t *list; /* at most one for each id */
	size_t count;
};

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int find_stamps(struct dbc *c, const struct dataset *d, const struct sv *texts, size_t count,
	struct stamps *ret, struct err *err)
{
	struct arena *a = db_arena(c);
	struct record_id *ids = arena_array(a, count, sizeof(*ids));
	struct record_row *rows = arena_array(a, count, sizeof(*rows));
	bool *found = arena_array(a, count, sizeof(*found));
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		ids[i] = (struct record_id){ texts[i], record_id_hash(texts[i]) };
	TRY(ids_find(c, d, ids, count, rows, found, err));
	ret->list = arena_array(a, count, sizeof(*ret->list));
	ret->count = 0;
	for (size_t i = 0; i < count; i++)
		if (found[i])
			ret->list[ret->count++] = rows[i].stamp;
	if (ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), ascending);
	for (size_t i = 0; i < ret->count; i++) /* an id asked for twice is one record */
		if (i == 0 || ret->list[i] != ret->list[i - 1])
			ret->list[kept++] = ret->list[i];
	ret->count = kept;
	return 0;
}

static unsigned action_of(struct rows *row)
{
	if (!row_null(row, 3))
		return RECORDS_DELETED;
	return row_i64(row, 0) == row_i64(row, 2) ? RECORDS_ADDED : RECORDS_UPDATED;
}

/* 1 = go on, 0 = the page is full. */
static int put_stamp(
	struct dbc *c, struct page *p, const struct dataset *d, int64_t stamp, struct err *err)
{
	own_in(rows_done) struct rows row = { 0 };

	TRY(db_one(c, Q_RECORD_FEED_ROW,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(stamp)), &row, err));
	if (!(action_of(&row) & actions_of(p->q)))
		return 1;
	return page_put(p, &row, err);
}

static int pick_ids(
	struct dbc *c, struct page *p, const struct dataset *d, int64_t from, struct err *err)
{
	struct stamps found;

	TRY(find_stamps(c, d, p->q->ids, p->q->id_count, &found, err));
	for (size_t i = 0; i < found.count; i++) {
		if (found.list[i] < from)
			continue;
		int rc = put_stamp(c, p, d, found.list[i], err);
		if (rc <= 0)
			return rc < 0 ? rc : page_end(p, true, err);
	}
	return page_end(p, false, err);
}

int records_list(struct dbc *c, const struct records_query *q, struct buf *out, struct err *err)
{
	own_in(page_done) struct page p = { .q = q, .out = out };
	struct dataset d;
	int64_t after = 0;

	if (q->limit < 1)
		return err_set(err, ERR_INVALID, "limit must be greater than 0");
	if (q->cursor.ptr)
		TRY(cursor_read(
			cursor_space(q->of.connection, q->of.model), q->cursor, &after, err));
	int rc = dataset_find(c, &q->of, &d, err);
	if (rc == ERR_NOT_FOUND) {
		buf_str(out, EMPTY_PAGE);
		return 0;
	}
	TRY(rc);
	TRY(page_begin(&p, err));
	return q->id_count ? pick_ids(c, &p, &d, lowest(q, after), err)
			   : scan_feed(c, &p, &d, lowest(q, after), err);
}

int records_by_ids(struct dbc *c, const struct records_of *of, const struct sv *ids, size_t count,
	struct buf *out, struct err *err)
{
	struct records_query q = { .of = *of, .limit = INT64_MAX };
	own_in(page_done) struct page p = { .q = &q, .out = out };
	struct stamps found = { 0 };
	struct dataset d;

	int rc = dataset_find(c, of, &d, err);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		return rc;
	TRY(render_init(&p.render, &q.of, err));
	buf_str(out, "{\"records\":[");
	if (rc == 0)
		TRY(find_stamps(c, &d, ids, count, &found, err));
	for (size_t i = 0; i < found.count; i++)
		TRY(put_stamp(c, &p, &d, found.list[i], err));
	buf_str(out, "]}");
	return buf_ok(out) ? 0 : too_large(err);
}

/* The ends. */

static int edge_row(
	struct dbc *c, const struct records_of *of, bool last, struct rows *ret, struct err *err)
{
	struct dataset d;

	TRY(dataset_find(c, of, &d, err));
	return db_one(c, last ? Q_RECORD_FEED_LAST : Q_RECORD_FEED_FIRST,
		ARGS(arg_i64(d.connection), arg_i64(d.id)), ret, err);
}

int records_edge(
	struct dbc *c, const struct records_of *of, bool last, struct buf *out, struct err *err)
{
	own_in(rows_done) struct rows row = { 0 };
	struct iso_writer iso = { 0 };

	int rc = edge_row(c, of, last, &row, err);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	cursor_write(cursor_space(of->connection, of->model), &iso, row_i64(&row, 0),
		row_sv(&row, 1), out);
	return 0;
}

int records_last_stamp(struct dbc *c, const struct records_of *of, int64_t *ret, struct err *err)
{
	own_in(rows_done) struct rows row = { 0 };

	*ret = 0;
	int rc = edge_row(c, of, true, &row, err);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	*ret = row_i64(&row, 0);
	return 0;
}

int records_count(struct dbc *c, const struct records_of *of, int64_t *ret, struct err *err)
{
	struct dataset d;

	*ret = 0;
	int rc = dataset_find(c, of, &d, err);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	*ret = d.live;
	return 0;
}
