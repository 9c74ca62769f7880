/* What handlers write into a call, and what they read of it. */
#include "api/handlers.h"
#include "auth/access.h"
#include "base/clock.h"
#include "base/sv.h"
#include "conf/settings.h"
#include "data/json.h"

#include <stdio.h>

struct jw api_json(struct api_call *call, int status)
{
	struct jw w;

	buf_clear(&call->out);
	call->status = status;
	call->content_type = "application/json; charset=utf-8";
	jw_init(&w, &call->out);
	return w;
}

int api_success(struct api_call *call)
{
	struct jw w = api_json(call, 200);

	jw_obj(&w);
	jw_kv_bool(&w, "success", true);
	jw_end(&w);
	return 0;
}

void api_header(struct api_call *call, const char *name, struct sv value)
{
	if (http_header_value_ok(value))
		http_headers_add(call->arena, &call->headers, sv_str(name), value);
}

/* The code the job returns only rolls back; what is sent is in the call. */
__attribute__((format(printf, 6, 0))) static int refuse(struct api_call *call, struct err *err,
	int status, const char *code, bool payload, const char *fmt, va_list args)
{
	char text[1024];
	struct jw w = api_json(call, status);

	vsnprintf(text, sizeof(text), fmt, args);
	jw_obj(&w);
	jw_kv_obj(&w, "error");
	if (payload)
		jw_kv_cstr(&w, "message", text);
	jw_kv_cstr(&w, "code", code);
	if (!payload)
		jw_kv_cstr(&w, "message", text);
	if (payload) {
		jw_kv_obj(&w, "payload");
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
	call->refused = true;
	return err_set(err, ERR_INVALID, "%s", code);
}

int api_refuse(
	struct api_call *call, struct err *err, int status, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int rc = refuse(call, err, status, code, false, fmt, args);
	va_end(args);
	return rc;
}

int api_refuse_payload(
	struct api_call *call, struct err *err, int status, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int rc = refuse(call, err, status, code, true, fmt, args);
	va_end(args);
	return rc;
}

int api_refuse_issues(
	struct api_call *call, struct err *err, const char *code, const struct issues *is)
{
	struct jw w = api_json(call, 400);

	jw_obj(&w);
	jw_kv_obj(&w, "error");
	jw_kv_cstr(&w, "code", code);
	jw_key(&w, "errors");
	issues_write(is, &w);
	jw_end(&w);
	jw_end(&w);
	call->refused = true;
	return err_set(err, ERR_INVALID, "%s", code);
}

struct sv api_query(const struct api_call *call, const char *name)
{
	return json_sv(json_member(call->query, sv_str(name)));
}

struct sv api_text(const struct api_call *call, const char *name)
{
	return json_sv(json_member(call->body, sv_str(name)));
}

struct sv api_param(const struct api_call *call, const char *name)
{
	return route_param(&call->match, name);
}

struct sv api_head(const struct api_call *call, const char *name)
{
	return http_headers_get(&call->http->headers, name);
}

struct issues *api_issues(struct api_call *call)
{
	struct issues *is = ARENA_NEW(call->arena, struct issues);

	is->arena = call->arena;
	return is;
}

static int check(struct api_call *call, const struct json_t *v, const struct check *fields,
	bool loose, const char *code, struct err *err)
{
	struct issues *is = api_issues(call);

	check_object(v, fields, loose, is);
	return is->count ? api_refuse_issues(call, err, code, is) : 0;
}

int api_check_query(struct api_call *call, const struct check *fields, struct err *err)
{
	return check(call, call->query, fields, false, "invalid_query_params", err);
}

int api_check_no_query(struct api_call *call, struct err *err)
{
	static const struct check none[] = { { 0 } };

	return api_check_query(call, none, err);
}

int api_check_body(struct api_call *call, const struct check *fields, struct err *err)
{
	return check(call, call->body, fields, false, "invalid_body", err);
}

int api_check_params(struct api_call *call, const struct check *fields, struct err *err)
{
	own(json_unref) struct json_t *obj = json_new_obj();

	for (size_t i = 0; i < call->match.param_count; i++)
		json_set(
			obj, call->match.params[i].name, json_new_str(call->match.params[i].value));
	return check(call, obj, fields, false, "invalid_uri_params", err);
}

int api_check_headers(struct api_call *call, const struct check *fields, struct err *err)
{
	own(json_unref) struct json_t *obj = json_new_obj();

	for (const struct check *f = fields; f->name; f++) {
		struct sv value = api_head(call, f->name);
		if (value.ptr)
			json_set_str(obj, f->name, value);
	}
	return check(call, obj, fields, true, "invalid_headers", err);
}

bool api_allows(const struct api_call *call, const char *scope)
{
	char full[128];

	snprintf(full, sizeof(full), "environment:%s", scope);
	return auth_scope_covers(call->key.scopes, full);
}

struct sv api_dump(struct api_call *call, const struct json_t *v)
{
	own_in(buf_done) struct buf text = { 0 };
	enum json_kind kind = json_kind(v);

	if (kind == JSON_KIND_ABSENT || kind == JSON_KIND_NULL)
		return SV_NULL;
	buf_init(&text, SIZE_MAX);
	json_dump_compact(v, &text);
	return arena_sv(call->arena, buf_sv(&text));
}

void write_time_z(struct jw *w, const char *key, int64_t ms)
{
	char text[CLOCK_ISO_SIZE];

	if (ms)
		jw_kv_cstr(w, key, clock_iso_ms(ms, text));
	else
		jw_kv_null(w, key);
}

void write_time(struct jw *w, const char *key, int64_t ms)
{
	char text[CLOCK_ISO_SIZE + 8];

	if (!ms) {
		jw_kv_null(w, key);
		return;
	}
	clock_iso_ms(ms, text);
	memcpy(strchr(text, 'Z'), "+00:00", 7);
	jw_kv_cstr(w, key, text);
}

const char *api_base_url(const struct api_call *call)
{
	const char *set = call->eng->conf->public_url;
	struct sv host = api_head(call, "host");

	if (set)
		return set;
	return arena_printf(call->arena, "http://%.*s", SV(host));
}
