#include "webhook/inbox.h"

#include "base/clock.h"
#include "base/sv.h"
#include "crypto/hash.h"
#include "data/json.h"
#include "db/db.h"
#include "model/env.h"
#include "webhook/route.h"

#include <ctype.h>

/* How far apart a signed timestamp and our clock may be: the usual five minutes. */
enum { TOLERANCE_MS = 300000, MINUTE_MS = 60000 };

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
static struct sv event_id(const struct inbox_event *ev)
{
	static const char *const names[] = { "webhook-id", "svix-id", "x-github-delivery",
		"x-gitlab-event-uuid", "x-shopify-webhook-id", "linear-delivery",
		"x-atlassian-webhook-identifier" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct sv id = header(ev, names[i]);
		if (id.len)
			return id;
	}
	return SV_NULL;
}

/*
 * What makes an event the same as another. Without an id of the provider only the bytes tell, and
 * equal bytes can be two events: they count as one for the rest of the minute only.
 */
static struct sv dedupe_key(
	const struct inbox_event *ev, int64_t integration, int64_t now_ms, struct arena *a)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char hex[HASH_HEX_SIZE];
	struct sv id = event_id(ev);

	hash_sha256(id.ptr ? id : ev->body, digest);
	return sv_str(arena_printf(a, "%lld:%lld:%s", (long long)integration,
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

/* The secret that signs this integration's webhooks; absent when none is configured. */
static int webhook_secret(struct dbc *c, const struct inbox *in, const struct integration *i,
	struct arena *a, struct sv *ret, struct err *err)
{
	own(json_unref) struct json_t *custom = NULL, *credentials = NULL;
	struct sv text = SV_NULL, secret = SV_NULL;

	TRY(integration_custom(c, in->keys, i, a, &text, err));
	if (text.ptr) {
		TRY(json_parse(text, &custom, err));
		secret = json_sv(json_member(custom, SV_LIT("webhookSecret")));
	}
	if (!secret.len) {
		text = SV_NULL;
		TRY(integration_credentials(c, in->keys, i, a, &text, err));
		if (text.ptr) {
			TRY(json_parse(text, &credentials, err));
			secret = json_sv(json_member(credentials, SV_LIT("webhook_secret")));
		}
	}
	*ret = secret.len ? arena_sv(a, secret) : SV_NULL;
	return 0;
}

/* The general rule's header is ours; many providers use GitHub's name for the same thing. */
static struct sv signature_header(const struct inbox_event *ev, const struct route_rule *rule)
{
	struct sv s = header(ev, rule->signature_header);
	return s.len || *rule->provider ? s : header(ev, "x-hub-signature-256");
}

static bool is_genuine(
	const struct inbox_event *ev, const struct route_rule *rule, struct sv secret)
{
	struct sv timestamp = header(ev, "webhook-timestamp");
	enum sign_scheme scheme = rule->scheme;
	struct sv signature = signature_header(ev, rule);

	/* Standard Webhooks needs no rule: whoever sends its headers means it. */
	if (!*rule->provider && header(ev, "webhook-signature").len) {
		scheme = SIGN_STANDARD;
		signature = header(ev, "webhook-signature");
	}
	struct sign_input in = {
		.scheme = scheme,
		.secret = secret,
		.signature = signature,
		.id = header(ev, "webhook-id"),
		.timestamp = timestamp.len ? timestamp : header(ev, "x-slack-request-timestamp"),
		.body = ev->body,
		.now_ms = clock_now_ms(),
		.tolerance_ms = TOLERANCE_MS,
	};
	return sign_verify(&in);
}

/* Stores the event. 0 = it was there already, 1 = new. */
static int store(struct dbc *c, const struct inbox_event *ev, const struct integration *i,
	struct json_t *headers, struct arena *a, int64_t *ret_id, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	own_in(buf_done) struct buf text = { 0 };
	int64_t now = clock_now_ms();

	buf_init(&text, 4u << 20);
	json_dump_compact(headers, &text);
	TRY(db_query(c, Q_INBOX_STORE,
		ARGS(arg_i64(i->environment_id), arg_i64(i->id),
			arg_sv(dedupe_key(ev, i->id, now, a)), arg_sv(buf_sv(&text)),
			arg_sv(ev->body.ptr ? ev->body : SV_LIT("")), arg_i64(now)),
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

static void route(struct dbc *c, struct route_job *j, struct inbox_result *ret)
{
	struct err ignored = { 0 };

	/* Pending events are tried again by inbox_route_pending, which reports what fails. */
	if (db_nested(c, route_job, j, &ignored) < 0)
		return;
	ret->runs += j->result.runs;
	ret->forwards += j->result.forwards;
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

int inbox_receive(struct dbc *c, const struct inbox *in, const struct inbox_event *ev,
	struct arena *arena, struct inbox_result *ret, struct err *err)
{
	own(json_unref) struct json_t *headers = headers_json(ev);
	struct integration i;
	struct sv secret;

	*ret = (struct inbox_result){ 0 };
	int rc = find_integration(c, ev, arena, &i, ret, err);
	if (ret->status)
		return 0;
	TRY(rc);
	TRY(webhook_secret(c, in, &i, arena, &secret, err));
	if (secret.ptr && !is_genuine(ev, route_rule_of(i.provider), secret)) {
		refuse(ret, 401, "invalid_webhook_signature",
			"The signature is missing or does not fit the webhook secret.", arena);
		return 0;
	}
	accept_event(ret);
	rc = store(c, ev, &i, headers, arena, &ret->id, err);
	TRY(rc);
	if (rc == 0) {
		ret->duplicate = true;
		return 0;
	}
	struct route_job job = {
		.id = ret->id,
		.arena = arena,
		.ev = { &i, headers, ev->body },
	};
	route(c, &job, ret);
	return 0;
}

struct pending {
	int64_t id, integration;
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
		};
	TRY(rc);
	*ret_count = n;
	return 0;
}

int inbox_route_pending(struct dbc *c, const struct inbox *in UNUSED, unsigned limit,
	struct inbox_result *ret, struct err *err)
{
	struct arena *a = db_arena(c);
	struct pending *all = arena_array(a, limit, sizeof(*all));
	size_t count;

	*ret = (struct inbox_result){ 0 };
	TRY(load_pending(c, limit, all, &count, err));
	for (size_t k = 0; k < count; k++) {
		own(json_unref) struct json_t *headers = NULL;
		struct integration i;
		int rc = integration_get(c, all[k].integration, a, &i, err);
		if (rc == ERR_NOT_FOUND) { /* deleted meanwhile: there is nobody to route to */
			TRY(db_exec(c, Q_INBOX_ROUTED, ARGS(arg_i64(all[k].id)), NULL, err));
			continue;
		}
		TRY(rc);
		TRY(json_parse(all[k].headers, &headers, err));
		struct route_job job = {
			.id = all[k].id,
			.arena = a,
			.ev = { &i, headers, all[k].body },
		};
		route(c, &job, ret);
	}
	return 0;
}

int inbox_prune(struct dbc *c, int64_t before_ms, struct err *err)
{
	return db_exec(c, Q_INBOX_PRUNE, ARGS(arg_i64(before_ms)), NULL, err);
}
