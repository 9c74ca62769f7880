/* /logs: what runs, triggers and deliveries wrote down for the app's developers. */
#include "api/handlers.h"
#include "base/sv.h"
#include "data/json.h"
#include "db/db.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

static int64_t page_limit(const struct api_call *call)
{
	double n;
	struct sv text = api_query(call, "limit");

	return text.ptr && check_number(text, &n) ? (int64_t)n : PAGE_DEFAULT;
}

/* Behind which operation the page begins: many may have begun in one millisecond. */
struct position {
	int64_t created_ms;
	struct sv id;
};

static int broken_cursor(struct api_call *call, struct err *err)
{
	struct issues *is = api_issues(call);

	issue_add_at(is, "cursor", "custom", "Invalid cursor");
	return api_refuse_issues(call, err, "invalid_query_params", is);
}

/* "<created ms>.<id>" */
static int read_position(struct api_call *call, struct position *ret, struct err *err)
{
	struct sv rest = api_query(call, "cursor"), number;

	*ret = (struct position){ INT64_MAX, SV_LIT("") };
	if (!rest.ptr)
		return 0;
	sv_split(&rest, '.', &number);
	if (!sv_to_i64(number, &ret->created_ms) || !rest.len)
		return broken_cursor(call, err);
	ret->id = rest;
	return 0;
}

static int read_message_id(struct api_call *call, int64_t *ret, struct err *err)
{
	struct sv text = api_query(call, "cursor");

	*ret = 0;
	return text.ptr && !sv_to_i64(text, ret) ? broken_cursor(call, err) : 0;
}

static void write_operation(struct jw *w, struct rows *r)
{
	static const char *const texts[] = { "id", "type", "action", "state", "message",
		"integration", "connection", "function", "variant" };

	jw_obj(w);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		jw_kv_str(w, texts[i], row_sv(r, (int)i));
	jw_kv_i64(w, "run_id", row_i64(r, 9));
	jw_key(w, "meta");
	row_null(r, 10) ? jw_null(w) : jw_raw(w, row_sv(r, 10));
	jw_key(w, "error");
	row_null(r, 11) ? jw_null(w) : jw_raw(w, row_sv(r, 11));
	write_time_z(w, "created_at", row_i64(r, 12));
	write_time_z(w, "ended_at", row_i64(r, 13));
	jw_end(w);
}

/* Ends {"data": [...]}; NULL: this was the last page. */
static void end_page(struct jw *w, const char *next)
{
	jw_end(w);
	jw_kv_cstr(w, "next_cursor", next);
	jw_end(w);
}

int logs_operations(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check query[] = {
		{ "type", CHECK_STR, 0, .max = 64 },
		{ "state", CHECK_STR, 0, .max = 64 },
		{ "integration", CHECK_STR, 0, .max = 255 },
		{ "connection", CHECK_STR, 0, .max = 255 },
		{ "function", CHECK_STR, 0, .max = 255 },
		{ "cursor", CHECK_STR, 0, .max = 64 },
		{ "limit", CHECK_COERCED, CHECK_MIN, .min = 1, .max = PAGE_MAX },
		{ 0 },
	};
	own_in(rows_done) struct rows rows = { 0 };
	const char *next = NULL;
	struct position from;
	int64_t count = 0;
	int rc;

	TRY(api_check_query(call, query, err));
	TRY(read_position(call, &from, err));
	int64_t limit = page_limit(call);
	TRY(db_query(c, Q_LOGS_OPERATIONS,
		ARGS(arg_i64(api_env(call)), arg_sv(api_query(call, "type")),
			arg_sv(api_query(call, "state")), arg_sv(api_query(call, "integration")),
			arg_sv(api_query(call, "connection")), arg_sv(api_query(call, "function")),
			arg_i64(from.created_ms), arg_i64(limit), arg_sv(from.id)),
		&rows, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_arr(&w, "data");
	while ((rc = rows_next(&rows, err)) > 0) {
		write_operation(&w, &rows);
		if (++count == limit)
			next = arena_printf(call->arena, "%lld.%.*s", (long long)row_i64(&rows, 12),
				SV(row_sv(&rows, 0)));
	}
	TRY(rc);
	end_page(&w, next);
	return 0;
}

static void write_message(struct jw *w, struct rows *r)
{
	jw_obj(w);
	jw_kv_i64(w, "id", row_i64(r, 0));
	jw_kv_str(w, "level", row_sv(r, 1));
	jw_kv_str(w, "type", row_sv(r, 2));
	jw_kv_str(w, "source", row_sv(r, 3));
	jw_kv_str(w, "message", row_sv(r, 4));
	jw_key(w, "meta");
	row_null(r, 5) ? jw_null(w) : jw_raw(w, row_sv(r, 5));
	write_time_z(w, "created_at", row_i64(r, 6));
	jw_end(w);
}

int logs_messages(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check query[] = {
		{ "cursor", CHECK_STR, 0, .max = 64 },
		{ "limit", CHECK_COERCED, CHECK_MIN, .min = 1, .max = PAGE_MAX },
		{ 0 },
	};
	own_in(rows_done) struct rows rows = { 0 };
	int64_t count = 0, from, known;
	const char *next = NULL;
	int rc;

	TRY(api_check_query(call, query, err));
	TRY(read_message_id(call, &from, err));
	TRY(db_one_i64(c, Q_LOGS_OPERATION_EXISTS,
		ARGS(arg_sv(api_param(call, "id")), arg_i64(api_env(call))), &known, err));
	if (!known)
		return api_refuse(call, err, 404, "not_found", "no operation of this id");
	int64_t limit = page_limit(call);
	TRY(db_query(c, Q_LOGS_MESSAGES,
		ARGS(arg_sv(api_param(call, "id")), arg_i64(from), arg_i64(limit)), &rows, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_arr(&w, "data");
	while ((rc = rows_next(&rows, err)) > 0) {
		write_message(&w, &rows);
		if (++count == limit)
			next = arena_printf(call->arena, "%lld", (long long)row_i64(&rows, 0));
	}
	TRY(rc);
	end_page(&w, next);
	return 0;
}
