#include "model/deploy.h"

#include "base/sv.h"
#include "data/freq.h"
#include "data/json.h"
#include "data/jw.h"
#include "model/integration.h"
#include "model/row.h"

struct plan {
	struct dbc *c;
	struct arena *arena;
	struct deploy *d;
	struct json_t *package;
	struct integration integration; /* of the function at hand */
	int64_t connections;
	size_t item_cap, dropped_cap;
};

static struct sv keep_json(struct arena *a, const struct json_t *v, const char *otherwise)
{
	own_in(buf_done) struct buf text = { 0 };

	if (json_kind(v) == JSON_KIND_ABSENT || json_kind(v) == JSON_KIND_NULL)
		return otherwise ? sv_str(otherwise) : SV_NULL;
	buf_init(&text, SIZE_MAX);
	json_dump_compact(v, &text);
	return arena_sv(a, buf_sv(&text));
}

static struct sv member_text(const struct json_t *obj, const char *key)
{
	struct sv s = json_sv(json_member(obj, sv_str(key)));

	return s.len ? s : SV_NULL;
}

static int refuse(
	struct deploy *d, const char *code, struct err *err, struct sv what, const char *why)
{
	d->error_code = code;
	return err_set(err, ERR_INVALID, "%s: %.*s", why, SV(what));
}

/* The integration that `key` names, kept between functions of one integration. */
static int use_integration(struct plan *p, struct sv key, struct err *err)
{
	if (p->integration.id && sv_eq(p->integration.unique_key, key))
		return 0;
	int rc = integration_find(p->c, p->d->environment_id, key, p->arena, &p->integration, err);
	if (rc == ERR_NOT_FOUND)
		return refuse(p->d, "unknown_provider_config", err, key,
			"There is no integration with this id in this environment");
	TRY(rc);
	return integration_connection_count(p->c, p->integration.id, &p->connections, err);
}

static int read_frequency(struct plan *p, struct function *f, struct err *err)
{
	struct freq freq;

	if (!sv_eq(f->type, FUNCTION_SYNC) || !f->runs.ptr)
		return 0;
	if (freq_parse(f->runs, &freq, err) < 0)
		return refuse(p->d, "invalid_body", err, f->runs, "Frequency is not understood");
	if (freq.ms < p->d->min_frequency_ms)
		return refuse(p->d, "invalid_body", err, f->runs,
			"Frequency is below the minimum of this server");
	f->interval_ms = freq.ms;
	return 0;
}

static const struct json_t *schema_of(const struct plan *p, const struct json_t *flow)
{
	const struct json_t *own = json_member(flow, SV_LIT("models_json_schema"));

	return own ? own : json_member(p->package, SV_LIT("jsonSchema"));
}

static void read_flow(const struct plan *p, const struct json_t *flow, struct function *f)
{
	struct arena *a = p->arena;
	bool is_sync = sv_eq(json_sv(json_member(flow, SV_LIT("type"))), FUNCTION_SYNC);
	struct sv sync_type = member_text(flow, "sync_type");

	*f = (struct function){
		.name = json_sv(json_member(flow, SV_LIT("syncName"))),
		.type = is_sync ? FUNCTION_SYNC : FUNCTION_ACTION,
		.version = member_text(flow, "version"),
		.runs = member_text(flow, "runs"),
		.auto_start = json_truth(json_member(flow, SV_LIT("auto_start"))),
		.track_deletes = json_truth(json_member(flow, SV_LIT("track_deletes"))),
		.sync_type = !is_sync	     ? SV_NULL
			     : sync_type.ptr ? sync_type
					     : SV_LIT("full"),
		.models = keep_json(a, json_member(flow, SV_LIT("models")), "[]"),
		.input = member_text(flow, "input"),
		.json_schema = keep_json(a, schema_of(p, flow), NULL),
		.metadata = keep_json(a, json_member(flow, SV_LIT("metadata")), "{}"),
		.attributes = keep_json(a, json_member(flow, SV_LIT("attributes")), "{}"),
		.endpoints = keep_json(a, json_member(flow, SV_LIT("endpoints")), "[]"),
		.features = keep_json(a, json_member(flow, SV_LIT("features")), "[]"),
		.webhook_subscriptions =
			keep_json(a, json_member(flow, SV_LIT("webhookSubscriptions")), "[]"),
	};
}

static struct function_code read_code(const struct json_t *flow)
{
	const struct json_t *body = json_member(flow, SV_LIT("fileBody"));

	return (struct function_code){
		.js = json_sv(json_member(body, SV_LIT("js"))),
		.ts = json_sv(json_member(body, SV_LIT("ts"))),
	};
}

/* "7" becomes "8", "1.2.3" becomes "1.2.4"; what is no number starts at 1. */
static struct sv next_version(struct arena *a, struct sv old)
{
	size_t at = old.len;
	int64_t n;

	while (at > 0 && old.ptr[at - 1] != '.')
		at--;
	if (!sv_to_i64(sv_from(old, at), &n))
		return SV_LIT("1");
	return sv_str(arena_printf(a, "%.*s%lld", (int)at, old.ptr, (long long)n + 1));
}

static void choose_version(struct plan *p, struct deploy_item *item)
{
	struct function *f = &item->fn;

	f->file_hash = function_code_hash(&item->code, p->arena);
	item->given_version = f->version.ptr != NULL;
	if (item->given_version)
		return;
	if (!item->has_old)
		f->version = SV_LIT("1");
	else if (sv_eq(f->file_hash, item->old.file_hash))
		f->version = item->old.version;
	else
		f->version = next_version(p->arena, item->old.version);
}

/* An enabled sync that no connection has yet counts as new: deploying it creates them. */
static int classify(struct plan *p, struct deploy_item *item, struct err *err)
{
	bool has_syncs = true;

	item->change = item->has_old ? DEPLOY_UPDATED : DEPLOY_NEW;
	if (!item->has_old || !sv_eq(item->fn.type, FUNCTION_SYNC))
		return 0;
	if (item->old.enabled && p->connections > 0)
		TRY(function_has_syncs(p->c, p->integration.id, item->fn.name, &has_syncs, err));
	if (!has_syncs)
		item->change = DEPLOY_NEW;
	return 0;
}

static struct deploy_item *item_new(struct plan *p)
{
	return row_list_add(p->arena, (void **)&p->d->items, &p->d->count, &p->item_cap,
		sizeof(struct deploy_item));
}

static int add_function(struct plan *p, struct sv integration, const struct function *f,
	const struct json_t *flow, struct err *err)
{
	TRY(use_integration(p, integration, err));
	struct deploy_item *item = item_new(p);
	*item = (struct deploy_item){
		.fn = *f, .code = read_code(flow), .connections = p->connections
	};
	item->fn.environment_id = p->d->environment_id;
	item->fn.integration_id = p->integration.id;
	item->fn.integration = p->integration.unique_key;
	item->fn.source = p->d->source;
	item->fn.sdk_version = p->d->sdk_version;
	TRY(read_frequency(p, &item->fn, err));
	int rc =
		function_find(p->c, p->integration.id, f->type, f->name, p->arena, &item->old, err);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		return rc;
	item->has_old = rc >= 0;
	item->fn.enabled = item->has_old ? item->old.enabled : true;
	choose_version(p, item);
	return classify(p, item, err);
}

static int add_flows(struct plan *p, struct err *err)
{
	const struct json_t *flows = json_member(p->package, SV_LIT("flowConfigs"));

	for (size_t i = 0; i < json_len(flows); i++) {
		const struct json_t *flow = json_item(flows, i);
		struct function f;
		read_flow(p, flow, &f);
		TRY(add_function(
			p, json_sv(json_member(flow, SV_LIT("providerConfigKey"))), &f, flow, err));
	}
	return 0;
}

static const struct json_t *on_event_groups(const struct plan *p)
{
	const struct json_t *v = json_member(p->package, SV_LIT("onEventScriptsByProvider"));

	return v ? v : json_member(p->package, SV_LIT("postConnectionScriptsByProvider"));
}

static int add_on_event(struct plan *p, const struct json_t *group, struct err *err)
{
	const struct json_t *scripts = json_member(group, SV_LIT("scripts"));
	struct sv key = json_sv(json_member(group, SV_LIT("providerConfigKey")));

	for (size_t i = 0; i < json_len(scripts); i++) {
		const struct json_t *script = json_item(scripts, i);
		struct sv event = member_text(script, "event");
		struct function f = {
			.name = json_sv(json_member(script, SV_LIT("name"))),
			.type = FUNCTION_ON_EVENT,
			.models = SV_LIT("[]"),
			.metadata = SV_LIT("{}"),
			.attributes = SV_LIT("{}"),
			.endpoints = SV_LIT("[]"),
			.features = SV_LIT("[]"),
			.webhook_subscriptions = SV_LIT("[]"),
			.event = event.ptr ? event : SV_LIT("post-connection-creation"),
		};
		TRY(add_function(p, key, &f, script, err));
	}
	return 0;
}

/* On-event scripts alone are not deployed: the command line refuses such a project as well. */
static int add_on_events(struct plan *p, struct err *err)
{
	const struct json_t *groups = on_event_groups(p);

	for (size_t i = 0; p->d->count > 0 && i < json_len(groups); i++)
		TRY(add_on_event(p, json_item(groups, i), err));
	return 0;
}

static bool is_in_package(const struct deploy *d, size_t count, const struct function *f)
{
	for (size_t i = 0; i < count; i++) {
		const struct function *have = &d->items[i].fn;
		if (have->integration_id == f->integration_id && sv_eq(have->type, f->type) &&
			sv_eq(have->name, f->name))
			return true;
	}
	return false;
}

static int add_deleted(struct plan *p, struct err *err)
{
	struct deploy *d = p->d;
	size_t given = d->count, count;
	struct function *active;

	if (d->mode == DEPLOY_SINGLE || given == 0)
		return 0;
	int64_t scope = d->mode == DEPLOY_INTEGRATION ? d->items[0].fn.integration_id : 0;
	TRY(function_list(p->c, d->environment_id, scope, SV_NULL, p->arena, &active, &count, err));
	for (size_t i = 0; i < count; i++) {
		const struct function *f = &active[i];
		bool event = sv_eq(f->type, FUNCTION_ON_EVENT);
		if (sv_eq(f->source, SV_LIT("catalog")) || is_in_package(d, given, f) ||
			(event && !on_event_groups(p)))
			continue;
		struct deploy_item *item = item_new(p);
		*item = (struct deploy_item){ .change = DEPLOY_DELETED, .fn = *f };
		TRY(integration_connection_count(p->c, f->integration_id, &item->connections, err));
	}
	return 0;
}

static bool names_model(const struct json_t *models, struct sv name)
{
	for (size_t i = 0; i < json_len(models); i++) {
		if (sv_eq(json_sv(json_item(models, i)), name))
			return true;
	}
	return false;
}

static int add_dropped_models(struct plan *p, const struct deploy_item *item, struct err *err)
{
	own(json_unref) struct json_t *old = NULL, *now = NULL;
	struct deploy *d = p->d;

	TRY(json_parse(item->old.models, &old, err));
	TRY(json_parse(item->fn.models, &now, err));
	for (size_t i = 0; i < json_len(old); i++) {
		struct sv name = json_sv(json_item(old, i));
		if (names_model(now, name))
			continue;
		struct sv *place = row_list_add(p->arena, (void **)&d->dropped_models,
			&d->dropped_count, &p->dropped_cap, sizeof(struct sv));
		*place = arena_sv(p->arena, name);
	}
	return 0;
}

int deploy_plan(
	struct dbc *c, struct json_t *package, struct arena *a, struct deploy *d, struct err *err)
{
	struct plan p = { .c = c, .arena = a, .d = d, .package = package };

	TRY(add_flows(&p, err));
	TRY(add_on_events(&p, err));
	for (size_t i = 0; i < d->count; i++) {
		const struct deploy_item *item = &d->items[i];
		if (item->has_old && item->connections && sv_eq(item->fn.type, FUNCTION_SYNC))
			TRY(add_dropped_models(&p, item, err));
	}
	return add_deleted(&p, err);
}
