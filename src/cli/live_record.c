#include "cli/live_record.h"

#include "base/sv.h"
#include "data/json.h"
#include "proxy/url.h"
#include "sync/fetch.h"

#include <ctype.h>
#include <stdio.h>

static struct json_t *child(struct json_t *obj, struct sv key, struct json_t *(*make)(void))
{
	struct json_t *v = json_member(obj, key);

	if (!v) {
		v = make();
		json_set(obj, key, v);
	}
	return v;
}

static struct json_t *body_json(struct sv text)
{
	struct json_t *v = NULL;

	if (text.len == 0 || json_parse(text, &v, NULL) < 0)
		v = json_new_str(text);
	return v;
}

/* Authentication never gets into a file that is committed. */
static bool is_secret_header(struct sv name)
{
	static const char *const secret[] = { "authorization", "cookie", "set-cookie",
		"x-api-key" };

	for (size_t i = 0; i < ARRAY_LEN(secret); i++)
		if (sv_eq_nocase(name, sv_str(secret[i])))
			return true;
	return false;
}

static struct json_t *recorded_request(struct json_t *head, struct sv body)
{
	struct json_t *r = json_new_obj(), *params = json_new_obj(), *headers = json_new_obj();
	struct json_t *list = json_member(head, SV_LIT("params")), *value;
	struct sv key;
	void *it = NULL;

	for (size_t i = 0; json_kind(list) == JSON_KIND_ARRAY && i < json_len(list); i++)
		json_set(params, json_sv(json_item(json_item(list, i), 0)),
			json_ref(json_item(json_item(list, i), 1)));
	while (json_next(json_member(head, SV_LIT("headers")), &it, &key, &value))
		if (!is_secret_header(key) && !sv_eq_str(key, "content-type"))
			json_set(headers, key, json_ref(value));
	/* A fetch states them as pairs. */
	list = json_member(head, SV_LIT("headers"));
	for (size_t i = 0; json_kind(list) == JSON_KIND_ARRAY && i < json_len(list); i++) {
		key = json_sv(json_item(json_item(list, i), 0));
		if (!is_secret_header(key) && !sv_eq_nocase(key, SV_LIT("content-type")))
			json_set(headers, key, json_ref(json_item(json_item(list, i), 1)));
	}
	json_set(r, SV_LIT("params"), params);
	json_set(r, SV_LIT("headers"), headers);
	if (body.len)
		json_set(r, SV_LIT("data"), body_json(body));
	return r;
}

static struct json_t *recorded_headers(const struct rest_response *res)
{
	struct json_t *h = json_new_obj();

	for (size_t i = 0; i < json_len(res->headers); i++) {
		struct json_t *pair = json_item(res->headers, i);
		struct sv name = json_sv(json_item(pair, 0));
		if (!is_secret_header(name))
			json_set(h, name, json_ref(json_item(pair, 1)));
	}
	return h;
}

void live_record(struct live *l, const struct runner_call *call, struct sv endpoint,
	const struct rest_response *res)
{
	struct sv method = json_sv(json_member(call->head, SV_LIT("method")));
	struct json_t *x = json_new_obj();
	char lower[16] = "get", path[2048];

	for (size_t i = 0; i < method.len && i < sizeof(lower) - 1; i++)
		lower[i] = (char)tolower((unsigned char)method.ptr[i]), lower[i + 1] = 0;
	snprintf(path, sizeof(path), "%s%.*s", sv_starts(endpoint, SV_LIT("/")) ? "" : "/",
		SV(endpoint));
	json_set(x, SV_LIT("response"), body_json(buf_sv(&res->body)));
	json_set_int(x, "status", res->status);
	json_set(x, SV_LIT("headers"), recorded_headers(res));
	json_set(x, SV_LIT("request"), recorded_request(call->head, call->body));
	struct json_t *endpoints = child(l->recorded, sv_str(lower), json_new_obj);
	json_push(child(endpoints, sv_str(path), json_new_arr), x);
}

void live_record_fetch(
	struct live *l, const struct runner_call *call, const struct http_response *res)
{
	struct url_parts parts = url_split(json_sv(json_member(call->head, SV_LIT("url"))));
	own(json_unref) struct json_t *head = fetch_head(res);
	struct rest_response as = { .status = res->status,
		.body = res->body, /* borrowed */
		.headers = json_member(head, SV_LIT("headers")) };
	const char *endpoint = arena_printf(&l->rest->arena, "%.*s%s%.*s", SV(parts.path),
		parts.query.len ? "?" : "", SV(parts.query));

	live_record(l, call, sv_str(endpoint), &as);
}

void live_record_action(struct live *l, const struct runner_call *call, struct json_t *input,
	struct json_t *output, struct json_t *error)
{
	struct json_t *x = json_new_obj();

	json_set(x, SV_LIT("name"), json_ref(json_member(call->head, SV_LIT("name"))));
	json_set(x, SV_LIT("providerConfigKey"),
		json_ref(json_member(call->head, SV_LIT("providerConfigKey"))));
	if (input)
		json_set(x, SV_LIT("input"), json_ref(input));
	if (error)
		json_set(x, SV_LIT("error"), json_ref(error));
	else
		json_set(x, SV_LIT("output"), output ? json_ref(output) : json_new_null());
	json_push(l->actions, x);
}
