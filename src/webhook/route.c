#include "webhook/route.h"

#include "base/sv.h"
#include "data/json.h"
#include "data/query.h"
#include "db/db.h"
#include "model/connection.h"
#include "model/function.h"
#include "model/outbox.h"
#include "model/run.h"
#include "model/sync.h"

static const struct route_rule rules[] = {
#define RULE(provider, scheme, header, identifier, property, type, type_header) \
	{ provider, scheme, header, identifier, property, type, type_header },
#include "webhook/rules.def"
#undef RULE
};

const struct route_rule *route_rule_of(struct sv provider)
{
	for (size_t i = 1; i < ARRAY_LEN(rules); i++)
		if (sv_eq_str(provider, rules[i].provider))
			return &rules[i];
	return &rules[0];
}

/* One event on its way. */
struct routing {
	struct dbc *c;
	struct arena *arena;
	const struct route_event *ev;
	const struct route_rule *rule;
	struct json_t *body; /* what functions get: parsed, or the text itself */
	struct sv body_json; /* the same as JSON text */
	struct sv type, header_type;
	struct connection *connections;
	size_t count;
};

/* Identification: which of the integration's connections the event is about. */

/* A value as text: identifiers are numbers with some providers. */
static struct sv text_of(struct arena *a, const struct json_t *v)
{
	own_in(buf_done) struct buf b = { 0 };

	if (json_kind(v) == JSON_KIND_STRING)
		return json_sv(v);
	if (json_kind(v) != JSON_KIND_NUMBER)
		return SV_NULL;
	buf_init(&b, 64);
	json_dump_compact(v, &b);
	return arena_sv(a, buf_sv(&b));
}

/* value is the text, or a list or object that holds it. */
static bool holds(struct arena *a, const struct json_t *value, struct sv text)
{
	if (json_kind(value) == JSON_KIND_OBJECT)
		return json_member(value, text) != NULL;
	if (json_kind(value) != JSON_KIND_ARRAY)
		return value && sv_eq(text_of(a, value), text);
	for (size_t i = 0; i < json_len(value); i++)
		if (sv_eq(text_of(a, json_item(value, i)), text))
			return true;
	return false;
}

static bool is_about(const struct routing *r, const struct connection *conn, struct sv id)
{
	own(json_unref) struct json_t *config = NULL;
	struct sv property = sv_str(r->rule->property), prefix = SV_LIT("metadata.");

	if (sv_eq_str(property, "connectionId"))
		return sv_eq(conn->connection_id, id);
	bool metadata = sv_starts(property, prefix);
	struct sv text = metadata ? conn->metadata : conn->connection_config;
	if (!text.ptr || json_parse(text, &config, NULL) < 0)
		return false;
	struct sv key = metadata ? sv_from(property, prefix.len) : property;
	return holds(r->arena, json_member(config, key), id);
}

static void keep_only(struct routing *r, struct sv id, bool by_id)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct connection *conn = &r->connections[i];
		if (by_id ? sv_eq(conn->connection_id, id) : is_about(r, conn, id))
			r->connections[kept++] = *conn;
	}
	r->count = kept;
}

/* A connection named in the webhook's address. */
static struct sv query_connection(const struct routing *r)
{
	own(json_unref) struct json_t *query = NULL;
	struct sv raw = json_sv(json_member(r->ev->headers, SV_LIT(":query")));

	if (!raw.len || query_parse(raw, &query, NULL) < 0)
		return SV_NULL;
	struct sv id = json_sv(json_member(query, SV_LIT("nangoConnectionId")));
	if (!id.len)
		id = json_sv(json_member(query, SV_LIT("connectionId")));
	return id.len ? arena_sv(r->arena, id) : SV_NULL;
}

static int identify(struct routing *r, struct err *err)
{
	TRY(connection_list_of_integration(
		r->c, r->ev->integration->id, r->arena, &r->connections, &r->count, err));
	struct sv named = query_connection(r);
	if (named.ptr) {
		keep_only(r, named, true);
		return 0;
	}
	if (!*r->rule->identifier)
		return 0;
	struct json_t *value = json_find(r->body, sv_str(r->rule->identifier));
	struct sv id = text_of(r->arena, value);
	/* The general rule is a guess: a body without the identifier is about all of them. */
	if (!id.ptr && r->rule == &rules[0])
		return 0;
	keep_only(r, id, false);
	return 0;
}

/* Functions. */

static bool subscribes(const struct routing *r, const struct function *f)
{
	own(json_unref) struct json_t *list = NULL;

	if (!f->enabled || json_parse(f->webhook_subscriptions, &list, NULL) < 0)
		return false;
	for (size_t i = 0; i < json_len(list); i++) {
		struct sv entry = json_sv(json_item(list, i));
		if (sv_eq_str(entry, "*") || (r->type.ptr && sv_eq(entry, r->type)) ||
			(r->header_type.ptr && sv_eq(entry, r->header_type)))
			return true;
	}
	return false;
}

static int queue_run(struct routing *r, const struct connection *conn, const struct function *f,
	struct route_result *ret, struct err *err)
{
	struct sync_name name = { .name = f->name, .variant = SV_LIT("base") };
	struct sync *sync;
	size_t count;
	int64_t id;

	TRY(sync_select(
		r->c, r->ev->integration->id, conn->id, &name, 1, r->arena, &sync, &count, err));
	if (count == 0)
		return 0;
	struct run_new n = {
		.kind = RUN_WEBHOOK,
		.environment_id = conn->environment_id,
		.connection = conn->id,
		.sync_id = sv_str(sync->id),
		.name = f->name,
		.variant = SV_LIT("base"),
		.input = r->body_json,
	};
	TRY(run_create(r->c, &n, &id, err));
	ret->runs++;
	return 0;
}

static int queue_runs(struct routing *r, struct route_result *ret, struct err *err)
{
	struct function *all;
	size_t count;

	TRY(function_list(r->c, r->ev->integration->environment_id, r->ev->integration->id,
		FUNCTION_SYNC, r->arena, &all, &count, err));
	for (size_t i = 0; i < count; i++) {
		if (!subscribes(r, &all[i]))
			continue;
		for (size_t k = 0; k < r->count; k++)
			TRY(queue_run(r, &r->connections[k], &all[i], ret, err));
	}
	return 0;
}

/* Forwarding to the app. */

/* Inbound headers that would mislead the receiver stay here; prefixes, as in the specification. */
static bool is_forwarded(struct sv name)
{
	static const char *const dropped[] = { ":", "host", "authorization", "connection",
		"keep-alive", "content-length", "content-type", "content-encoding", "cookie",
		"set-cookie", "referer", "user-agent", "sec-", "proxy-", "www-authenticate",
		"server", "transfer-encoding", "expect", "accept" };

	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		if (sv_starts(name, sv_str(dropped[i])))
			return false;
	return true;
}

static struct sv forwarded_headers(const struct routing *r)
{
	own(json_unref) struct json_t *kept = json_new_obj();
	own_in(buf_done) struct buf b = { 0 };
	struct json_t *value;
	struct sv name;
	void *it = NULL;

	while (json_next(r->ev->headers, &it, &name, &value))
		if (is_forwarded(name))
			json_set(kept, name, json_ref(value));
	buf_init(&b, 1 << 20);
	json_dump_compact(kept, &b);
	return arena_sv(r->arena, buf_sv(&b));
}

/* conn NULL: nobody was identified, the app gets the bare body. */
static int forward(struct routing *r, const struct connection *conn, struct sv headers,
	struct route_result *ret, struct err *err)
{
	own(json_unref) struct json_t *message = NULL;
	own_in(buf_done) struct buf b = { 0 };
	const struct integration *in = r->ev->integration;

	if (conn) {
		message = json_new_obj();
		json_set_str(message, "from", in->provider);
		json_set_str(message, "type", SV_LIT("forward"));
		json_set_str(message, "providerConfigKey", in->unique_key);
		json_set_str(message, "connectionId", conn->connection_id);
		json_set(message, SV_LIT("payload"), json_ref(r->body));
	}
	buf_init(&b, 256u << 20);
	json_dump_sorted(conn ? message : r->body, &b);
	struct outbox_message m = {
		.environment_id = in->environment_id,
		.type = "forward",
		.action = "forward",
		.lane = SV_NULL,
		.body = buf_sv(&b),
		.headers = headers,
		.url_override = conn ? conn->webhook_url_override : SV_NULL,
		.integration = in->unique_key,
		.connection = conn ? conn->connection_id : SV_NULL,
	};
	int n = outbox_add(r->c, &m, err);
	TRY(n);
	ret->forwards += (unsigned)n;
	return 0;
}

static int forward_all(struct routing *r, struct route_result *ret, struct err *err)
{
	if (!r->ev->integration->forward_webhooks)
		return 0;
	struct sv headers = forwarded_headers(r);
	if (r->count == 0)
		return forward(r, NULL, headers, ret, err);
	for (size_t i = 0; i < r->count; i++)
		TRY(forward(r, &r->connections[i], headers, ret, err));
	return 0;
}

static void read_body(struct routing *r)
{
	own_in(buf_done) struct buf b = { 0 };

	/* Functions get the parsed body; what is no JSON reaches them as text. */
	if (json_parse(r->ev->body, &r->body, NULL) < 0)
		r->body = json_new_str(r->ev->body);
	buf_init(&b, 256u << 20);
	json_dump_compact(r->body, &b);
	r->body_json = arena_sv(r->arena, buf_sv(&b));
	if (*r->rule->type_path)
		r->type = json_sv(json_find(r->body, sv_str(r->rule->type_path)));
	if (*r->rule->type_header)
		r->header_type = json_sv(json_member(r->ev->headers, sv_str(r->rule->type_header)));
}

int route_event(struct dbc *c, struct arena *a, const struct route_event *ev,
	struct route_result *ret, struct err *err)
{
	struct routing r = {
		.c = c,
		.arena = a,
		.ev = ev,
		.rule = route_rule_of(ev->integration->provider),
	};

	read_body(&r);
	int rc = identify(&r, err);
	if (rc == 0)
		rc = queue_runs(&r, ret, err);
	if (rc == 0)
		rc = forward_all(&r, ret, err);
	json_unref(r.body);
	return rc;
}
