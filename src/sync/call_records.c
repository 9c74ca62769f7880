/* What functions write into the record store and read from it. */
#include "base/fault.h"
#include "records/batch.h"
#include "records/outdated.h"
#include "records/read.h"
#include "sync/call.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000, IDS_MAX = 100, DUPLICATES_TOLD = 20 };
/* Of a page of listRecords: a function gets more by asking on, which it does anyway. */
enum { LIST_BYTES_MAX = 8 << 20 };

/* Batches. */

struct batch_call {
	struct records_batch *batch;
	struct sv model; /* base name */
	struct check_report report;
};

static enum records_op op_of(enum runner_method m)
{
	return m == CALL_batch_save	? RECORDS_SAVE
	       : m == CALL_batch_update ? RECORDS_UPDATE
					: RECORDS_DELETE;
}

static const char *verb_of(enum runner_method m)
{
	return m == CALL_batch_save ? "saved" : m == CALL_batch_update ? "updated" : "deleted";
}

static void batch_free(struct call *c)
{
	records_batch_free(((struct batch_call *)c->state)->batch);
}

static int64_t guard_of(const struct flight *fl, struct sv full_model)
{
	const struct merging *m = fl->merging;

	while (m && !sv_eq(m->model, full_model))
		m = m->next;
	return m ? m->guard : 0;
}

/* Everything that needs no lock: off the writer's thread. */
static int job_prepare(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct batch_call *b = c->state;

	if (c->method == CALL_batch_save)
		TRY(check_records(c->fl, b->model, c->body, &b->report, err));
	return records_prepare(db, b->batch, err);
}

/* Records, counts and the fence in one transaction. */
static int job_apply(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct batch_call *b = c->state;
	own_in(run_guard_done) struct run_guard g = call_guard(c);

	TRY(run_guard(db, &g, err));
	TRY(records_apply(db, b->batch, err));
	TRY(FAULT("sync.batch", err));
	const struct records_counts *n = &b->batch->counts;
	struct run_counts add = { n->added, n->updated, n->deleted };
	/* A batch that came before has been counted then. */
	if (b->batch->replayed || !(add.added || add.updated || add.deleted))
		return 0;
	return run_count(db, &g, b->model, &add, err);
}

static void log_counts(const struct call *c, const struct batch_call *b)
{
	const struct records_counts *n = &b->batch->counts;
	struct buf text, meta;
	struct jw w;

	buf_init(&text, 1024);
	buf_init(&meta, 4096);
	buf_printf(&text, "Successfully batch %s %zu record%s of %.*s", verb_of(c->method),
		b->batch->count, b->batch->count == 1 ? "" : "s", SV(b->model));
	jw_init(&w, &meta);
	jw_obj(&w);
	jw_kv_str(&w, "model", b->model);
	jw_kv_i64(&w, "added", n->added);
	jw_kv_i64(&w, "updated", n->updated);
	jw_kv_i64(&w, "deleted", n->deleted);
	jw_kv_i64(&w, "unchanged", n->unchanged);
	jw_kv_i64(&w, "ignored", n->ignored);
	jw_end(&w);
	flight_log(c->fl, "info", "log", buf_sv(&text), buf_sv(&meta));
	buf_done(&text);
	buf_done(&meta);
}

static void log_duplicates(const struct call *c, const struct batch_call *b)
{
	size_t count = b->batch->duplicate_count;
	struct buf text;

	for (size_t i = 0; i < count && i < DUPLICATES_TOLD; i++) {
		buf_init(&text, 4096);
		buf_printf(&text,
			"Found duplicate key '%.*s' for model %.*s. The record was ignored.",
			SV(b->batch->duplicates[i]), SV(b->model));
		flight_log(c->fl, "error", "log", buf_sv(&text), SV_NULL);
		buf_done(&text);
	}
}

static void log_report(const struct call *c, const struct batch_call *b)
{
	struct buf text;

	if (!b->report.wrong)
		return;
	buf_init(&text, 1024);
	buf_printf(&text, "%zu of the records do not match the model %.*s: %s", b->report.wrong,
		SV(b->model), b->report.first);
	flight_log(c->fl, "warn", "log", buf_sv(&text), SV_NULL);
	buf_done(&text);
}

static void applied(struct call *c, const struct err *err)
{
	struct batch_call *b = c->state;

	if (err->code == ERR_OK) {
		c->fl->wrote = true;
		log_report(c, b);
		log_duplicates(c, b);
		log_counts(c, b);
	}
	call_end(c, err);
}

static void prepared(struct call *c, const struct err *err)
{
	struct batch_call *b = c->state;

	/* Else it is the store that refuses them, for a reason of its own. */
	bool strict = sv_eq_str(c->fl->run.validation, "fail");
	if (err->code == ERR_INVALID && b->report.wrong && strict) {
		call_refuse(c, "client", "invalid_sync_record", err->msg, 0);
		call_end(c, NULL);
		return;
	}
	if (err->code != ERR_OK) {
		call_end(c, err);
		return;
	}
	c->after = applied;
	call_job(c, DB_WRITE, job_apply);
}

int call_batch(struct call *c, struct err *err)
{
	struct flight *fl = c->fl;
	struct batch_call *b = ARENA_NEW(&c->arena, struct batch_call);
	struct sv full;
	int64_t seq;

	TRY(call_model(c, &b->model, &full, err));
	TRY(json_get_int(c->head, "seq", &seq, err));
	if (seq < 1 || seq > INT32_MAX)
		return err_set(err, ERR_INVALID, "batches are counted from 1");
	struct records_input in = {
		.of = flight_dataset(fl, full),
		.op = op_of(c->method),
		.records = c->body,
		.run = fl->id,
		.seq = fl->run.fence << 32 | seq,
		.guard = guard_of(fl, full),
	};
	b->batch = records_batch_new(&in);
	c->state = b;
	c->free = batch_free;
	c->after = prepared;
	return call_job(c, DB_READ, job_prepare);
}

/* Reading. */

struct read_call {
	struct records_of of;
	struct sv cursor, *ids;
	int64_t limit;
	size_t id_count;
};

static int read_call(struct call *c, struct read_call **ret, struct err *err)
{
	struct sv base, full;

	TRY(call_model(c, &base, &full, err));
	*ret = c->state = ARENA_NEW(&c->arena, struct read_call);
	(*ret)->of = flight_dataset(c->fl, full);
	return 0;
}

static int job_records_list(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	const struct read_call *r = c->state;
	struct records_query q = {
		.of = r->of, .cursor = r->cursor, .limit = r->limit, .max_bytes = LIST_BYTES_MAX
	};

	return records_list(db, &q, &c->out, err);
}

int call_records_list(struct call *c, struct err *err)
{
	struct read_call *r;

	TRY(read_call(c, &r, err));
	r->limit = LIST_DEFAULT;
	TRY(json_opt_int(c->head, "limit", &r->limit, err));
	TRY(json_opt_str(c->head, "cursor", &r->cursor, err));
	if (r->limit < 1 || r->limit > LIST_MAX)
		return err_set(err, ERR_INVALID, "a page has 1 to %d records", LIST_MAX);
	return call_job(c, DB_READ, job_records_list);
}

static int job_records_by_ids(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	const struct read_call *r = c->state;

	return records_by_ids(db, &r->of, r->ids, r->id_count, &c->out, err);
}

int call_records_by_ids(struct call *c, struct err *err)
{
	struct json_t *ids;
	struct read_call *r;

	TRY(read_call(c, &r, err));
	TRY(json_get_arr(c->head, "ids", &ids, err));
	r->id_count = json_len(ids);
	if (r->id_count > IDS_MAX)
		return err_set(err, ERR_LIMIT, "at most %d ids at once", IDS_MAX);
	r->ids = arena_array(&c->arena, r->id_count + 1, sizeof(*r->ids));
	for (size_t i = 0; i < r->id_count; i++)
		r->ids[i] = json_sv(json_item(ids, i));
	return call_job(c, DB_READ, job_records_by_ids);
}

/* Merging strategies. */

struct merging_call {
	struct records_of of;
	int64_t stamp;
};

static int job_last_stamp(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct merging_call *m = c->state;

	return records_last_stamp(db, &m->of, &m->stamp, err);
}

static void merging_known(struct call *c, const struct err *err)
{
	const struct merging_call *m = c->state;

	if (err->code == ERR_OK) {
		struct merging *entry = ARENA_NEW(&c->fl->begin_arena, struct merging);
		entry->model = arena_sv(&c->fl->begin_arena, m->of.model);
		/* An empty dataset is guarded too: whatever another run puts there is newer. */
		entry->guard = m->stamp > 0 ? m->stamp : 1;
		entry->next = c->fl->merging;
		c->fl->merging = entry;
	}
	call_end(c, err);
}

int call_merging_set(struct call *c, struct err *err)
{
	struct merging_call *m = ARENA_NEW(&c->arena, struct merging_call);
	struct sv base, full, strategy;

	TRY(call_model(c, &base, &full, err));
	TRY(json_get_str(c->head, "strategy", &strategy, err));
	if (sv_eq_str(strategy, "override")) {
		call_end(c, NULL);
		return 0;
	}
	if (!sv_eq_str(strategy, "ignore_if_modified_after"))
		return err_set(
			err, ERR_INVALID, "Unsupported merging strategy: %.*s", SV(strategy));
	m->of = flight_dataset(c->fl, full);
	c->state = m;
	c->after = merging_known;
	return call_job(c, DB_READ, job_last_stamp);
}

/* Deletion detection. */

struct outdated_call {
	struct records_outdated outdated;
	/* How it stood before the present job, which may be repeated. */
	struct records_outdated before;
	size_t keys_before;
	struct sv base, owner;
	struct buf keys;
};

static void step_begins(struct outdated_call *o)
{
	o->before = o->outdated;
	o->keys_before = o->keys.len;
}

static void step_again(struct outdated_call *o)
{
	o->outdated = o->before;
	o->keys.len = o->keys_before;
	o->keys.over = false;
}

static void outdated_free(struct call *c)
{
	buf_done(&((struct outdated_call *)c->state)->keys);
}

static int outdated_new(struct call *c, struct outdated_call **ret, struct err *err)
{
	struct outdated_call *o = ARENA_NEW(&c->arena, struct outdated_call);
	struct sv full;

	TRY(call_model(c, &o->base, &full, err));
	buf_init(&o->keys, CALL_OUT_MAX / 2);
	o->owner = c->fl->checkpoint_key;
	o->outdated = (struct records_outdated){
		.of = flight_dataset(c->fl, full),
		.run = c->fl->id,
		.generation = c->fl->id,
		.keys = &o->keys,
	};
	step_begins(o);
	*ret = c->state = o;
	c->free = outdated_free;
	return 0;
}

static int job_track_start(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	const struct outdated_call *o = c->state;
	own_in(run_guard_done) struct run_guard g = call_guard(c);

	TRY(run_guard(db, &g, err));
	return records_track_start(db, &o->outdated.of, o->owner, c->fl->id, err);
}

int call_track_start(struct call *c, struct err *err)
{
	struct outdated_call *o;

	TRY(outdated_new(c, &o, err));
	return call_job(c, DB_WRITE, job_track_start);
}

static int count_deleted(struct dbc *db, struct run_guard *g, const struct outdated_call *o,
	int64_t deleted, struct err *err)
{
	struct run_counts n = { .deleted = deleted };

	return deleted ? run_count(db, g, o->base, &n, err) : 0;
}

static int job_track_end(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct outdated_call *o = c->state;
	own_in(run_guard_done) struct run_guard g = call_guard(c);

	step_again(o);
	TRY(run_guard(db, &g, err));
	TRY(records_track_end(db, &o->outdated, o->owner, err));
	return count_deleted(db, &g, o, o->outdated.deleted, err);
}

static void write_deleted(struct call *c, const struct outdated_call *o)
{
	buf_str(&c->out, "{\"deletedKeys\":[");
	buf_sv_add(&c->out, buf_sv(&o->keys));
	buf_str(&c->out, "]}");
	if (!buf_ok(&o->keys))
		c->out.over = true;
}

static void log_deleted(const struct call *c, const struct outdated_call *o)
{
	struct buf text;

	buf_init(&text, 1024);
	buf_printf(&text, "%lld record%s of %.*s that the source no longer has were deleted",
		(long long)o->outdated.deleted, o->outdated.deleted == 1 ? "" : "s", SV(o->base));
	flight_log(c->fl, "info", "log", buf_sv(&text), SV_NULL);
	buf_done(&text);
}

static void outdated_done(struct call *c, const struct err *err)
{
	struct outdated_call *o = c->state;

	if (err->code == ERR_OK) {
		c->fl->wrote = true;
		write_deleted(c, o);
		log_deleted(c, o);
	}
	call_end(c, err);
}

int call_track_end(struct call *c, struct err *err)
{
	struct outdated_call *o;

	TRY(outdated_new(c, &o, err));
	c->after = outdated_done;
	return call_job(c, DB_WRITE, job_track_end);
}

static int job_outdated(struct dbc *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct outdated_call *o = c->state;
	own_in(run_guard_done) struct run_guard g = call_guard(c);

	step_again(o);
	TRY(run_guard(db, &g, err));
	TRY(records_outdated(db, &o->outdated, err));
	return count_deleted(db, &g, o, o->outdated.deleted - o->before.deleted, err);
}

static void outdated_step(struct call *c, const struct err *err)
{
	struct outdated_call *o = c->state;

	if (err->code != ERR_OK || !o->outdated.more) {
		outdated_done(c, err);
		return;
	}
	step_begins(o);
	call_job(c, DB_WRITE, job_outdated);
}

int call_delete_outdated(struct call *c, struct err *err)
{
	struct outdated_call *o;

	TRY(outdated_new(c, &o, err));
	c->after = outdated_step;
	return call_job(c, DB_WRITE, job_outdated);
}
