/* Deployed functions, as they are shown: per integration, one by one, with their source. */
#include "model/function.h"

#include "api/handlers.h"
#include "base/sv.h"
#include "data/json.h"
#include "db/db.h"
#include "model/integration.h"

static int find_integration(
	struct api_call *call, struct dbc *c, struct integration *ret, struct err *err)
{
	int rc = integration_find(c, api_env(call), api_param(call, "key"), db_arena(c), ret, err);

	if (rc == ERR_NOT_FOUND)
		return api_refuse(call, err, 404, "not_found", "Integration does not exist");
	return rc;
}

static void write_sync(struct jw *w, const struct function *f)
{
	jw_kv_str(w, "runs", f->runs);
	jw_kv_bool(w, "auto_start", f->auto_start);
	jw_kv_bool(w, "track_deletes", f->track_deletes);
}

/* description and scopes are kept together, as they were deployed. */
static void write_metadata(struct jw *w, const struct function *f)
{
	own(json_unref) struct json_t *metadata = NULL;

	if (json_parse(f->metadata, &metadata, NULL) < 0)
		return;
	struct json_t *description = json_member(metadata, SV_LIT("description"));
	struct json_t *scopes = json_member(metadata, SV_LIT("scopes"));
	if (description)
		jw_kv_json(w, "description", description);
	if (scopes)
		jw_kv_json(w, "scopes", scopes);
}

static void write_function(struct jw *w, const struct function *f)
{
	bool is_sync = sv_eq(f->type, FUNCTION_SYNC), is_event = sv_eq(f->type, FUNCTION_ON_EVENT);

	jw_obj(w);
	jw_kv_str(w, "type", f->type);
	jw_kv_str(w, "name", f->name);
	write_metadata(w, f);
	if (is_event) {
		jw_kv_str(w, "event", f->event);
	} else {
		if (f->input.ptr)
			jw_kv_str(w, "input", f->input);
		jw_kv_raw(w, "returns", f->models);
		jw_key(w, "json_schema");
		f->json_schema.ptr ? jw_raw(w, f->json_schema) : jw_null(w);
	}
	if (is_sync)
		write_sync(w, f);
	jw_kv_i64(w, "id", f->id);
	jw_kv_bool(w, "enabled", f->enabled);
	write_time_z(w, "last_deployed", f->created_ms);
	jw_kv_str(w, "source", f->source);
	jw_end(w);
}

static bool wanted(const struct api_call *call, const struct function *f)
{
	struct sv search = api_query(call, "search");
	return !search.len || sv_find(f->name, search) >= 0;
}

static int64_t number(const struct api_call *call, const char *name, int64_t otherwise)
{
	double n;
	struct sv text = api_query(call, name);
	return text.ptr && check_number(text, &n) ? (int64_t)n : otherwise;
}

int functions_list(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check query[] = {
		{ "type", CHECK_ENUM, .options = "sync|action|on-event" },
		{ "search", CHECK_STR, 0, .max = 255 },
		{ "page", CHECK_COERCED, CHECK_MIN, .min = 0 },
		{ "limit", CHECK_COERCED, CHECK_MIN, .min = 1, .max = 100 },
		{ 0 },
	};
	struct integration i;
	struct function *all;
	size_t count;
	int64_t total = 0;

	TRY(api_check_query(call, query, err));
	TRY(find_integration(call, c, &i, err));
	TRY(function_list(
		c, api_env(call), i.id, api_query(call, "type"), db_arena(c), &all, &count, err));
	int64_t limit = number(call, "limit", 20), page = number(call, "page", 0);
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_arr(&w, "data");
	for (size_t k = 0; k < count; k++) {
		if (!wanted(call, &all[k]))
			continue;
		if (total >= page * limit && total < (page + 1) * limit)
			write_function(&w, &all[k]);
		total++;
	}
	jw_end(&w);
	jw_kv_obj(&w, "pagination");
	jw_kv_i64(&w, "total", total);
	jw_kv_i64(&w, "page", page);
	jw_kv_i64(&w, "limit", limit);
	jw_end(&w);
	jw_end(&w);
	return 0;
}

/* The one function of the path's name; without a type in the query it must be the only one. */
static int find_function(
	struct api_call *call, struct dbc *c, struct function *ret, struct err *err)
{
	static const struct check query[] = {
		{ "type", CHECK_ENUM, .options = "sync|action|on-event" },
		{ 0 },
	};
	struct integration i;
	struct function *all;
	size_t count, found = 0;

	TRY(api_check_query(call, query, err));
	TRY(find_integration(call, c, &i, err));
	TRY(function_list(
		c, api_env(call), i.id, api_query(call, "type"), db_arena(c), &all, &count, err));
	for (size_t k = 0; k < count; k++) {
		if (!sv_eq(all[k].name, api_param(call, "name")))
			continue;
		*ret = all[k];
		found++;
	}
	if (found == 0)
		return api_refuse(call, err, 404, "not_found", "Function does not exist");
	if (found > 1)
		return api_refuse(call, err, 409, "ambiguous_function",
			"Several functions have this name: say which with ?type=");
	return 0;
}

int functions_get(struct api_call *call, struct dbc *c, struct err *err)
{
	struct function f;

	TRY(find_function(call, c, &f, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_key(&w, "data");
	write_function(&w, &f);
	jw_end(&w);
	return 0;
}

int functions_code(struct api_call *call, struct dbc *c, struct err *err)
{
	struct function f;
	struct function_code code;

	TRY(find_function(call, c, &f, err));
	TRY(function_code(c, f.file_hash, db_arena(c), &code, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_str(&w, "type", f.type);
	jw_kv_str(&w, "code", code.ts);
	jw_end(&w);
	return 0;
}

/* The functions of one type of the integration that begins at all[from]. */
static void write_of_type(struct jw *w, const char *key, struct sv type, const struct function *all,
	size_t from, size_t to)
{
	jw_kv_arr(w, key);
	for (size_t i = from; i < to; i++)
		if (sv_eq(all[i].type, type))
			write_function(w, &all[i]);
	jw_end(w);
}

int scripts_config(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check query[] = {
		{ "format", CHECK_ENUM, .options = "nango|openai" },
		{ 0 },
	};
	struct integration i;
	struct function *all;
	size_t count, to;

	TRY(api_check_query(call, query, err));
	TRY(function_list(c, api_env(call), 0, SV_NULL, db_arena(c), &all, &count, err));
	struct jw w = api_json(call, 200);
	jw_arr(&w);
	/* They come ordered by integration. */
	for (size_t from = 0; from < count; from = to) {
		for (to = from; to < count && sv_eq(all[to].integration, all[from].integration);)
			to++;
		TRY(integration_find(
			c, api_env(call), all[from].integration, db_arena(c), &i, err));
		jw_obj(&w);
		jw_kv_str(&w, "providerConfigKey", all[from].integration);
		jw_kv_str(&w, "provider", i.provider);
		write_of_type(&w, "syncs", FUNCTION_SYNC, all, from, to);
		write_of_type(&w, "actions", FUNCTION_ACTION, all, from, to);
		write_of_type(&w, "on-events", FUNCTION_ON_EVENT, all, from, to);
		jw_end(&w);
	}
	jw_end(&w);
	return 0;
}
