/* /sync: starting, pausing, triggering and watching syncs (spec/orchestration.md 3). */
#include "model/sync.h"

#include "api/connections.h"
#include "api/handlers.h"
#include "base/sv.h"
#include "conf/settings.h"
#include "data/freq.h"
#include "data/json.h"
#include "db/db.h"
#include "model/connection.h"
#include "model/integration.h"

#include <strings.h>

enum { NAMES_MAX = 256, VARIANTS_MAX = 100 };

/* --- which syncs --- */

struct selection {
	struct integration integration;
	struct connection connection; /* id 0: of the whole integration */
	struct sync *syncs;
	size_t count;
};

static const struct check name_object[] = {
	{ "name", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_NAME },
	{ "variant", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_NAME },
	{ 0 },
};

/* "name", "name::variant". */
static bool split_name(struct sv text, struct sync_name *ret)
{
	ptrdiff_t at = sv_find(text, SV_LIT("::"));

	ret->name = at < 0 ? text : sv_make(text.ptr, (size_t)at);
	ret->variant = at < 0 ? SV_LIT("base") : sv_from(text, (size_t)at + 2);
	return check_pattern_matches(&PATTERN_NAME, ret->name) &&
	       check_pattern_matches(&PATTERN_NAME, ret->variant) && ret->name.len <= 255 &&
	       ret->variant.len <= 255;
}

static void check_names(struct issues *is, const struct json_t *v)
{
	for (size_t i = 0; i < json_len(v); i++) {
		struct json_t *item = json_item(v, i);
		const char *index = arena_printf(is->arena, "%zu", i);
		struct sync_name name;
		if (json_kind(item) == JSON_KIND_OBJECT)
			check_object(item, name_object, false, is);
		else if (json_kind(item) != JSON_KIND_STRING || !split_name(json_sv(item), &name))
			issue_add_at(is, index, "invalid_union", "Invalid input");
	}
}

static const struct check any_item = { "", CHECK_ANY, CHECK_REQUIRED };

#define NAMES_FIELD(required)                                                      \
	{                                                                          \
		"syncs", CHECK_ARR, required, .max = NAMES_MAX, .item = &any_item, \
					      .also = check_names                  \
	}
#define INTEGRATION_FIELD(flags)                                              \
	{                                                                     \
		"provider_config_key", CHECK_STR, (flags) | CHECK_MIN,        \
			.min = 1, .max = 255, .pattern = &PATTERN_INTEGRATION \
	}
#define CONNECTION_FIELD(flags)                                                                 \
	{                                                                                       \
		"connection_id", CHECK_STR, (flags) | CHECK_MIN, .min = 1, .max = 255,          \
								 .pattern = &PATTERN_CONNECTION \
	}

/* A name given twice counts once. */
static size_t distinct(struct sync_name *names, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool seen = false;
		for (size_t k = 0; k < kept && !seen; k++)
			seen = sv_eq(names[k].name, names[i].name) &&
			       sv_eq(names[k].variant, names[i].variant);
		if (!seen)
			names[kept++] = names[i];
	}
	return kept;
}

static struct sync_name *read_names(struct api_call *call, size_t *ret_count)
{
	struct json_t *list = json_member(call->body, SV_LIT("syncs"));
	struct sync_name *names = arena_array(call->arena, json_len(list) + 1, sizeof(*names));

	for (size_t i = 0; i < json_len(list); i++) {
		struct json_t *item = json_item(list, i);
		if (json_kind(item) == JSON_KIND_OBJECT) {
			names[i].name = json_sv(json_member(item, SV_LIT("name")));
			names[i].variant = json_sv(json_member(item, SV_LIT("variant")));
		} else {
			split_name(json_sv(item), &names[i]);
		}
	}
	*ret_count = distinct(names, json_len(list));
	return names;
}

/* The integration, and the connection when one is named; unknown_status 0: in the words of status.
 */
static int find_target(struct api_call *call, struct dbc *c, struct sv integration,
	struct sv connection, int unknown_status, struct selection *s, struct err *err)
{
	int rc = integration_find(c, api_env(call), integration, db_arena(c), &s->integration, err);
	if (rc == ERR_NOT_FOUND)
		return api_refuse_payload(call, err, 400, "unknown_provider_config",
			"There is no matching provider configuration: %.*s", SV(integration));
	TRY(rc);
	if (!connection.len)
		return 0;
	rc = connection_find(
		c, api_env(call), integration, connection, db_arena(c), &s->connection, err);
	if (rc == ERR_NOT_FOUND && !unknown_status)
		return api_refuse(call, err, 400, "invalid_body",
			"There is no connection of this id and integration");
	return rc == ERR_NOT_FOUND ? connection_unknown(call, err, unknown_status) : rc;
}

static int select_syncs(struct api_call *call, struct dbc *c, const struct sync_name *names,
	size_t count, struct selection *s, struct err *err)
{
	TRY(sync_select(c, s->integration.id, s->connection.id, names, count, db_arena(c),
		&s->syncs, &s->count, err));
	/* With a connection every name must exist, without one any. */
	bool missing = s->connection.id ? s->count < count : s->count == 0;
	if (count && missing)
		return api_refuse_payload(
			call, err, 400, "no_syncs_found", "No syncs found given the inputs.");
	return 0;
}

/* --- control --- */

typedef int control_fn(struct api_call *call, struct dbc *c, const struct sync *s, struct err *err);

static int control(struct api_call *call, struct dbc *c, struct sv integration,
	struct sv connection, control_fn *fn, struct err *err)
{
	struct selection s = { 0 };
	size_t count;

	struct sync_name *names = read_names(call, &count);
	TRY(find_target(call, c, integration, connection, 404, &s, err));
	TRY(select_syncs(call, c, names, count, &s, err));
	for (size_t i = 0; i < s.count; i++)
		TRY(fn(call, c, &s.syncs[i], err));
	call->effects |= EFFECT_SCHEDULE;
	return api_success(call);
}

/* Names in the body, or in headers as older clients send them. */
static struct sv body_or_header(struct api_call *call, const char *member, const char *header)
{
	struct sv text = api_text(call, member);
	return text.ptr ? text : api_head(call, header);
}

static bool wants_reset(const struct api_call *call)
{
	struct json_t *opts = json_member(call->body, SV_LIT("opts"));
	struct sv mode = api_text(call, "sync_mode");

	if (opts)
		return json_truth(json_member(opts, SV_LIT("reset")));
	if (mode.ptr)
		return !sv_eq_str(mode, "incremental");
	return json_truth(json_member(call->body, SV_LIT("full_resync")));
}

static bool wants_empty_cache(const struct api_call *call)
{
	struct json_t *opts = json_member(call->body, SV_LIT("opts"));

	if (opts)
		return json_truth(json_member(opts, SV_LIT("emptyCache")));
	return sv_eq_str(api_text(call, "sync_mode"), "full_refresh_and_clear_cache");
}

static int trigger_one(struct api_call *call, struct dbc *c, const struct sync *s, struct err *err)
{
	bool reset = wants_reset(call);

	/* Emptying without a reset would leave the checkpoint behind what it has lost. */
	return sync_trigger(c, s, reset, reset && wants_empty_cache(call), err);
}

int sync_trigger_syncs(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check opts[] = { { "reset", CHECK_BOOL }, { "emptyCache", CHECK_BOOL },
		{ 0 } };
	static const struct check body[] = {
		NAMES_FIELD(0),
		INTEGRATION_FIELD(0),
		CONNECTION_FIELD(0),
		{ "opts", CHECK_OBJ, .fields = opts },
		{ "sync_mode", CHECK_ENUM,
			.options = "incremental|full_refresh|full_refresh_and_clear_cache" },
		{ "full_resync", CHECK_BOOL },
		{ 0 },
	};

	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, body, err));
	if (json_member(call->body, SV_LIT("opts")) &&
		(json_member(call->body, SV_LIT("sync_mode")) ||
			json_member(call->body, SV_LIT("full_resync")))) {
		struct issues *is = api_issues(call);
		issue_add(is, "custom", "Use either opts or sync_mode and full_resync, not both");
		return api_refuse_issues(call, err, "invalid_body", is);
	}
	struct sv integration = body_or_header(call, "provider_config_key", "provider-config-key");
	if (!integration.len)
		return api_refuse_payload(call, err, 400, "missing_provider_config_key",
			"Missing param 'provider_config_key'.");
	return control(call, c, integration, body_or_header(call, "connection_id", "connection-id"),
		trigger_one, err);
}

static const struct check control_body[] = {
	NAMES_FIELD(CHECK_REQUIRED),
	INTEGRATION_FIELD(CHECK_REQUIRED),
	CONNECTION_FIELD(0),
	{ 0 },
};

static int start_one(
	struct api_call *call UNUSED, struct dbc *c, const struct sync *s, struct err *err)
{
	return sync_start(c, s, err);
}

static int pause_one(
	struct api_call *call UNUSED, struct dbc *c, const struct sync *s, struct err *err)
{
	return sync_pause(c, s, err);
}

int sync_start_syncs(struct api_call *call, struct dbc *c, struct err *err)
{
	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, control_body, err));
	return control(call, c, api_text(call, "provider_config_key"),
		api_text(call, "connection_id"), start_one, err);
}

int sync_pause_syncs(struct api_call *call, struct dbc *c, struct err *err)
{
	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, control_body, err));
	return control(call, c, api_text(call, "provider_config_key"),
		api_text(call, "connection_id"), pause_one, err);
}

/* --- status --- */

static void check_name_list(struct issues *is, const struct json_t *v)
{
	struct sv rest = json_sv(v), piece;
	struct sync_name name;

	if (sv_eq_str(rest, "*"))
		return;
	while (sv_split(&rest, ',', &piece))
		if (!split_name(sv_trim(piece), &name))
			issue_add(is, "invalid_format", "Invalid sync name");
}

static struct sync_name *names_of_list(struct api_call *call, struct sv list, size_t *ret_count)
{
	struct sync_name *names = arena_array(call->arena, list.len + 1, sizeof(*names));
	struct sv piece;
	size_t n = 0;

	while (!sv_eq_str(list, "*") && sv_split(&list, ',', &piece))
		split_name(sv_trim(piece), &names[n++]);
	*ret_count = n;
	return names;
}

int sync_status_list(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check query[] = {
		{ "syncs", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1,
			.also = check_name_list },
		INTEGRATION_FIELD(CHECK_REQUIRED),
		CONNECTION_FIELD(0),
		{ 0 },
	};
	struct selection s = { 0 };
	struct json_t *list = NULL;
	size_t count;

	TRY(api_check_query(call, query, err));
	struct sync_name *names = names_of_list(call, api_query(call, "syncs"), &count);
	int rc = find_target(call, c, api_query(call, "provider_config_key"),
		api_query(call, "connection_id"), 0, &s, err);
	TRY(rc);
	TRY(sync_select(c, s.integration.id, s.connection.id, names, count, db_arena(c), &s.syncs,
		&s.count, err));
	TRY(sync_status_json(c, s.syncs, s.count, &list, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_json(&w, "syncs", list);
	jw_end(&w);
	json_unref(list);
	return 0;
}

/* --- frequency --- */

static void check_frequency(struct issues *is, const struct json_t *v)
{
	struct freq f;
	struct err why = { 0 };

	if (json_kind(v) == JSON_KIND_STRING && freq_parse(json_sv(v), &f, &why) < 0)
		issue_add(is, "invalid_format", "%s", why.msg);
}

static int check_minimum(struct api_call *call, struct sv text, struct err *err)
{
	struct freq f;

	if (!text.ptr || freq_parse(text, &f, NULL) < 0 ||
		f.ms >= call->eng->conf->min_frequency_ms)
		return 0;
	struct issues *is = api_issues(call);
	issue_add_at(is, "frequency", "custom", "The minimum interval is %lld seconds",
		(long long)call->eng->conf->min_frequency_ms / 1000);
	return api_refuse_issues(call, err, "invalid_body", is);
}

int sync_frequency(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check body[] = {
		{ "sync_name", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_NAME },
		{ "sync_variant", CHECK_STR, 0, .max = 255, .pattern = &PATTERN_NAME },
		INTEGRATION_FIELD(CHECK_REQUIRED),
		CONNECTION_FIELD(CHECK_REQUIRED),
		{ "frequency", CHECK_STR, CHECK_REQUIRED | CHECK_NULLABLE, .max = 64,
			.also = check_frequency },
		{ 0 },
	};
	struct selection s = { 0 };
	const char *text = NULL;

	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, body, err));
	TRY(check_minimum(call, api_text(call, "frequency"), err));
	TRY(find_target(call, c, api_text(call, "provider_config_key"),
		api_text(call, "connection_id"), 400, &s, err));
	struct sv variant = api_text(call, "sync_variant");
	struct sync_name name = { api_text(call, "sync_name"),
		variant.ptr ? variant : SV_LIT("base") };
	TRY(sync_select(c, s.integration.id, s.connection.id, &name, 1, db_arena(c), &s.syncs,
		&s.count, err));
	if (s.count == 0)
		return api_refuse(call, err, 400, "unknown_sync", "Sync not found");
	struct sv frequency = api_text(call, "frequency");
	TRY(sync_set_frequency(c, s.syncs, frequency.ptr ? arena_str(call->arena, frequency) : NULL,
		db_arena(c), &text, err));
	call->effects |= EFFECT_SCHEDULE;
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_cstr(&w, "frequency", text);
	jw_end(&w);
	return 0;
}

/* --- variants --- */

static int check_variant(struct api_call *call, struct err *err)
{
	static const struct check params[] = {
		{ "name", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_NAME },
		{ "variant", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_NAME },
		{ 0 },
	};
	static const struct check body[] = {
		INTEGRATION_FIELD(CHECK_REQUIRED),
		CONNECTION_FIELD(CHECK_REQUIRED),
		{ 0 },
	};

	TRY(api_check_no_query(call, err));
	TRY(api_check_params(call, params, err));
	TRY(api_check_body(call, body, err));
	if (sv_eq_nocase(api_param(call, "variant"), SV_LIT("base")))
		return api_refuse(
			call, err, 400, "invalid_variant", "Variant name \"base\" is protected.");
	return 0;
}

static int refuse_variant(struct api_call *call, int rc, struct err *err)
{
	struct sv name = api_param(call, "name"), variant = api_param(call, "variant");

	switch ((int)rc) {
	case ERR_CONFLICT:
		return api_refuse(call, err, 400, "sync_variant_already_exists",
			"Sync %.*s already has a variant %.*s", SV(name), SV(variant));
	case ERR_NOT_FOUND:
		return api_refuse(call, err, 400, "unknown_sync", "Sync %.*s not found", SV(name));
	case ERR_LIMIT:
		return api_refuse(call, err, 400, "resource_capped",
			"A sync has at most %d variants", VARIANTS_MAX);
	default: return rc;
	}
}

int sync_variant_new(struct api_call *call, struct dbc *c, struct err *err)
{
	struct selection s = { 0 };
	struct sync made;

	TRY(check_variant(call, err));
	TRY(find_target(call, c, api_text(call, "provider_config_key"),
		api_text(call, "connection_id"), 400, &s, err));
	int rc = sync_variant_create(c, s.connection.id, api_param(call, "name"),
		api_param(call, "variant"), db_arena(c), &made, err);
	if (rc < 0)
		return refuse_variant(call, rc, err);
	call->effects |= EFFECT_SCHEDULE;
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_cstr(&w, "id", made.id);
	jw_kv_cstr(&w, "name", made.name);
	jw_kv_cstr(&w, "variant", made.variant);
	jw_end(&w);
	return 0;
}

int sync_variant_end(struct api_call *call, struct dbc *c, struct err *err)
{
	struct selection s = { 0 };

	TRY(check_variant(call, err));
	TRY(find_target(call, c, api_text(call, "provider_config_key"),
		api_text(call, "connection_id"), 400, &s, err));
	struct sync_name name = { api_param(call, "name"), api_param(call, "variant") };
	TRY(sync_select(c, s.integration.id, s.connection.id, &name, 1, db_arena(c), &s.syncs,
		&s.count, err));
	if (s.count == 0)
		return api_refuse(call, err, 404, "not_found", "Sync variant not found");
	TRY(sync_variant_delete(c, s.syncs, err));
	call->effects |= EFFECT_SCHEDULE;
	return api_success(call);
}
