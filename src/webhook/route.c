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
#include "webhook/rule.h"

enum { BODY_MAX = 256 << 20, HEADERS_MAX = 1 << 20 };

/* A connection that may be meant, with what identifies it parsed. */
struct candidate {
	struct connection row;
	struct rule_connection is;
	bool meant; /* by the event at hand */
	bool told; /* by any event of the body: the app hears of it once */
};

/* One body on its way. */
struct routing {
	struct dbc *c;
	struct arena *arena;
	const struct route_event *ev;
	const struct rule *rule;
	struct sv named; /* connection in the webhook's address; absent = none */
	struct candidate *all;
	size_t count;
	struct function *functions;
	size_t function_count;
	bool forged; /* events came, none with the token */
};

/* Connections. */

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

static void make_candidates(struct routing *r, struct connection *rows, size_t count)
{
	r->all = arena_array(r->arena, count + 1, sizeof(*r->all));
	r->count = count;
	for (size_t i = 0; i < count; i++) {
		struct json_t *config = NULL, *metadata = NULL;
		json_parse(rows[i].connection_config, &config, NULL);
		if (rows[i].metadata.ptr)
			json_parse(rows[i].metadata, &metadata, NULL);
		r->all[i].row = rows[i];
		r->all[i].is = (struct rule_connection){ rows[i].connection_id, config, metadata };
	}
}

static void free_candidates(struct routing *r)
{
	for (size_t i = 0; i < r->count; i++) {
		json_unref((struct json_t *)r->all[i].is.connection_config);
		json_unref((struct json_t *)r->all[i].is.metadata);
	}
}

/* The connection of that id alone: most events name one, and there may be very many. */
static int load_one(struct routing *r, struct sv id, struct err *err)
{
	struct connection *row = ARENA_NEW(r->arena, struct connection);
	const struct integration *in = r->ev->integration;

	int rc = connection_find(r->c, in->environment_id, in->unique_key, id, r->arena, row, err);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		return rc;
	make_candidates(r, row, rc < 0 ? 0 : 1);
	return 0;
}

static int load_candidates(struct routing *r, struct err *err)
{
	struct connection *rows;
	size_t count;
	struct sv id = r->named;
	bool by_id = r->rule->property && strcmp(r->rule->property, "connectionId") == 0 &&
		     !r->rule->each;

	if (!id.ptr && by_id)
		rule_whom(r->rule, r->ev->headers, r->ev->body, r->arena, &id);
	if (id.ptr)
		return load_one(r, id, err);
	TRY(connection_list_of_integration(
		r->c, r->ev->integration->id, r->arena, &rows, &count, err));
	make_candidates(r, rows, count);
	return 0;
}

/* Marks the connections that the event is about. */
static void identify(struct routing *r, const struct json_t *event)
{
	struct sv id = SV_NULL;
	int whom = r->named.ptr ? 0 : rule_whom(r->rule, r->ev->headers, event, r->arena, &id);

	for (size_t i = 0; i < r->count; i++) {
		struct candidate *k = &r->all[i];
		k->meant = whom == 0 || (whom > 0 && rule_matches(r->rule, &k->is, id, r->arena));
		k->told |= k->meant;
	}
}

/* Functions. */

static int queue_run(struct routing *r, const struct connection *conn, const struct function *f,
	struct sv input, struct route_result *ret, struct err *err)
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
		.input = input,
	};
	TRY(run_create(r->c, &n, &id, err));
	ret->runs++;
	return 0;
}

static bool subscribes(const struct function *f, struct sv type, struct sv header)
{
	own(json_unref) struct json_t *list = NULL;

	return f->enabled && json_parse(f->webhook_subscriptions, &list, NULL) >= 0 &&
	       rule_subscribed(list, type, header);
}

static struct sv text_of(const struct json_t *v, struct arena *a)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, BODY_MAX);
	json_dump_compact(v, &b);
	return arena_sv(a, buf_sv(&b));
}

static int queue_runs(
	struct routing *r, const struct json_t *event, struct route_result *ret, struct err *err)
{
	struct sv type, header, input = SV_NULL;

	rule_types(r->rule, r->ev->headers, event, &type, &header);
	for (size_t i = 0; i < r->function_count; i++) {
		if (!subscribes(&r->functions[i], type, header))
			continue;
		if (!input.ptr)
			input = text_of(event, r->arena);
		for (size_t k = 0; k < r->count; k++)
			if (r->all[k].meant)
				TRY(queue_run(
					r, &r->all[k].row, &r->functions[i], input, ret, err));
	}
	return 0;
}

/* Events that do not carry the token which the app agreed on with the provider are nobody's. */
static bool is_ours(const struct routing *r, const struct json_t *event)
{
	if (!r->rule->event_token || !r->ev->token.ptr)
		return true;
	return sv_eq(json_sv(json_find(event, sv_str(r->rule->event_token))), r->ev->token);
}

static int route_each(struct routing *r, struct route_result *ret, struct err *err)
{
	size_t count = rule_event_count(r->rule, r->ev->body), ours = 0;

	if (r->ev->hello)
		return 0;
	TRY(function_list(r->c, r->ev->integration->environment_id, r->ev->integration->id,
		FUNCTION_SYNC, r->arena, &r->functions, &r->function_count, err));
	for (size_t i = 0; i < count; i++) {
		const struct json_t *event = rule_event(r->rule, r->ev->body, i);
		if (!is_ours(r, event))
			continue;
		ours++;
		identify(r, event);
		TRY(queue_runs(r, event, ret, err));
	}
	r->forged = count > 0 && ours == 0;
	return 0;
}

/* Forwarding to the app. */

/* Inbound headers that would mislead the receiver stay here; prefixes, as in the specification. */
static bool is_forwarded(struct sv name)
{
	static const char *const dropped[] = { ":", "host", "authorization", "connection",
		"keep-alive", "content-length", "content-type", "content-encoding", "cookie",
		"set-cookie", "referer", "user-agent", "sec-", "proxy-", "www-authenticate",
		"server", "transfer-encoding", "expect", "accept", "webhook-", "x-nango-signature",
		"x-nango-hmac-sha256" };

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
	buf_init(&b, HEADERS_MAX);
	json_dump_compact(kept, &b);
	return arena_sv(r->arena, buf_sv(&b));
}

static struct json_t *wrapped(const struct routing *r, const struct connection *conn)
{
	const struct integration *in = r->ev->integration;
	struct json_t *message = json_new_obj();

	json_set_str(message, "from", in->provider);
	json_set_str(message, "type", SV_LIT("forward"));
	json_set_str(message, "providerConfigKey", in->unique_key);
	json_set_str(message, "connectionId", conn->connection_id);
	json_set(message, SV_LIT("payload"), json_ref(r->ev->body));
	return message;
}

/* conn NULL: nobody was identified, the app gets the bare body. */
static int forward(struct routing *r, const struct connection *conn, struct sv headers,
	struct route_result *ret, struct err *err)
{
	own(json_unref) struct json_t *message = conn ? wrapped(r, conn) : json_ref(r->ev->body);
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, BODY_MAX);
	json_dump_sorted(message, &b);
	struct outbox_message m = {
		.environment_id = r->ev->integration->environment_id,
		.type = "forward",
		.action = "forward",
		.lane = SV_NULL,
		.body = buf_sv(&b),
		.headers = headers,
		.url_override = conn ? conn->webhook_url_override : SV_NULL,
		.integration = r->ev->integration->unique_key,
		.connection = conn ? conn->connection_id : SV_NULL,
	};
	int n = outbox_add(r->c, &m, err);
	TRY(n);
	ret->forwards += (unsigned)n;
	return 0;
}

static int forward_all(struct routing *r, struct route_result *ret, struct err *err)
{
	bool told = false;

	if (!r->ev->integration->forward_webhooks || r->forged)
		return 0;
	struct sv headers = forwarded_headers(r);
	for (size_t i = 0; i < r->count; i++) {
		if (!r->all[i].told)
			continue;
		TRY(forward(r, &r->all[i].row, headers, ret, err));
		told = true;
	}
	return told ? 0 : forward(r, NULL, headers, ret, err);
}

int route_event(struct dbc *c, struct arena *a, const struct route_event *ev,
	struct route_result *ret, struct err *err)
{
	struct routing r = {
		.c = c,
		.arena = a,
		.ev = ev,
		.rule = rule_of(ev->integration->provider),
	};

	r.named = query_connection(&r);
	int rc = load_candidates(&r, err);
	if (rc >= 0)
		rc = route_each(&r, ret, err);
	if (rc >= 0)
		rc = forward_all(&r, ret, err);
	free_candidates(&r);
	return rc;
}
