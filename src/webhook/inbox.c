#include "webhook/inbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "crypto/hash.h"
#include "data/json.h"
#include "db/db.h"
#include "model/env.h"
#include "webhook/route.h"
#include "webhook/rule.h"

#include <ctype.h>

/* How far apart a signed timestamp and our clock may be: the usual five minutes. */
enum { TOLERANCE_MS = 300000, MINUTE_MS = 60000 };
/* How long routing is tried. */
#define GIVE_UP_MS (3LL * 24 * 3600 * 1000)

/* An event as far as it has been understood. */
struct reading {
	const struct inbox_event *ev;
	const struct rule *rule;
	struct integration integration;
	struct json_t *headers, *body;
	struct sv secret; /* absent = none configured */
	struct rule_hello hello;
	bool is_hello;
};

static void reading_done(struct reading *r)
{
	json_unref(r->headers);
	json_unref(r->body);
}

static void refuse(struct inbox_result *ret, int status, const char *code, const char *message,
	struct arena *a)
{
	ret->status = status;
	ret->content_type = "application/json; charset=utf-8";
	ret->body = sv_str(
		arena_printf(a, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message));
}

static void accept_event(struct inbox_result *ret)
{
	ret->status = 200;
	ret->content_type = "application/json; charset=utf-8";
	ret->body = SV_LIT("{\"status\":\"success\"}");
}

static struct sv header(const struct inbox_event *ev, const char *name)
{
	return http_header_find(ev->headers, ev->header_count, sv_str(name));
}

/* The provider's own id of the event, if it sends one. */
static struct sv event_id(const struct reading *r)
{
	static const char *const names[] = { "webhook-id", "svix-id", "x-github-delivery",
		"x-gitlab-event-uuid", "x-shopify-webhook-id", "linear-delivery",
		"x-atlassian-webhook-identifier" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct sv id = header(r->ev, names[i]);
		if (id.len)
			return id;
	}
	struct sv id = SV_NULL;
	if (r->rule->event_id)
		id = json_sv(json_find(r->body, sv_str(r->rule->event_id)));
	return id.len ? id : SV_NULL;
}

/*
 * What makes an event the same as another. Without an id of the provider only the bytes tell, and
 * equal bytes can be two events: they count as one for the rest of the minute only.
 */
static struct sv dedupe_key(const struct reading *r, int64_t now_ms, struct arena *a)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char hex[HASH_HEX_SIZE];
	struct sv id = event_id(r);

	hash_sha256(id.ptr ? id : r->ev->body, digest);
	return sv_str(arena_printf(a, "%lld:%lld:%s", (long long)r->integration.id,
		(long long)(id.ptr ? 0 : now_ms / MINUTE_MS),
		hash_hex(digest, sizeof(digest), hex)));
}

static struct json_t *headers_json(const struct inbox_event *ev)
{
	struct json_t *all = json_new_obj();

	for (size_t i = 0; i < ev->header_count; i++) {
		char name[128];
		struct sv n = ev->headers[i].name;
		if (n.len >= sizeof(name))
			continue;
		for (size_t k = 0; k < n.len; k++)
			name[k] = (char)tolower((unsigned char)n.ptr[k]);
		json_set(all, sv_make(name, n.len), json_new_str(ev->headers[i].value));
	}
	/* Kept with them, as no header can have this name: routing may need it, also later. */
	if (ev->query.len)
		json_set_str(all, ":query", ev->query);
	return all;
}

/* A member of sealed JSON; absent when there is none. */
static int member_of(
	struct sv text, const char *key, struct arena *a, struct sv *ret, struct err *err)
{
	own(json_unref) struct json_t *json = NULL;

	*ret = SV_NULL;
	if (!text.ptr)
		return 0;
	TRY(json_parse(text, &json, err));
	struct sv value = json_sv(json_member(json, sv_str(key)));
	if (value.len)
		*ret = arena_sv(a, value);
	return 0;
}

/* The secret that signs this integration's webhooks; absent when none is configured. */
static int webhook_secret(
	struct dbc *c, const struct inbox *in, struct reading *r, struct arena *a, struct err *err)
{
	struct sv text = SV_NULL;

	TRY(integration_custom(c, in->keys, &r->integration, a, &text, err));
	TRY(member_of(text, "webhookSecret", a, &r->secret, err));
	if (r->secret.ptr)
		return 0;
	text = SV_NULL;
	TRY(integration_credentials(c, in->keys, &r->integration, a, &text, err));
	TRY(member_of(text, "webhook_secret", a, &r->secret, err));
	if (r->secret.ptr || r->rule->key != RULE_KEY_CLIENT_SECRET)
		return 0;
	return member_of(text, "client_secret", a, &r->secret, err);
}

static struct sv either(const struct inbox_event *ev, const char *name, const char *other)
{
	struct sv value = header(ev, name);

	return value.len || !other ? value : header(ev, other);
}

/* Where a secret is set, an event counts only with a signature that fits. */
static bool is_genuine(const struct reading *r)
{
	const struct inbox_event *ev = r->ev;
	/* Who is known not to sign may be made to, in the general way. */
	const struct rule *how = r->rule->scheme == SIGN_NONE ? rule_of(SV_LIT("")) : r->rule;
	struct sv timestamp = either(ev, "webhook-timestamp", "svix-timestamp");
	struct sign_input in = {
		.scheme = how->scheme,
		.secret = r->secret,
		.signature = either(ev, how->signature[0], how->signature[1]),
		.id = either(ev, "webhook-id", "svix-id"),
		.timestamp = timestamp.len ? timestamp : header(ev, "x-slack-request-timestamp"),
		.body = ev->body,
		.now_ms = clock_now_ms(),
		.tolerance_ms = TOLERANCE_MS,
	};

	if (!r->secret.ptr || r->rule->event_token)
		return true;
	/* Standard Webhooks needs no rule: whoever sends its headers means it. */
	if (!*how->provider && header(ev, "webhook-signature").len) {
		in.scheme = SIGN_STANDARD;
		in.signature = header(ev, "webhook-signature");
	}
	return sign_verify(&in);
}

/* Stores the event. 0 = it was there already, 1 = new. */
static int store(
	struct dbc *c, const struct reading *r, struct arena *a, int64_t *ret_id, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	own_in(buf_done) struct buf text = { 0 };
	int64_t now = clock_now_ms();

	buf_init(&text, 4u << 20);
	json_dump_compact(r->headers, &text);
	TRY(db_query(c, Q_INBOX_STORE,
		ARGS(arg_i64(r->integration.environment_id), arg_i64(r->integration.id),
			arg_sv(dedupe_key(r, now, a)), arg_sv(buf_sv(&text)),
			arg_sv(r->ev->body.ptr ? r->ev->body : SV_LIT("")), arg_i64(now)),
		&rows, err));
	int rc = rows_next(&rows, err);
	if (rc > 0)
		*ret_id = row_i64(&rows, 0);
	return rc;
}

/* Routing in a savepoint: an event that cannot be routed now stays stored as pending. */
struct route_job {
	int64_t id;
	struct arena *arena;
	struct route_event ev;
	struct route_result result;
};

static int route_job(struct dbc *c, void *arg, struct err *err)
{
	struct route_job *j = arg;

	TRY(route_event(c, j->arena, &j->ev, &j->result, err));
	return db_exec(c, Q_INBOX_ROUTED, ARGS(arg_i64(j->id)), NULL, err);
}

static int route(struct dbc *c, struct route_job *j, struct inbox_result *ret, struct err *err)
{
	TRY(db_nested(c, route_job, j, err));
	ret->runs += j->result.runs;
	ret->forwards += j->result.forwards;
	return 0;
}

/* 0 = found; a refusal is written into ret and gives ERR_NOT_FOUND. */
static int find_integration(struct dbc *c, const struct inbox_event *ev, struct arena *a,
	struct integration *i, struct inbox_result *ret, struct err *err)
{
	struct environment env;

	int rc = env_by_uuid(c, ev->environment_uuid, a, &env, err);
	if (rc == ERR_NOT_FOUND)
		refuse(ret, 404, "unknown_environment", "There is no such environment.", a);
	TRY(rc);
	rc = integration_find(c, env.id, ev->integration, a, i, err);
	if (rc == ERR_NOT_FOUND)
		refuse(ret, 404, "unknown_provider_config", "There is no such integration.", a);
	return rc;
}

static int understand(struct dbc *c, const struct inbox *in, struct reading *r, struct arena *a,
	struct inbox_result *ret, struct err *err)
{
	int rc = find_integration(c, r->ev, a, &r->integration, ret, err);

	if (ret->status)
		return 0;
	TRY(rc);
	r->rule = rule_of(r->integration.provider);
	TRY(webhook_secret(c, in, r, a, err));
	if (!is_genuine(r)) {
		refuse(ret, 401, "invalid_webhook_signature",
			"The signature is missing or does not fit the webhook secret.", a);
		return 0;
	}
	r->headers = headers_json(r->ev);
	r->body = rule_body(r->ev->body, header(r->ev, "content-type"));
	r->is_hello = rule_hello(r->rule, r->body, r->ev->query, a, &r->hello);
	accept_event(ret);
	if (r->is_hello && r->hello.body.ptr) {
		ret->body = r->hello.body;
		ret->content_type = r->hello.content_type;
	}
	return 1;
}

static struct route_job job_of(const struct reading *r, int64_t id, struct arena *a)
{
	return (struct route_job){
		.id = id,
		.arena = a,
		.ev = {
			.integration = &r->integration,
			.headers = r->headers,
			.body = r->body,
			.hello = r->is_hello,
			.token = r->secret,
		},
	};
}

int inbox_receive(struct dbc *c, const struct inbox *in, const struct inbox_event *ev,
	struct arena *arena, struct inbox_result *ret, struct err *err)
{
	own_in(reading_done) struct reading r = { .ev = ev };
	struct err later = { 0 };

	*ret = (struct inbox_result){ 0 };
	int rc = understand(c, in, &r, arena, ret, err);
	if (rc <= 0)
		return rc;
	rc = store(c, &r, arena, &ret->id, err);
	TRY(rc);
	ret->duplicate = rc == 0;
	if (ret->duplicate)
		return 0;
	struct route_job job = job_of(&r, ret->id, arena);
	if (route(c, &job, ret, &later) < 0)
		log_warn(NULL, "event will be routed later", LOG_I64("event", ret->id),
			LOG_ERR(&later));
	return 0;
}

/* Events that were stored but not routed. */

struct pending {
	int64_t id, integration, received_ms;
	struct sv headers, body;
};

static int load_pending(
	struct dbc *c, unsigned limit, struct pending *p, size_t *ret_count, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	size_t n = 0;
	int rc;

	TRY(db_query(c, Q_INBOX_PENDING, ARGS(arg_i64(limit)), &rows, err));
	while ((rc = rows_next(&rows, err)) > 0 && n < limit)
		p[n++] = (struct pending){
			.id = row_i64(&rows, 0),
			.integration = row_i64(&rows, 1),
			.headers = arena_sv(db_arena(c), row_sv(&rows, 2)),
			.body = arena_sv(db_arena(c), row_sv(&rows, 3)),
			.received_ms = row_i64(&rows, 4),
		};
	TRY(rc);
	*ret_count = n;
	return 0;
}

static int route_again(struct dbc *c, const struct inbox *in, const struct pending *p,
	struct inbox_result *ret, struct err *err)
{
	struct arena *a = db_arena(c);
	const struct inbox_event ev = { .body = p->body };
	own_in(reading_done) struct reading r = { .ev = &ev };

	TRY(integration_get(c, p->integration, a, &r.integration, err));
	r.rule = rule_of(r.integration.provider);
	TRY(webhook_secret(c, in, &r, a, err));
	TRY(json_parse(p->headers, &r.headers, err));
	r.body = rule_body(p->body, json_sv(json_member(r.headers, SV_LIT("content-type"))));
	r.is_hello = rule_hello(
		r.rule, r.body, json_sv(json_member(r.headers, SV_LIT(":query"))), a, &r.hello);
	struct route_job job = job_of(&r, p->id, a);
	return route(c, &job, ret, err);
}

int inbox_route_pending(struct dbc *c, const struct inbox *in, unsigned limit,
	struct inbox_result *ret, struct err *err)
{
	struct pending *all = arena_array(db_arena(c), limit, sizeof(*all));
	int64_t now = clock_now_ms();
	size_t count;

	*ret = (struct inbox_result){ 0 };
	TRY(load_pending(c, limit, all, &count, err));
	for (size_t k = 0; k < count; k++) {
		struct err why = { 0 };
		int rc = route_again(c, in, &all[k], ret, &why);
		if (rc >= 0)
			continue;
		log_warn(NULL, "event could not be routed", LOG_I64("event", all[k].id),
			LOG_ERR(&why));
		/* A deleted integration has nobody to route to; nor is anything tried for ever. */
		if (rc == ERR_NOT_FOUND || now - all[k].received_ms > GIVE_UP_MS)
			TRY(db_exec(c, Q_INBOX_GIVE_UP, ARGS(arg_i64(all[k].id)), NULL, err));
	}
	return 0;
}

int inbox_prune(
	struct dbc *c, int64_t before_ms, int64_t limit, int64_t *ret_deleted, struct err *err)
{
	return db_exec(
		c, Q_INBOX_PRUNE, ARGS(arg_i64(before_ms), arg_i64(limit)), ret_deleted, err);
}
