#include "cli/local.h"

#include "base/clock.h"
#include "base/sv.h"
#include "cli/project.h"
#include "data/json.h"

#include <stdio.h>

/* The largest batch, body or page a run may hand over here. */
#define BODY_MAX (256u << 20)

void local_problem(struct local_run *l, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (l->problem.len)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_str(&l->problem, text);
}

static struct local_run *of_run(struct runner_run *run)
{
	return container_of(run, struct local_run, run);
}

void local_answer(
	struct local_run *l, const struct runner_call *call, struct json_t *head, struct sv body)
{
	json_set_bool(head, "ok", true);
	runner_reply(&l->run, call->id, head, body);
	json_unref(head);
}

static void answer_json(struct local_run *l, const struct runner_call *call, struct json_t *body)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, BODY_MAX);
	json_dump_compact(body, &b);
	json_unref(body);
	local_answer(l, call, json_new_obj(), buf_sv(&b));
}

void local_refuse(struct local_run *l, const struct runner_call *call, const char *kind,
	const char *code, const char *message)
{
	struct json_t *error = json_new_obj();

	json_set_str(error, "kind", sv_str(kind));
	json_set_str(error, "code", sv_str(code));
	json_set_str(error, "message", sv_str(message));
	local_refuse_as(l, call, error);
}

void local_refuse_as(struct local_run *l, const struct runner_call *call, struct json_t *error)
{
	struct json_t *head = json_new_obj();

	json_set(head, SV_LIT("error"), error);
	runner_reply(&l->run, call->id, head, SV_NULL);
	json_unref(head);
}

/* Records. */

static void collect(struct local_run *l, const struct runner_call *call, struct json_t *into)
{
	own(json_unref) struct json_t *batch = NULL;
	struct sv model = SV_LIT("?");
	struct err err = { 0 };

	json_opt_str(call->head, "model", &model, NULL);
	if (json_parse(call->body, &batch, &err) < 0 || json_kind(batch) != JSON_KIND_ARRAY) {
		local_problem(l, "a batch of %.*s that is no JSON array: %s", SV(model), err.msg);
		local_refuse(l, call, "plain", "invalid_batch", "the batch is no JSON array");
		return;
	}
	if (!json_member(into, model))
		json_set(into, model, json_new_arr());
	struct json_t *list = json_member(into, model);
	for (size_t i = 0; i < json_len(batch); i++)
		json_push(list, json_ref(json_item(batch, i)));
	local_answer(l, call, json_new_obj(), SV_NULL);
}

static void on_batch_save(struct local_run *l, const struct runner_call *call)
{
	collect(l, call, l->saved);
}

static void on_batch_update(struct local_run *l, const struct runner_call *call)
{
	collect(l, call, l->updated);
}

static void on_batch_delete(struct local_run *l, const struct runner_call *call)
{
	collect(l, call, l->deleted);
}

static void on_no_records(struct local_run *l, const struct runner_call *call)
{
	local_answer(l, call, json_new_obj(), SV_LIT("{\"records\":[],\"next_cursor\":null}"));
}

static void on_nothing_deleted(struct local_run *l, const struct runner_call *call)
{
	local_answer(l, call, json_new_obj(), SV_LIT("{\"deletedKeys\":[]}"));
}

/* State of the run. */

static void on_checkpoint_get(struct local_run *l, const struct runner_call *call)
{
	struct json_t *head = json_new_obj();

	json_set(head, SV_LIT("checkpoint"),
		l->checkpoint ? json_ref(l->checkpoint) : json_new_null());
	local_answer(l, call, head, SV_NULL);
}

static void on_checkpoint_save(struct local_run *l, const struct runner_call *call)
{
	json_unref(l->checkpoint);
	l->checkpoint = json_ref(json_member(call->head, SV_LIT("checkpoint")));
	local_answer(l, call, json_new_obj(), SV_NULL);
}

static void on_checkpoint_clear(struct local_run *l, const struct runner_call *call)
{
	json_unref(take(l->checkpoint));
	local_answer(l, call, json_new_obj(), SV_NULL);
}

static void on_metadata_set(struct local_run *l, const struct runner_call *call)
{
	json_unref(l->metadata);
	l->metadata = json_ref(json_member(call->head, SV_LIT("metadata")));
	answer_json(l, call, json_new_obj());
}

static void on_metadata_update(struct local_run *l, const struct runner_call *call)
{
	struct json_t *merged = l->metadata ? json_clone(l->metadata) : json_new_obj(), *value;
	struct sv key;
	void *it = NULL;

	while (json_next(json_member(call->head, SV_LIT("metadata")), &it, &key, &value))
		json_set(merged, key, json_ref(value));
	json_unref(l->metadata);
	l->metadata = merged;
	answer_json(l, call, json_new_obj());
}

static void on_lock(struct local_run *l, const struct runner_call *call)
{
	struct json_t *head = json_new_obj();

	json_set_bool(head, "acquired", true);
	json_set_bool(head, "released", true);
	local_answer(l, call, head, SV_NULL);
}

static void on_accepted(struct local_run *l, const struct runner_call *call)
{
	struct json_t *head = json_new_obj();

	json_set_int(head, "status", 200);
	local_answer(l, call, head, SV_LIT("{\"success\":true}"));
}

/* The outside. */

static void on_proxy(struct local_run *l, const struct runner_call *call)
{
	l->requests++;
	l->source->proxy(l, call);
}

static void refuse_missing(struct local_run *l, const struct runner_call *call)
{
	local_refuse(l, call, "plain", "not_available",
		"this call needs a deployed function: it is not available here");
}

static void on_fetch(struct local_run *l, const struct runner_call *call)
{
	l->requests++;
	if (l->source->fetch)
		l->source->fetch(l, call);
	else
		refuse_missing(l, call);
}

static void on_trigger_action(struct local_run *l, const struct runner_call *call)
{
	if (l->source->trigger_action)
		l->source->trigger_action(l, call);
	else
		refuse_missing(l, call);
}

static void answer_or_refuse(
	struct local_run *l, const struct runner_call *call, struct json_t *value)
{
	if (value)
		answer_json(l, call, value);
	else
		local_refuse(l, call, "control", "server_error",
			l->problem.len ? l->problem.ptr : "not available here");
}

static void on_connection_get(struct local_run *l, const struct runner_call *call)
{
	struct json_t *c = l->source->connection(l);

	if (c && l->metadata)
		json_set(c, SV_LIT("metadata"), json_ref(l->metadata));
	answer_or_refuse(l, call, c);
}

static void on_integration_get(struct local_run *l, const struct runner_call *call)
{
	answer_or_refuse(l, call, l->source->integration(l));
}

static void on_env_vars(struct local_run *l, const struct runner_call *call)
{
	answer_or_refuse(l, call, l->source->env_vars(l));
}

typedef void local_call_fn(struct local_run *l, const struct runner_call *call);
static local_call_fn *const handlers[RUNNER_METHOD_COUNT] = {
	[CALL_proxy] = on_proxy,
	[CALL_uncontrolled_fetch] = on_fetch,
	[CALL_batch_save] = on_batch_save,
	[CALL_batch_update] = on_batch_update,
	[CALL_batch_delete] = on_batch_delete,
	[CALL_records_list] = on_no_records,
	[CALL_records_by_ids] = on_no_records,
	[CALL_track_start] = on_accepted,
	[CALL_track_end] = on_nothing_deleted,
	[CALL_delete_outdated] = on_nothing_deleted,
	[CALL_merging_set] = on_accepted,
	[CALL_checkpoint_get] = on_checkpoint_get,
	[CALL_checkpoint_save] = on_checkpoint_save,
	[CALL_checkpoint_clear] = on_checkpoint_clear,
	[CALL_connection_get] = on_connection_get,
	[CALL_metadata_set] = on_metadata_set,
	[CALL_metadata_update] = on_metadata_update,
	[CALL_integration_get] = on_integration_get,
	[CALL_env_vars] = on_env_vars,
	[CALL_trigger_action] = on_trigger_action,
	[CALL_trigger_sync] = on_accepted,
	[CALL_start_sync] = on_accepted,
	[CALL_lock_acquire] = on_lock,
	[CALL_lock_release] = on_lock,
	[CALL_lock_release_all] = on_lock,
};

static void on_call(struct runner_run *run, const struct runner_call *call)
{
	struct local_run *l = of_run(run);

	if (handlers[call->method])
		handlers[call->method](l, call);
	else
		refuse_missing(l, call);
}

static void on_log(struct runner_run *run, struct json_t *head)
{
	struct local_run *l = of_run(run);

	if (l->source->log)
		l->source->log(l, head);
}

/* The end. */

static void explain_error(struct local_run *l, const struct json_t *error)
{
	struct sv type = SV_LIT("error"), message = SV_NULL, stack = SV_NULL;

	json_opt_str(error, "type", &type, NULL);
	if (json_opt_str(error, "payload.message", &message, NULL) <= 0 || message.len == 0)
		json_opt_str(error, "message", &message, NULL);
	json_opt_str(error, "stack", &stack, NULL);
	local_problem(
		l, "%.*s: %.*s%s%.*s", SV(type), SV(message), stack.len ? "\n" : "", SV(stack));
}

static void on_done(struct runner_run *run, const struct runner_result *res)
{
	struct local_run *l = of_run(run);
	struct err err = { 0 };

	l->took_us = clock_mono_us() - l->started_us;
	l->cpu_us = res->cpu_us;
	l->heap_bytes = res->heap_bytes;
	if (!res->ok) {
		l->error = json_ref(res->error);
		explain_error(l, res->error);
	} else if (res->output.len && json_parse(res->output, &l->output, &err) < 0) {
		local_problem(l, "output that is no JSON: %s", err.msg);
	}
	l->ended(l);
}

static void on_lost(struct runner_run *run, const char *why)
{
	struct local_run *l = of_run(run);

	local_problem(l, "the runner process ended: %s", why);
	l->ended(l);
}

static const struct runner_host local_host = { on_call, on_log, on_done, on_lost };

/* The start. */

static const char *kind_of(const struct json_t *definition)
{
	struct sv type = json_sv(json_member(definition, SV_LIT("type")));

	if (sv_eq_str(type, "action") || sv_eq_str(type, "function"))
		return "action";
	return sv_eq_str(type, "onEvent") || sv_eq_str(type, "on-event") ? "on-event" : "sync";
}

static struct json_t *props_of(const struct local_run *l, const char *kind)
{
	struct json_t *p = json_new_obj();

	json_set_str(p, "connectionId", sv_str(l->connection_id));
	json_set_str(p, "providerConfigKey", sv_str(l->fn->integration));
	json_set_str(p, "provider", sv_str(l->provider));
	json_set_int(p, "environmentId", 1);
	json_set_str(p, "environmentName", sv_str(l->environment));
	json_set_int(p, "accountId", 1);
	json_set_str(p, "activityLogId", SV_LIT("0000000000000_local"));
	json_set_int(p, "nangoConnectionId", 1);
	json_set_str(p, "scriptType", sv_str(kind));
	json_set_bool(p, "isCLI", true);
	if (l->last_sync_date)
		json_set_str(p, "lastSyncDate", sv_str(l->last_sync_date));
	if (strcmp(kind, "sync") == 0) {
		json_set_str(p, "syncId", SV_LIT("00000000-0000-4000-8000-000000000000"));
		json_set_int(p, "syncJobId", 1);
		json_set_str(p, "variant", sv_str(l->variant));
	}
	return p;
}

static struct json_t *start_head(const struct local_run *l)
{
	struct json_t *h = json_new_obj();
	const char *kind = kind_of(l->fn->definition);
	struct json_t *models = json_member(l->fn->definition, SV_LIT("models"));

	json_set_str(h, "kind", sv_str(kind));
	json_set_str(h, "isolation", SV_LIT("shared"));
	json_set_int(h, "deadline_ms", l->deadline_ms);
	json_set(h, SV_LIT("props"), props_of(l, kind));
	json_set(h, SV_LIT("paginate"), l->paginate ? json_ref(l->paginate) : json_new_null());
	json_set(h, SV_LIT("models"), models ? json_ref(models) : json_new_arr());
	json_set_str(h, "log_level", SV_LIT("debug"));
	json_set_bool(h, "dry_run", true);
	if (l->now_ms)
		json_set_int(h, "now_ms", l->now_ms);
	return h;
}

void local_init(struct local_run *l, struct project_fn *fn, const struct local_source *source)
{
	*l = (struct local_run){
		.fn = fn,
		.source = source,
		.connection_id = "test-connection",
		.provider = fn->integration,
		.environment = "dev",
		.variant = "base",
		.saved = json_new_obj(),
		.updated = json_new_obj(),
		.deleted = json_new_obj(),
	};
	buf_init(&l->problem, 64u << 10);
}

void local_start(struct local_run *l, struct runner_pool *pool)
{
	own(json_unref) struct json_t *head = start_head(l);
	own_in(buf_done) struct buf input = { 0 };

	buf_init(&input, BODY_MAX);
	if (l->input)
		json_dump_compact(l->input, &input);
	struct runner_spec spec = {
		.fn = l->fn->hash,
		.file = l->fn->file,
		.js = l->fn->js,
		.environment = 1,
		.start = head,
		.input = buf_sv(&input),
	};
	l->run.host = &local_host;
	l->started_us = clock_mono_us();
	runner_start(pool, &l->run, &spec);
}

void local_done(struct local_run *l)
{
	json_unref(l->paginate);
	json_unref(l->input);
	json_unref(l->saved);
	json_unref(l->updated);
	json_unref(l->deleted);
	json_unref(l->checkpoint);
	json_unref(l->metadata);
	json_unref(l->output);
	json_unref(l->error);
	buf_done(&l->problem);
}

size_t local_record_count(const struct local_run *l)
{
	struct json_t *list;
	struct sv model;
	void *it = NULL;
	size_t n = 0;

	while (json_next(l->saved, &it, &model, &list))
		n += json_len(list);
	return n;
}
