#include "proxy/body.h"

#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/tmpl.h"
#include "http/header.h"
#include "model/provider.h"

#include <stdio.h>

enum { BODY_MAX = 256 << 20, NAME_MAX_LEN = 1024 };

static const unsigned body_sets = VARS_TOKEN | VARS_CONNECTION | VARS_CREDENTIALS | VARS_FLAT;

/* The template with its leaves filled; what is unresolved goes, and maps that are empty then. */
static struct json_t *fill(const struct proxy_vars *v, const struct json_t *tmpl)
{
	struct json_t *val;
	struct sv key, text;
	void *it = NULL;
	bool resolved = true;

	if (json_kind(tmpl) == JSON_KIND_STRING) {
		if (proxy_vars_eval(v, body_sets, json_sv(tmpl), &text, &resolved, NULL) < 0)
			return NULL;
		return resolved ? json_new_str(text) : NULL;
	}
	if (json_kind(tmpl) != JSON_KIND_OBJECT)
		return json_clone(tmpl);
	struct json_t *out = json_new_obj();
	while (json_next(tmpl, &it, &key, &val)) {
		struct json_t *filled = fill(v, val);
		if (filled)
			json_set(out, key, filled);
	}
	if (json_len(out))
		return out;
	json_unref(out);
	return NULL;
}

struct sv proxy_content_type(const struct proxy_request *req)
{
	for (size_t i = 0; i < req->header_count; i++)
		if (sv_eq_nocase(req->headers[i].name, SV_LIT("content-type")))
			return req->headers[i].value;
	return SV_NULL;
}

bool proxy_is_form(struct sv type)
{
	static const struct sv form = SV_LIT("application/x-www-form-urlencoded");

	return type.len >= form.len && sv_eq_nocase(sv_make(type.ptr, form.len), form);
}

static int merge_json(const struct proxy_vars *v, const struct proxy_request *req,
	const struct json_t *extra, struct sv *ret, struct err *err)
{
	own(json_unref) struct json_t *json = NULL;
	own_in(buf_done) struct buf out = { 0 };
	struct json_t *val;
	struct sv key;
	void *it = NULL;

	buf_init(&out, BODY_MAX);
	if (json_parse(req->body, &json, NULL) < 0 || json_kind(json) != JSON_KIND_OBJECT)
		return 0;
	while (json_next(extra, &it, &key, &val))
		json_set(json, key, json_clone(val));
	json_dump_compact(json, &out);
	if (!buf_ok(&out))
		return err_set(err, ERR_LIMIT, "the request body is too large");
	*ret = arena_sv(v->arena, buf_sv(&out));
	return 0;
}

/* name[sub]=value for every leaf. */
static void add_fields(const struct json_t *v, const char *name, struct buf *out)
{
	char sub[NAME_MAX_LEN];
	struct json_t *val;
	struct sv key;
	void *it = NULL;

	if (json_kind(v) != JSON_KIND_OBJECT) {
		if (out->len)
			buf_char(out, '&');
		enc_percent(out, sv_str(name), ENC_FORM);
		buf_char(out, '=');
		if (json_kind(v) == JSON_KIND_STRING)
			enc_percent(out, json_sv(v), ENC_FORM);
		else
			json_dump_compact(v, out);
		return;
	}
	while (json_next(v, &it, &key, &val)) {
		int n = *name ? snprintf(sub, sizeof(sub), "%s[%.*s]", name, SV(key))
			      : snprintf(sub, sizeof(sub), "%.*s", SV(key));
		if (n < (int)sizeof(sub))
			add_fields(val, sub, out);
	}
}

static int merge_form(const struct proxy_vars *v, const struct proxy_request *req,
	const struct json_t *extra, struct sv *ret, struct err *err)
{
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, BODY_MAX);
	buf_sv_add(&out, req->body);
	add_fields(extra, "", &out);
	if (!buf_ok(&out))
		return err_set(err, ERR_LIMIT, "the request body is too large");
	*ret = arena_sv(v->arena, buf_sv(&out));
	return 0;
}

int proxy_body_build(const struct proxy_vars *v, const struct proxy_request *req, struct sv *ret,
	struct err *err)
{
	own(json_unref) struct json_t *extra = NULL;
	struct sv type = proxy_content_type(req);

	*ret = req->body;
	if (!v->target->provider->body || !req->body.len)
		return 0;
	extra = fill(v, v->target->provider->body);
	if (!extra)
		return 0;
	if (proxy_is_form(type))
		return merge_form(v, req, extra, ret, err);
	if (sv_find(type, SV_LIT("json")) >= 0)
		return merge_json(v, req, extra, ret, err);
	return 0;
}
