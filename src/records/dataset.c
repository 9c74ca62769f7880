#include "records/dataset.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define RACES_MAX 1000 /* lost ones; each was won by another dataset of the connection */
#define MODEL_MAX 512 /* Model::variant */

static void read_row(struct rows *r, const struct records_of *of, struct dataset *ret)
{
	*ret = (struct dataset){
		.connection = of->connection,
		.id = row_i64(r, 0),
		.last_stamp = row_i64(r, 1),
		.version = row_i64(r, 2),
		.next_row = row_i64(r, 3),
		.indexed = row_i64(r, 4),
		.live = row_i64(r, 5),
		.total = row_i64(r, 6),
		.size = row_i64(r, 7),
		.pruned_to = row_i64(r, 8),
		.numbering = row_i64(r, 9),
		.moving = row_i64(r, 10),
		.moved = row_i64(r, 11),
		.now_us = clock_now_us(),
	};
}

int dataset_find(struct dbc *c, const struct records_of *of, struct dataset *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(
		c, Q_DATASET_FIND, ARGS(arg_i64(of->connection), arg_sv(of->model)), &rows, err));
	read_row(&rows, of, ret);
	ret->era = row_i64(&rows, 12);
	return 0;
}

static int try_lock(struct dbc *c, const struct records_of *of, struct arg now, struct dataset *ret,
	struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(c, Q_DATASET_LOCK, ARGS(arg_i64(of->connection), arg_sv(of->model), now), &rows,
		err));
	read_row(&rows, of, ret);
	return rows_next(&rows, err); /* to its end, or the update would not be done */
}

int dataset_lock_quietly(
	struct dbc *c, const struct records_of *of, struct dataset *ret, struct err *err)
{
	return try_lock(c, of, arg_null(), ret, err);
}

int dataset_lock(struct dbc *c, const struct records_of *of, struct dataset *ret, struct err *err)
{
	struct arg now = arg_i64(clock_now_ms());
	int rc;

	/*
	 * Another transaction may create it, or take its number, at the same time: then nothing is
	 * inserted here, and somebody else got on.
	 */
	for (int i = 0; (rc = try_lock(c, of, now, ret, err)) == ERR_NOT_FOUND && i < RACES_MAX;
		i++)
		TRY(db_exec(c, Q_DATASET_CREATE,
			ARGS(arg_i64(of->connection), arg_sv(of->model), now), NULL, err));
	return rc;
}

int64_t dataset_stamp(struct dataset *d)
{
	int64_t next = d->last_stamp + 1;

	d->last_stamp = next > d->now_us ? next : d->now_us;
	d->changed = true;
	return d->last_stamp;
}

int dataset_store(struct dbc *c, struct dataset *d, struct err *err)
{
	if (!d->changed)
		return 0;
	d->version++;
	return db_exec(c, Q_DATASET_STORE,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(d->last_stamp),
			arg_i64(d->version), arg_i64(d->next_row), arg_i64(d->indexed),
			arg_i64(d->live), arg_i64(d->total), arg_i64(d->size),
			arg_i64(d->pruned_to), arg_i64(d->numbering), arg_i64(d->moving),
			arg_i64(d->moved)),
		NULL, err);
}

int record_ad_init(struct record_ad *ad, const struct records_of *of, struct err *err)
{
	if (of->model.len == 0 || of->model.len > MODEL_MAX)
		return err_set(err, ERR_INVALID, "a model name has 1 to %d characters", MODEL_MAX);
	int n = snprintf(ad->text, sizeof(ad->text), "record %lld %.*s", (long long)of->connection,
		SV(of->model));
	ad->prefix = (size_t)n + 1; /* with the NUL: neither part contains one */
	return 0;
}

struct sv record_ad(struct record_ad *ad, struct sv external_id)
{
	assert(external_id.len <= sizeof(ad->text) - ad->prefix);
	memcpy(ad->text + ad->prefix, external_id.ptr, external_id.len);
	return sv_make(ad->text, ad->prefix + external_id.len);
}

int datasets_list(struct dbc *c, int64_t connection, struct arena *arena,
	struct dataset_counts **ret, size_t *ret_count, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	struct dataset_counts *list = NULL;
	size_t n = 0, cap = 0;
	int rc;

	TRY(db_query(c, Q_DATASET_LIST, ARGS(arg_i64(connection)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		if (n == cap) {
			struct dataset_counts *old = list;
			cap = cap ? 2 * cap : 16;
			list = arena_array(arena, cap, sizeof(*list));
			if (n)
				memcpy(list, old, n * sizeof(*list));
		}
		list[n++] = (struct dataset_counts){
			.model = arena_sv(arena, row_sv(&rows, 0)),
			.live = row_i64(&rows, 1),
			.size = row_i64(&rows, 2),
			.updated_ms = row_i64(&rows, 3),
		};
	}
	TRY(rc);
	*ret = list;
	*ret_count = n;
	return 0;
}
