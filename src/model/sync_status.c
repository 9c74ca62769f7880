/* What GET /sync/status says of a sync (spec/orchestration.md 1.7). */
#include "base/clock.h"
#include "data/freq.h"
#include "data/json.h"
#include "model/sync_row.h"

#include <stdio.h>

struct facts {
	struct sv run_status, result, models, runs, checkpoint; /* absent = none */
	bool incremental;
	int64_t finished_ms;
};

static void read_facts(struct rows *r, struct arena *a, void *ret)
{
	*(struct facts *)ret = (struct facts){
		.run_status = row_keep(r, 0, a),
		.incremental = row_bool(r, 1),
		.result = row_keep(r, 2, a),
		.finished_ms = row_null(r, 4) ? row_i64(r, 3) : row_i64(r, 4),
		.models = row_keep(r, 5, a),
		.runs = row_keep(r, 6, a),
		.checkpoint = row_null(r, 8) ? row_keep(r, 7, a) : SV_NULL,
	};
}

/* The words of the wire for the state of a run: QUEUED is one that waits for another attempt. */
static const char *execution_status(struct sv status)
{
	if (!status.ptr)
		return NULL;
	if (sv_eq_str(status, "RUNNING") || sv_eq_str(status, "QUEUED"))
		return "RUNNING";
	return sv_eq_str(status, "SUCCESS") ? "SUCCESS" : "STOPPED";
}

static const char *sync_status(const struct sync *s, const char *execution)
{
	if (execution && !strcmp(execution, "RUNNING"))
		return "RUNNING";
	if (s->paused)
		return "PAUSED";
	return execution && !strcmp(execution, "STOPPED") ? "ERROR" : "SUCCESS";
}

static void set_text(struct json_t *obj, const char *key, const char *text)
{
	if (text)
		json_set_str(obj, key, sv_str(text));
	else
		json_set_null(obj, key);
}

static void set_iso(struct json_t *obj, const char *key, int64_t ms)
{
	char iso[CLOCK_ISO_SIZE];

	json_set_str(obj, key, sv_str(clock_iso_ms(ms, iso)));
}

static int set_json(struct json_t *obj, const char *key, struct sv text, struct err *err)
{
	struct json_t *value = NULL;

	TRY(json_parse(text.ptr ? text : SV_LIT("null"), &value, err));
	json_set(obj, sv_str(key), value);
	return 0;
}

static void set_frequency(struct json_t *obj, const struct sync *s, const struct facts *f)
{
	struct sv text = f->runs; /* as it was deployed */
	struct freq parsed;

	if (s->frequency && freq_parse(sv_str(s->frequency), &parsed, NULL) == 0)
		text = sv_str(parsed.text);
	if (text.ptr)
		json_set_str(obj, "frequency", text);
	else
		json_set_null(obj, "frequency");
}

static void set_next(struct json_t *obj, const struct sync *s)
{
	struct sync_schedule schedule = sync_schedule_of(s);

	if (s->paused) {
		json_set_null(obj, "nextScheduledSyncAt");
		return;
	}
	/* While one runs, its own slot is not the next. */
	set_iso(obj, "nextScheduledSyncAt",
		s->run_id ? sync_schedule_next_ms(&schedule, s->next_run_ms, clock_now_ms())
			  : s->next_run_ms);
}

/* The count of the dataset that a model of this variant is stored in. */
static int64_t count_of(const struct json_t *counts, const struct sync *s, struct sv model)
{
	char name[600];

	if (strcmp(s->variant, "base"))
		snprintf(name, sizeof(name), "%.*s::%s", SV(model), s->variant);
	else
		snprintf(name, sizeof(name), "%.*s", SV(model));
	return json_int(json_member(counts, sv_str(name)));
}

static int set_counts(struct json_t *obj, const struct sync *s, const struct facts *f,
	const struct json_t *counts, struct err *err)
{
	own(json_unref) struct json_t *models = NULL;
	struct json_t *out = json_new_obj();

	json_set(obj, SV_LIT("recordCount"), out);
	if (!f->models.ptr)
		return 0;
	TRY(json_parse(f->models, &models, err));
	for (size_t i = 0; i < json_len(models); i++) {
		struct sv model = json_sv(json_item(models, i));
		json_set(out, model, json_new_int(count_of(counts, s, model)));
	}
	return 0;
}

static int item(struct dbc *c, const struct sync *s, const struct json_t *counts,
	struct json_t *obj, struct err *err)
{
	struct facts f;

	TRY(rows_only(c, Q_SYNC_STATUS, ARGS(arg_str(s->id)), db_arena(c), read_facts, &f, err));
	const char *execution = execution_status(f.run_status);
	const char *status = sync_status(s, execution);
	json_set_str(obj, "id", sv_str(s->id));
	json_set_str(obj, "connection_id", sv_str(s->connection_id));
	json_set_str(obj, "name", sv_str(s->name));
	json_set_str(obj, "variant", sv_str(s->variant));
	json_set_str(obj, "type", f.incremental ? SV_LIT("INCREMENTAL") : SV_LIT("INITIAL"));
	json_set_str(obj, "status", sv_str(status));
	if (execution && strcmp(status, "RUNNING"))
		set_iso(obj, "finishedAt", f.finished_ms);
	set_next(obj, s);
	set_frequency(obj, s, &f);
	if (execution)
		TRY(set_json(obj, "latestResult", f.result, err));
	if (execution)
		set_text(obj, "latestExecutionStatus", execution);
	TRY(set_counts(obj, s, &f, counts, err));
	return set_json(obj, "checkpoint", f.checkpoint, err);
}

static int load_counts(struct dbc *c, int64_t connection, struct json_t *counts, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int rc;

	TRY(db_query(c, Q_SYNC_RECORD_COUNTS, ARGS(arg_i64(connection)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0)
		json_set(counts, row_sv(&rows, 0), json_new_int(row_i64(&rows, 1)));
	return rc;
}

int sync_status_json(
	struct dbc *c, const struct sync *syncs, size_t count, struct json_t **ret, struct err *err)
{
	own(json_unref) struct json_t *all = json_new_arr(), *counts = NULL;
	int64_t connection = 0;

	/* Syncs come ordered by connection: its counts are read once. */
	for (size_t i = 0; i < count; i++) {
		if (syncs[i].connection != connection) {
			connection = syncs[i].connection;
			json_unref(counts);
			counts = json_new_obj();
			TRY(load_counts(c, connection, counts, err));
		}
		struct json_t *obj = json_new_obj();
		json_push(all, obj);
		TRY(item(c, &syncs[i], counts, obj, err));
	}
	*ret = take(all);
	return 0;
}
