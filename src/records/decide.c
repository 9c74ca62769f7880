#include "records/decide.h"

#include "base/clock.h"
#include "base/sv.h"
#include "db/keys.h"
#include "records/merge.h"
#include "records/payload.h"

/* The years 0000 to 9999, which print as timestamps. */
#define EARLIEST_MS (-62167219200000)
#define LATEST_MS 253402300799999

static bool same_hash(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] == b[0] && a[1] == b[1];
}

/* ignore_if_modified_after: somebody else wrote this row since; our own writes do not count. */
static bool guarded(const struct records_input *in, const struct record_row *row)
{
	return in->guard > 0 && row->stamp > in->guard && (in->run == 0 || row->writer != in->run);
}

static void set(struct record_item *item, enum record_action action, enum record_status status)
{
	item->action = action;
	item->status = status;
}

static void decide_delete(const struct records_input *in, struct record_item *item)
{
	if (!item->found || (item->row.flags & ROW_DELETED) || guarded(in, &item->row))
		set(item, ACTION_NONE, RECORD_IGNORED);
	else
		set(item, ACTION_DELETE, RECORD_DELETED);
}

static void decide_content(const struct records_input *in, struct record_item *item)
{
	bool same = same_hash(item->hash, item->row.hash);
	bool pruned = item->row.flags & ROW_PRUNED;

	if (guarded(in, &item->row))
		set(item, ACTION_NONE, same && !pruned ? RECORD_UNCHANGED : RECORD_IGNORED);
	else if (item->row.flags & ROW_DELETED)
		set(item, ACTION_UNDELETE, RECORD_ADDED);
	else if (!same)
		set(item, ACTION_CHANGE, RECORD_UPDATED);
	else
		set(item, pruned ? ACTION_RESTORE : ACTION_NONE, RECORD_UNCHANGED);
}

void decide(const struct records_input *in, struct record_item *item)
{
	if (in->op == RECORDS_DELETE)
		decide_delete(in, item);
	else if (in->op == RECORDS_UPDATE && (!item->found || (item->row.flags & ROW_DELETED)))
		set(item, ACTION_NONE, RECORD_IGNORED);
	else if (!item->found)
		set(item, ACTION_INSERT, RECORD_ADDED);
	else
		decide_content(in, item);
}

/* Updates. */

struct merging {
	struct records_batch *b;
	struct record_item **items; /* by the index of their key */
	struct jc_scratch *scratch;
	struct record_ad ad;
	struct buf stored, merged;
};

static void merging_done(struct merging *m)
{
	jc_scratch_free(m->scratch);
	buf_done(&m->stored);
	buf_done(&m->merged);
}

/* What is stored as plain text in m->stored; "{}" where it was pruned. */
static int open_stored(struct merging *m, struct rows *r, struct sv id, struct err *err)
{
	struct sv sealed = row_sv(r, 5);
	const struct records_of *of = &m->b->in.of;

	buf_clear(&m->stored);
	if (!sealed.ptr) {
		buf_str(&m->stored, "{}");
		return 0;
	}
	TRY(keys_open(
		r->c, of->keys, of->environment, record_ad(&m->ad, id), sealed, &m->stored, err));
	return payload_unpack(&m->stored, &m->merged, err);
}

static int merge_row(void *ctx, size_t key, struct rows *r, struct err *err)
{
	struct merging *m = ctx;
	struct record_item *item = m->items[key];
	struct jc_record rec;

	TRY(open_stored(m, r, item->id, err));
	buf_clear(&m->merged);
	TRY(merge_objects(buf_sv(&m->stored), item->payload, &m->merged, err));
	TRY(jc_one(buf_sv(&m->merged), m->b->in.limits, m->scratch, &m->b->arena, &rec, err));
	if (rec.untidy) {
		buf_clear(&m->stored);
		jc_tidy(buf_sv(&m->merged), &m->stored);
	}
	item->merged = arena_sv(&m->b->arena, buf_sv(rec.untidy ? &m->stored : &m->merged));
	memcpy(item->hash, rec.hash, sizeof(item->hash));
	item->merged_stamp = item->row.stamp;
	item->merged_flags = item->row.flags;
	item->sealed = SV_NULL;
	return 0;
}

static bool is_merged(const struct record_item *item)
{
	return item->merged.ptr && item->merged_stamp == item->row.stamp &&
	       item->merged_flags == item->row.flags;
}

int merge_stored(struct dbc *c, struct records_batch *b, const struct dataset *d, struct err *err)
{
	own_in(merging_done) struct merging m = { .b = b, .scratch = jc_scratch_new() };
	struct arg *keys = arena_alloc(db_arena(c), b->count * sizeof(*keys));
	size_t n = 0;

	buf_init(&m.stored, JC_BATCH_BYTES_MAX);
	buf_init(&m.merged, JC_BATCH_BYTES_MAX);
	TRY(record_ad_init(&m.ad, &b->in.of, err));
	m.items = arena_alloc(db_arena(c), b->count * sizeof(*m.items));
	for (size_t i = 0; i < b->count; i++) {
		struct record_item *item = &b->items[i];
		if (!item->found || (item->row.flags & ROW_DELETED) || is_merged(item))
			continue;
		m.items[n] = item;
		keys[n++] = arg_i64(item->row.stamp);
	}
	return db_query_each(c, Q_RECORD_FEED_ROW, ARGS(arg_i64(d->connection), arg_i64(d->id)),
		keys, n, merge_row, &m, err);
}

/* Deletions. */

/* A date alone is a time for JavaScript's Date too: midnight UTC. */
static bool parse_time(struct sv s, int64_t *ret_us)
{
	char full[24];

	if (s.len != 10)
		return clock_parse_iso(s, ret_us);
	memcpy(full, s.ptr, 10);
	memcpy(full + 10, "T00:00Z", 7);
	return clock_parse_iso(sv_make(full, 17), ret_us);
}

static bool is_falsy(struct sv v)
{
	return !v.ptr || sv_eq_str(v, "null") || sv_eq_str(v, "false") || sv_eq_str(v, "0") ||
	       sv_eq_str(v, "\"\"");
}

int deleted_at(struct sv payload, size_t index, int64_t *ret_us, struct err *err)
{
	struct sv v = jc_find(payload, SV_LIT("deletedAt"));
	int64_t ms;

	*ret_us = 0;
	if (is_falsy(v))
		return 0;
	if (v.len > 2 && v.ptr[0] == '"' && parse_time(sv_make(v.ptr + 1, v.len - 2), ret_us))
		return 0;
	if (sv_to_i64(v, &ms) && ms >= EARLIEST_MS && ms <= LATEST_MS) {
		*ret_us = ms * 1000;
		return 0;
	}
	return err_set(err, ERR_INVALID, "records[%zu].deletedAt: expected a time", index);
}
