/* The webhooks that a run owes when it has ended (spec/orchestration.md 5.1, 5.2). */
#include "base/clock.h"
#include "data/json.h"
#include "db/db.h"
#include "model/outbox.h"
#include "model/row.h"
#include "model/run.h"

enum { BODY_MAX = 4 << 20 };

/* A run as its webhooks tell it. */
struct story {
	int64_t environment_id, started_ms, finished_ms;
	struct sv kind, name, variant, sync_id, status;
	struct sv result, error, checkpoint_from, checkpoint_to, models; /* JSON */
	struct sv connection_id, integration, url_override;
	struct sv async_id; /* of an action whose caller did not wait */
	bool initial, always, on_error, on_async;
};

static void read_story(struct rows *r, struct arena *a, void *ret)
{
	*(struct story *)ret = (struct story){
		.environment_id = row_i64(r, 0),
		.kind = row_keep(r, 1, a),
		.name = row_keep(r, 2, a),
		.variant = row_keep(r, 3, a),
		.sync_id = row_keep(r, 4, a),
		.status = row_keep(r, 5, a),
		.initial = row_bool(r, 6),
		.started_ms = row_i64(r, 7),
		.finished_ms = row_i64(r, 8),
		.result = row_keep(r, 9, a),
		.error = row_keep(r, 10, a),
		.checkpoint_from = row_keep(r, 11, a),
		.checkpoint_to = row_keep(r, 12, a),
		.connection_id = row_keep(r, 13, a),
		.url_override = row_keep(r, 14, a),
		.integration = row_keep(r, 15, a),
		.models = row_keep(r, 16, a),
		.always = row_bool(r, 17),
		.on_error = row_bool(r, 18),
		.async_id = row_keep(r, 19, a),
		.on_async = row_bool(r, 20),
	};
}

static const char *sync_type(const struct story *s)
{
	if (sv_eq_str(s->kind, RUN_WEBHOOK))
		return "WEBHOOK";
	return s->initial ? "INITIAL" : "INCREMENTAL";
}

static void set_iso(struct json_t *obj, const char *key, int64_t ms)
{
	char iso[CLOCK_ISO_SIZE];

	json_set_str(obj, key, sv_str(clock_iso_ms(ms, iso)));
}

static int set_checkpoints(struct json_t *body, const struct story *s, struct err *err)
{
	struct json_t *from = NULL, *to = NULL;

	if (!s->checkpoint_from.ptr)
		return 0;
	struct json_t *both = json_new_obj();
	json_set(body, SV_LIT("checkpoints"), both);
	TRY(json_parse(s->checkpoint_from, &from, err));
	json_set(both, SV_LIT("from"), from);
	TRY(json_parse(s->checkpoint_to.ptr ? s->checkpoint_to : SV_LIT("null"), &to, err));
	json_set(both, SV_LIT("to"), to);
	return 0;
}

static int base_body(const struct story *s, struct sv model, struct json_t *body, struct err *err)
{
	json_set_str(body, "from", SV_LIT("nango"));
	json_set_str(body, "type", SV_LIT("sync"));
	json_set_str(body, "connectionId", s->connection_id);
	json_set_str(body, "providerConfigKey", s->integration);
	json_set_str(body, "syncName", s->name);
	json_set_str(body, "syncVariant", s->variant);
	json_set_str(body, "model", model);
	json_set_str(body, "syncType", sv_str(sync_type(s)));
	return set_checkpoints(body, s, err);
}

static int owe(struct dbc *c, int64_t id, const struct story *s, const struct json_t *body,
	struct err *err)
{
	bool is_action = sv_eq_str(s->kind, RUN_ACTION);
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, BODY_MAX);
	json_dump_sorted(body, &text);
	if (!buf_ok(&text))
		return err_set(err, ERR_LIMIT, "a webhook of more than %d bytes", BODY_MAX);
	struct outbox_message m = {
		.environment_id = s->environment_id,
		.type = is_action ? "async_action" : "sync",
		.action = is_action ? "async_action" : "sync",
		.lane = s->sync_id,
		.body = buf_sv(&text),
		.url_override = s->url_override,
		.integration = s->integration,
		.connection = s->connection_id,
		.function = s->name,
		.variant = s->variant,
		.run_id = id,
	};
	return outbox_add(c, &m, err);
}

static int64_t count_of(const struct json_t *counts, const char *key)
{
	return json_int(json_member(counts, sv_str(key)));
}

static int owe_model(struct dbc *c, int64_t id, const struct story *s, const struct json_t *result,
	struct sv model, struct err *err)
{
	own(json_unref) struct json_t *body = json_new_obj();
	const struct json_t *counts = json_member(result, model);
	int64_t added = count_of(counts, "added"), updated = count_of(counts, "updated"),
		deleted = count_of(counts, "deleted");

	if (!s->always && added == 0 && updated == 0 && deleted == 0)
		return 0;
	TRY(base_body(s, model, body, err));
	json_set_bool(body, "success", true);
	struct json_t *results = json_new_obj();
	json_set(body, SV_LIT("responseResults"), results);
	json_set_int(results, "added", added);
	json_set_int(results, "updated", updated);
	json_set_int(results, "deleted", deleted);
	set_iso(body, "modifiedAfter", s->started_ms);
	set_iso(body, "queryTimeStamp", s->started_ms);
	return owe(c, id, s, body, err);
}

static int owe_success(struct dbc *c, int64_t id, const struct story *s,
	const struct json_t *models, struct err *err)
{
	own(json_unref) struct json_t *result = NULL;
	int owed = 0;

	TRY(json_parse(s->result, &result, err));
	for (size_t i = 0; i < json_len(models); i++) {
		int rc = owe_model(c, id, s, result, json_sv(json_item(models, i)), err);
		TRY(rc);
		owed += rc;
	}
	return owed;
}

static void join_models(const struct json_t *models, struct buf *out)
{
	for (size_t i = 0; i < json_len(models); i++) {
		buf_str(out, i ? "," : "");
		buf_sv_add(out, json_sv(json_item(models, i)));
	}
}

static void set_from(struct json_t *to, const struct json_t *from, const char *key)
{
	struct json_t *value = json_member(from, sv_str(key));

	if (value)
		json_set(to, sv_str(key), json_clone(value));
}

/* Payloads of webhook runs stay out of it: they may be the provider's whole event. */
static struct json_t *error_of(const struct story *s, const struct json_t *error)
{
	struct json_t *out = json_new_obj();
	struct sv message = json_sv(json_member(error, SV_LIT("message")));

	if (!message.len)
		message = json_sv(json_find(error, SV_LIT("payload.message")));
	json_set_str(out, "type", SV_LIT("script_error"));
	json_set_str(out, "description", message);
	if (!sv_eq_str(s->kind, RUN_WEBHOOK))
		set_from(out, error, "payload");
	set_from(out, error, "additional_properties");
	return out;
}

static int owe_failure(struct dbc *c, int64_t id, const struct story *s,
	const struct json_t *models, struct err *err)
{
	own(json_unref) struct json_t *body = json_new_obj(), *error = NULL;
	own_in(buf_done) struct buf joined = { 0 };

	TRY(json_parse(s->error.ptr ? s->error : SV_LIT("{}"), &error, err));
	buf_init(&joined, 1 << 16);
	if (!sv_eq_str(s->status, "CANCELLED"))
		join_models(models, &joined);
	TRY(base_body(s, buf_sv(&joined), body, err));
	json_set_bool(body, "success", false);
	json_set(body, SV_LIT("error"), error_of(s, error));
	set_iso(body, "startedAt", s->started_ms);
	set_iso(body, "failedAt", s->finished_ms);
	return owe(c, id, s, body, err);
}

/* {from, type, connectionId, providerConfigKey, payload: {id, statusUrl}}: well or badly ended. */
static int owe_async(struct dbc *c, int64_t id, const struct story *s, struct err *err)
{
	own(json_unref) struct json_t *body = json_new_obj();
	struct json_t *payload = json_new_obj();

	json_set_str(body, "from", SV_LIT("nango"));
	json_set_str(body, "type", SV_LIT("async_action"));
	json_set_str(body, "connectionId", s->connection_id);
	json_set_str(body, "providerConfigKey", s->integration);
	json_set(body, SV_LIT("payload"), payload);
	json_set_str(payload, "id", s->async_id);
	json_set_str(payload, "statusUrl",
		sv_str(arena_printf(db_arena(c), "/action/%.*s", SV(s->async_id))));
	return owe(c, id, s, body, err);
}

int run_owe_webhooks(struct dbc *c, int64_t id, struct err *err)
{
	own(json_unref) struct json_t *models = NULL;
	struct story s;

	TRY(rows_only(c, Q_RUN_STORY, ARGS(arg_i64(id)), db_arena(c), read_story, &s, err));
	if (s.async_id.ptr)
		return s.on_async ? owe_async(c, id, &s, err) : 0;
	if (!sv_eq_str(s.kind, RUN_SYNC) && !sv_eq_str(s.kind, RUN_WEBHOOK))
		return 0;
	TRY(json_parse(s.models.ptr ? s.models : SV_LIT("[]"), &models, err));
	if (sv_eq_str(s.status, "SUCCESS"))
		return owe_success(c, id, &s, models, err);
	return s.on_error ? owe_failure(c, id, &s, models, err) : 0;
}
