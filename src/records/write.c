/* records_apply(): the writing half of batch.h. */
#include "records/batch.h"
#include "records/rows_args.h"
#include "records/seen.h"

static struct sv hash_sv(const uint64_t hash[2])
{
	return sv_make((const char *)hash, 16);
}

static struct arg arg_opt(int64_t v)
{
	return v ? arg_i64(v) : arg_null();
}

/* Stamps in the order of the batch, one for each row that moves or begins. */
static size_t number_rows(struct records_batch *b, struct dataset *d)
{
	size_t writes = 0;

	b->last_stamp = 0;
	for (size_t i = 0; i < b->count; i++) {
		struct record_item *item = &b->items[i];
		if (item->action == ACTION_NONE)
			continue;
		writes++;
		if (item->action == ACTION_RESTORE)
			item->new_stamp = item->row.stamp;
		else
			item->new_stamp = b->last_stamp = dataset_stamp(d);
		if (item->action == ACTION_INSERT)
			item->row.row_no = d->next_row++;
	}
	return writes;
}

static int write_ids(struct dbc *c, const struct records_batch *b, struct dataset *d, size_t most,
	struct err *err)
{
	struct record_id *ids = arena_alloc(db_arena(c), most * sizeof(*ids));
	size_t n = 0;

	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].action == ACTION_INSERT)
			ids[n++] = (struct record_id){ b->items[i].id, b->items[i].id_hash };
	return n ? ids_add(c, d, ids, d->next_row - (int64_t)n, n, err) : 0;
}

static int write_inserts(struct dbc *c, const struct records_batch *b, struct dataset *d,
	size_t most, struct err *err)
{
	struct rows_args keys = rows_args(c, 8, most), feed = rows_args(c, 6, most);

	for (size_t i = 0; i < b->count; i++) {
		const struct record_item *item = &b->items[i];
		if (item->action != ACTION_INSERT)
			continue;
		struct arg *k = rows_args_add(&keys, d), *f = rows_args_add(&feed, d);
		k[2] = f[3] = arg_i64(item->row.row_no);
		k[3] = f[4] = arg_sv(item->id);
		k[4] = arg_blob(hash_sv(item->hash));
		k[5] = f[2] = arg_i64(item->new_stamp);
		k[6] = arg_i64((int64_t)item->sealed.len);
		k[7] = arg_i64(b->in.run);
		f[5] = arg_blob(item->sealed);
		d->live++;
		d->total++;
		d->size += (int64_t)item->sealed.len;
	}
	TRY(rows_args_run(c, Q_RECORD_KEY_INSERT, &keys, err));
	return rows_args_run(c, Q_RECORD_FEED_INSERT, &feed, err);
}

static bool is_change(enum record_action a)
{
	return a == ACTION_CHANGE || a == ACTION_UNDELETE || a == ACTION_RESTORE;
}

static void count_change(const struct record_item *item, struct dataset *d)
{
	d->changed = true;
	d->live += item->action == ACTION_UNDELETE;
	d->size += (int64_t)item->sealed.len - item->row.size;
	if (item->action == ACTION_RESTORE && d->pruned_to >= item->row.stamp)
		d->pruned_to = item->row.stamp - 1;
}

static int write_changes(struct dbc *c, const struct records_batch *b, struct dataset *d,
	size_t most, struct err *err)
{
	struct rows_args keys = rows_args(c, 7, most), feed = rows_args(c, 6, most);

	for (size_t i = 0; i < b->count; i++) {
		const struct record_item *item = &b->items[i];
		if (!is_change(item->action))
			continue;
		struct arg *k = rows_args_add(&keys, d), *f = rows_args_add(&feed, d);
		k[2] = arg_i64(item->row.row_no);
		k[3] = arg_blob(hash_sv(item->hash));
		k[4] = f[3] = arg_i64(item->new_stamp);
		k[5] = arg_i64((int64_t)item->sealed.len);
		/* What is only restored is still the work of who wrote it. */
		k[6] = arg_i64(item->action == ACTION_RESTORE ? item->row.writer : b->in.run);
		f[2] = arg_i64(item->row.stamp);
		f[4] = arg_blob(item->sealed);
		f[5] = arg_opt(item->action == ACTION_UNDELETE ? item->new_stamp : 0);
		count_change(item, d);
	}
	TRY(rows_args_run(c, Q_RECORD_KEY_CHANGE, &keys, err));
	return rows_args_run(c, Q_RECORD_FEED_CHANGE, &feed, err);
}

static int write_deletes(struct dbc *c, const struct records_batch *b, struct dataset *d,
	size_t most, struct err *err)
{
	struct rows_args keys = rows_args(c, 5, most), feed = rows_args(c, 5, most);

	for (size_t i = 0; i < b->count; i++) {
		const struct record_item *item = &b->items[i];
		if (item->action != ACTION_DELETE)
			continue;
		struct arg *k = rows_args_add(&keys, d), *f = rows_args_add(&feed, d);
		k[2] = arg_i64(item->row.row_no);
		k[3] = f[3] = arg_i64(item->new_stamp);
		k[4] = arg_i64(b->in.run);
		f[2] = arg_i64(item->row.stamp);
		f[4] = arg_i64(item->deleted_us ? item->deleted_us : item->new_stamp);
		d->live--;
	}
	TRY(rows_args_run(c, Q_RECORD_KEY_DELETE, &keys, err));
	return rows_args_run(c, Q_RECORD_FEED_DELETE, &feed, err);
}

static int mark_seen(
	struct dbc *c, const struct records_batch *b, const struct dataset *d, struct err *err)
{
	int64_t *rows = arena_alloc(db_arena(c), (b->count + 1) * sizeof(*rows));
	size_t n = 0;

	if (b->in.run == 0)
		return 0;
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].found || b->items[i].action == ACTION_INSERT)
			rows[n++] = b->items[i].row.row_no;
	return seen_mark(c, d, b->in.run, rows, n, err);
}

static void count_items(struct records_batch *b)
{
	b->counts = (struct records_counts){ 0 };
	for (size_t i = 0; i < b->count; i++) {
		switch (b->items[i].status) {
		case RECORD_ADDED: b->counts.added++; break;
		case RECORD_UPDATED: b->counts.updated++; break;
		case RECORD_DELETED: b->counts.deleted++; break;
		case RECORD_UNCHANGED: b->counts.unchanged++; break;
		case RECORD_IGNORED: b->counts.ignored++; break;
		}
	}
}

/* Batches that come again. */

static int replay_find(struct dbc *c, struct records_batch *b, struct err *err)
{
	own_in(rows_done) struct rows r = { 0 };
	const struct records_input *in = &b->in;

	TRY(db_query(c, Q_RECORD_BATCH_FIND,
		ARGS(arg_i64(in->of.connection), arg_i64(in->run), arg_i64(in->seq)), &r, err));
	int rc = rows_next(&r, err);
	if (rc <= 0)
		return rc;
	if ((uint64_t)row_i64(&r, 0) != b->digest)
		return err_set(err, ERR_CONFLICT,
			"batch %lld of run %lld was sent before with other records",
			(long long)in->seq, (long long)in->run);
	b->counts = (struct records_counts){
		.added = row_i64(&r, 1),
		.updated = row_i64(&r, 2),
		.deleted = row_i64(&r, 3),
		.unchanged = row_i64(&r, 4),
	};
	b->last_stamp = row_i64(&r, 5);
	b->replayed = true;
	return 1;
}

static int replay_store(struct dbc *c, const struct records_batch *b, struct err *err)
{
	const struct records_counts *n = &b->counts;

	if (b->in.seq == 0)
		return 0;
	return db_exec(c, Q_RECORD_BATCH_STORE,
		ARGS(arg_i64(b->in.of.connection), arg_i64(b->in.run), arg_i64(b->in.seq),
			arg_i64((int64_t)b->digest), arg_i64(n->added), arg_i64(n->updated),
			arg_i64(n->deleted), arg_i64(n->unchanged), arg_i64(b->last_stamp)),
		NULL, err);
}

static int write_rows(struct dbc *c, struct records_batch *b, struct dataset *d, struct err *err)
{
	size_t writes = number_rows(b, d);

	if (writes == 0)
		return 0;
	TRY(write_ids(c, b, d, writes, err));
	TRY(write_inserts(c, b, d, writes, err));
	TRY(write_changes(c, b, d, writes, err));
	return write_deletes(c, b, d, writes, err);
}

int records_apply(struct dbc *c, struct records_batch *b, struct err *err)
{
	struct dataset d;

	b->replayed = false;
	TRY(batch_scan(b, err));
	TRY(dataset_lock(c, &b->in.of, &d, err));
	if (b->in.seq) {
		int rc = replay_find(c, b, err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	if (b->version != d.version)
		TRY(batch_decide(c, b, &d, err));
	TRY(write_rows(c, b, &d, err));
	TRY(mark_seen(c, b, &d, err));
	TRY(dataset_store(c, &d, err));
	count_items(b);
	return replay_store(c, b, err);
}
