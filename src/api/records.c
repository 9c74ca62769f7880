/* /records: the change feed for the app (spec/records.md 10, 11). */
#include "api/connections.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "base/sv.h"
#include "conf/settings.h"
#include "data/json.h"
#include "db/db.h"
#include "model/connection.h"
#include "records/prune.h"
#include "records/read.h"

#define YEAR_US (365LL * 24 * 3600 * 1000000)
enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 10000, PRUNE_DEFAULT = 1000, IDS_MAX = 100 };

/* --- validation --- */

static void check_date(struct issues *is, const struct json_t *v)
{
	struct sv text = json_sv(v);
	int64_t us;
	bool valid = sv_ends(text, SV_LIT("Z")) && clock_parse_iso(text, &us);

	if (!valid)
		issue_add(is, "invalid_format", "Invalid ISO datetime");
	if (!clock_parse_iso(text, &us) || us < clock_now_us() - YEAR_US)
		issue_add(is, "custom", "must be within the last 12 months");
}

static void check_filter(struct issues *is, const struct json_t *v)
{
	static const char *const known[] = { "added", "updated", "deleted", "ADDED", "UPDATED",
		"DELETED" };
	struct sv rest = json_sv(v), piece;

	for (unsigned n = 0; sv_split(&rest, ',', &piece); n++) {
		bool found = false;
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found |= sv_eq_str(piece, known[i]);
		if (!found)
			issue_add_at(is, arena_printf(is->arena, "%u", n), "invalid_value",
				"Invalid option: expected one of "
				"\"added\"|\"updated\"|\"deleted\"|\"ADDED\"|\"UPDATED\"|"
				"\"DELETED\"");
	}
}

/* One id or a list of them. */
static const struct check ids_forms[] = {
	{ "id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 256 },
	{ "list", CHECK_ARR, CHECK_REQUIRED, .max = IDS_MAX, .item = &ids_forms[0] },
	{ 0 },
};

static const struct check headers[] = {
	{ "connection-id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_CONNECTION },
	{ "provider-config-key", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_INTEGRATION },
	{ 0 },
};

/* --- what is asked --- */

static int find_connection(
	struct api_call *call, struct dbc *c, struct connection *ret, struct err *err)
{
	TRY(api_check_headers(call, headers, err));
	int rc = connection_find(c, api_env(call), api_head(call, "provider-config-key"),
		api_head(call, "connection-id"), db_arena(c), ret, err);
	return rc == ERR_NOT_FOUND ? connection_unknown(call, err, 400) : rc;
}

/* Model, or Model::variant. The dry run of the public CLI puts the variant into the model. */
static struct sv full_model(struct api_call *call, struct sv model, struct sv variant)
{
	if (!variant.len || sv_eq_str(variant, "base"))
		return model;
	return sv_str(arena_printf(call->arena, "%.*s::%.*s", SV(model), SV(variant)));
}

/* The query's model may carry its variant: "Item::v1" is checked and read as two parts. */
static int split_model(struct api_call *call)
{
	struct sv model = api_query(call, "model");
	ptrdiff_t at = model.ptr ? sv_find(model, SV_LIT("::")) : -1;

	if (at <= 0 || json_member(call->query, SV_LIT("variant")))
		return 0;
	struct sv variant = arena_sv(call->arena, sv_from(model, (size_t)at + 2));
	struct sv base = arena_sv(call->arena, sv_make(model.ptr, (size_t)at));
	json_set_str(call->query, "model", base);
	json_set_str(call->query, "variant", variant);
	return 0;
}

static unsigned actions(struct sv filter)
{
	struct sv piece;
	unsigned bits = 0;

	while (filter.len && sv_split(&filter, ',', &piece)) {
		if (sv_eq_nocase(piece, SV_LIT("added")))
			bits |= RECORDS_ADDED;
		else if (sv_eq_nocase(piece, SV_LIT("updated")))
			bits |= RECORDS_UPDATED;
		else if (sv_eq_nocase(piece, SV_LIT("deleted")))
			bits |= RECORDS_DELETED;
	}
	return bits;
}

/* NULs never get into the store's ids: they are taken out here too. */
static struct sv clean_id(struct arena *a, struct sv id)
{
	char *out = arena_alloc(a, id.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < id.len; i++)
		if (id.ptr[i])
			out[n++] = id.ptr[i];
	return sv_make(out, n);
}

static void read_ids(struct api_call *call, struct records_query *q)
{
	struct json_t *v = json_member(call->query, SV_LIT("ids"));
	bool many = json_kind(v) == JSON_KIND_ARRAY;

	q->id_count = !v ? 0 : many ? json_len(v) : 1;
	struct sv *ids = arena_array(call->arena, q->id_count + 1, sizeof(*ids));
	for (size_t i = 0; i < q->id_count; i++)
		ids[i] = clean_id(call->arena, json_sv(many ? json_item(v, i) : v));
	q->ids = ids;
}

static int64_t number(struct sv text, int64_t otherwise)
{
	double n;
	return text.ptr && check_number(text, &n) ? (int64_t)n : otherwise;
}

static void read_query(struct api_call *call, struct records_query *q)
{
	struct sv since = api_query(call, "delta");

	q->of.model = full_model(call, api_query(call, "model"), api_query(call, "variant"));
	q->cursor = api_query(call, "cursor");
	q->limit = number(api_query(call, "limit"), LIMIT_DEFAULT);
	q->actions = actions(api_query(call, "filter"));
	if (!since.ptr)
		since = api_query(call, "modified_after");
	if (since.ptr)
		clock_parse_iso(since, &q->modified_after_us);
	read_ids(call, q);
}

static int check_read(struct api_call *call, struct err *err)
{
	static const struct check query[] = {
		{ "model", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_MODEL },
		{ "variant", CHECK_STR, 0, .max = 255, .pattern = &PATTERN_NAME },
		{ "modified_after", CHECK_STR, 0, .also = check_date },
		{ "delta", CHECK_STR, 0, .also = check_date },
		{ "limit", CHECK_COERCED, CHECK_MIN, .min = 1, .max = LIMIT_MAX },
		{ "filter", CHECK_STR, 0, .also = check_filter },
		{ "cursor", CHECK_STR, CHECK_MIN, .min = 1, .max = 1000 },
		{ "ids", CHECK_UNION, 0, .fields = ids_forms },
		{ 0 },
	};

	split_model(call);
	return api_check_query(call, query, err);
}

static int refuse_cursor(
	struct api_call *call, struct err *err, const char *field, const char *code)
{
	struct issues *is = api_issues(call);

	issue_add_at(is, field, "custom", "Invalid cursor");
	return api_refuse_issues(call, err, code, is);
}

int records_read(struct api_call *call, struct dbc *c, struct err *err)
{
	struct connection conn;
	struct records_query q = { 0 };

	TRY(check_read(call, err));
	TRY(find_connection(call, c, &conn, err));
	read_query(call, &q);
	q.of.keys = call->eng->keys;
	q.of.environment = api_env(call);
	q.of.connection = conn.id;
	q.max_bytes = call->eng->conf->max_page;
	api_json(call, 200);
	int rc = records_list(c, &q, &call->out, err);
	if (rc == ERR_INVALID)
		return refuse_cursor(call, err, "cursor", "invalid_query_params");
	return rc;
}

int records_prune_payloads(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check body[] = {
		{ "model", CHECK_STR, CHECK_REQUIRED, .max = 255, .pattern = &PATTERN_MODEL },
		{ "variant", CHECK_STR, 0, .max = 255, .pattern = &PATTERN_NAME },
		{ "until_cursor", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 1000 },
		{ "limit", CHECK_COERCED, CHECK_MIN, .min = 1, .max = LIMIT_MAX },
		{ 0 },
	};
	struct connection conn;
	struct records_pruned done;
	struct json_t *limit;

	TRY(api_check_no_query(call, err));
	TRY(api_check_body(call, body, err));
	TRY(find_connection(call, c, &conn, err));
	limit = json_member(call->body, SV_LIT("limit"));
	struct records_of of = {
		.keys = call->eng->keys,
		.environment = api_env(call),
		.connection = conn.id,
		.model = full_model(call, api_text(call, "model"), api_text(call, "variant")),
	};
	int64_t most = !limit ? PRUNE_DEFAULT
		       : json_kind(limit) == JSON_KIND_NUMBER
			       ? (int64_t)json_num(limit)
			       : number(json_sv(limit), PRUNE_DEFAULT);
	int rc = records_prune(c, &of, api_text(call, "until_cursor"), most, &done, err);
	if (rc == ERR_INVALID)
		return refuse_cursor(call, err, "until_cursor", "invalid_body");
	TRY(rc);
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_i64(&w, "count", done.count);
	jw_kv_bool(&w, "has_more", done.more);
	jw_end(&w);
	return 0;
}
