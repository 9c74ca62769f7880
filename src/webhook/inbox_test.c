/* Events of providers, from the request to the runs and forwards they cause. */
#include "webhook/inbox.h"

#include "data/json.h"
#include "model/run_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* An integration of a provider with two connections and a function that listens. */

static const char secrets[] = "{\"client_id\":\"id\",\"client_secret\":\"app-secret\"}";

static int add_connection(struct dbc *c, const struct integration *in, const char *id,
	const char *config, struct err *err)
{
	struct connection conn = {
		.environment_id = world->env,
		.integration_id = in->id,
		.integration = in->unique_key,
		.connection_id = sv_str(id),
		.connection_config = sv_str(config),
		.tags = SV_LIT("{}"),
		.errors = SV_LIT("[]"),
	};
	bool created;

	return connection_upsert(
		c, world->keys, &conn, SV_LIT("{\"type\":\"NONE\"}"), &created, err);
}

static int add_function(struct dbc *c, const struct integration *in, struct err *err)
{
	struct function_code code = { SV_LIT("exports.default = {}"), SV_LIT("export default {}") };
	struct function f = {
		.environment_id = world->env,
		.integration_id = in->id,
		.integration = in->unique_key,
		.name = SV_LIT("listener"),
		.type = FUNCTION_SYNC,
		.version = SV_LIT("1"),
		.active = true,
		.enabled = true,
		.source = SV_LIT("repo"),
		.runs = SV_LIT("every hour"),
		.interval_ms = 3600000,
		.sync_type = SV_LIT("full"),
		.models = SV_LIT("[\"Item\"]"),
		.metadata = SV_LIT("{}"),
		.attributes = SV_LIT("{}"),
		.endpoints = SV_LIT("[]"),
		.features = SV_LIT("[]"),
		.webhook_subscriptions = SV_LIT("[\"saved\", \"created\"]"),
	};

	TRY(function_code_put(c, &code, db_arena(c), &f.file_hash, err));
	TRY(function_put(c, &f, err));
	return sync_ensure_for_function(c, f.id, err);
}

static int add_integration(struct dbc *c, const char *provider, const char *custom, bool app,
	const char *configs[2], struct err *err)
{
	struct integration in = {
		.environment_id = world->env,
		.unique_key = sv_str(provider),
		.provider = sv_str(provider),
		.config = SV_LIT("{}"),
		.forward_webhooks = true,
	};
	struct integration_secrets s = { .credentials = app ? sv_str(secrets) : SV_NULL,
		.custom = sv_str(custom) };

	TRY(integration_create(c, world->keys, &in, &s, err));
	TRY(add_connection(c, &in, "a", configs[0], err));
	TRY(add_connection(c, &in, "b", configs[1], err));
	return add_function(c, &in, err);
}

static int receive_at(struct dbc *c, const char *provider, const char *body,
	struct http_header head, const char *query, struct inbox_result *ret, struct err *err)
{
	const struct inbox in = { .keys = world->keys };
	struct environment env;

	TRY(env_get(c, world->env, db_arena(c), &env, err));
	struct inbox_event ev = {
		.environment_uuid = env.uuid,
		.integration = sv_str(provider),
		.headers = &head,
		.header_count = head.name.ptr != NULL,
		.query = sv_str(query),
		.body = sv_str(body),
	};
	return inbox_receive(c, &in, &ev, db_arena(c), ret, err);
}

#define NO_HEADER ((struct http_header){ 0 })

static const char *no_config[] = { "{}", "{}" };

/* Tests. */

static int job_names_one(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct inbox_result r;

	TRY(add_integration(c, "unauthenticated", NULL, false, no_config, err));
	TRY(receive_at(c, "unauthenticated",
		"{\"connectionId\":\"b\",\"type\":\"saved\",\"n\":1.50}", NO_HEADER, NULL, &r,
		err));
	CHECK(r.status == 200 && r.runs == 1 && r.forwards == 1 && !r.duplicate);
	CHECK(strcmp(world->bodies[0], "{\"connectionId\":\"b\",\"from\":\"unauthenticated\","
				       "\"payload\":{\"connectionId\":"
				       "\"b\",\"n\":1.5,\"type\":\"saved\"},\"providerConfigKey\":"
				       "\"unauthenticated\","
				       "\"type\":\"forward\"}") == 0);

	/* Not subscribed: told, not run. */
	TRY(receive_at(c, "unauthenticated", "{\"connectionId\":\"b\",\"type\":\"gone\"}",
		NO_HEADER, NULL, &r, err));
	CHECK(r.runs == 0 && r.forwards == 1);

	/* Nobody's: the app gets the bare body. */
	TRY(receive_at(c, "unauthenticated", "{\"connectionId\":\"x\",\"type\":\"saved\"}",
		NO_HEADER, NULL, &r, err));
	CHECK(r.runs == 0 && r.forwards == 1);
	CHECK(strcmp(world->bodies[2], "{\"connectionId\":\"x\",\"type\":\"saved\"}") == 0);

	/* About no connection in particular: all of them. */
	TRY(receive_at(c, "unauthenticated", "{\"type\":\"saved\"}", NO_HEADER, NULL, &r, err));
	CHECK(r.runs == 2 && r.forwards == 2);

	/* The address names it. */
	TRY(receive_at(c, "unauthenticated", "{\"type\":\"saved\",\"k\":1}", NO_HEADER,
		"nangoConnectionId=a", &r, err));
	CHECK(r.runs == 1 && r.forwards == 1);
	return 0;
}

static int job_repeats(struct dbc *c, void *arg UNUSED, struct err *err)
{
	const char *body = "{\"connectionId\":\"a\",\"type\":\"saved\"}";
	struct http_header id = { SV_LIT("Webhook-Id"), SV_LIT("m1") };
	struct inbox_result r;

	TRY(add_integration(c, "unauthenticated", NULL, false, no_config, err));
	TRY(receive_at(c, "unauthenticated", body, id, NULL, &r, err));
	CHECK(r.runs == 1);
	clock_shift_ms(3600000);
	int rc = receive_at(c, "unauthenticated", "{}", id, NULL, &r, err);
	clock_shift_ms(-3600000);
	TRY(rc);
	CHECK(r.status == 200 && r.duplicate && r.runs == 0 && r.forwards == 0);

	/* Without an id, equal bytes are one event for a while. */
	TRY(receive_at(c, "unauthenticated", body, NO_HEADER, NULL, &r, err));
	CHECK(!r.duplicate);
	TRY(receive_at(c, "unauthenticated", body, NO_HEADER, NULL, &r, err));
	CHECK(r.duplicate || clock_now_ms() % 60000 < 2000);
	return 0;
}

static int job_lists(struct dbc *c, void *arg UNUSED, struct err *err)
{
	const char *configs[] = { "{\"tenant_id\":\"t1\"}", "{\"tenant_id\":\"t2\"}" };
	struct inbox_result r;

	TRY(add_integration(c, "xero", NULL, false, configs, err));
	TRY(receive_at(c, "xero",
		"{\"events\":[{\"tenantId\":\"t1\",\"eventType\":\"saved\"},"
		"{\"tenantId\":\"t2\",\"eventType\":\"gone\"},"
		"{\"tenantId\":\"t1\",\"eventType\":\"created\"},"
		"{\"tenantId\":\"t3\",\"eventType\":\"created\"}]}",
		NO_HEADER, NULL, &r, err));
	/* Two events ran, both of t1; each connection hears of the body once. */
	CHECK(r.runs == 2 && r.forwards == 2);
	return 0;
}

static int job_tokens(struct dbc *c, void *arg UNUSED, struct err *err)
{
	const char *configs[] = { "{\"tenantId\":\"t1\"}", "{}" };
	struct inbox_result r;

	TRY(add_integration(
		c, "microsoft-oauth2-cc", "{\"webhookSecret\":\"agreed\"}", false, configs, err));
	TRY(receive_at(c, "microsoft-oauth2-cc",
		"{\"value\":[{\"tenantId\":\"t1\",\"changeType\":\"created\",\"clientState\":"
		"\"agreed\"},"
		"{\"tenantId\":\"t1\",\"changeType\":\"created\",\"clientState\":\"guessed\"}]}",
		NO_HEADER, NULL, &r, err));
	CHECK(r.status == 200 && r.runs == 1 && r.forwards == 1);
	TRY(receive_at(c, "microsoft-oauth2-cc",
		"{\"value\":[{\"tenantId\":\"t1\",\"changeType\":\"created\"}]}", NO_HEADER, NULL,
		&r, err));
	CHECK(r.status == 200 && r.runs == 0 && r.forwards == 0);
	TRY(receive_at(c, "microsoft-oauth2-cc", "", NO_HEADER, "validationToken=x%2By", &r, err));
	CHECK(r.status == 200 && sv_eq_str(r.body, "x+y") && r.runs == 0);
	return 0;
}

/* The signature: printf '%s' 'app-secret[...]' | openssl dgst -sha256 */
static int job_app_secret(struct dbc *c, void *arg UNUSED, struct err *err)
{
	const char *configs[] = { "{\"portalId\":7}", "{}" };
	struct http_header sign = { SV_LIT("x-hubspot-signature"),
		SV_LIT("89f8528dc07b07ea4487d27d1256a6071a4b62b89de3d64ac1353491ab039bb3") };
	const char *body = "[{\"portalId\":7,\"subscriptionType\":\"saved\"}]";
	struct inbox_result r;

	TRY(add_integration(c, "hubspot", NULL, true, configs, err));
	TRY(receive_at(c, "hubspot", body, NO_HEADER, NULL, &r, err));
	CHECK(r.status == 401 && r.runs == 0 && r.forwards == 0 && r.id == 0);
	TRY(receive_at(c, "hubspot", body, sign, NULL, &r, err));
	CHECK(r.status == 200 && r.runs == 1);
	TRY(receive_at(c, "hubspot", "[]", sign, NULL, &r, err));
	CHECK(r.status == 401);
	return 0;
}

/* A secret that is set is never ignored, not even where the provider is known not to sign. */
static int job_fails_closed(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct inbox_result r;

	TRY(add_integration(c, "airtable", "{\"webhookSecret\":\"s\"}", false, no_config, err));
	TRY(receive_at(c, "airtable", "{}", NO_HEADER, NULL, &r, err));
	CHECK(r.status == 401 && r.forwards == 0);
	return 0;
}

static int job_greets(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct inbox_result r;

	TRY(add_integration(c, "slack", NULL, false, no_config, err));
	TRY(receive_at(c, "slack", "{\"type\":\"url_verification\",\"challenge\":\"c4\"}",
		NO_HEADER, NULL, &r, err));
	CHECK(sv_eq_str(r.body, "{\"challenge\":\"c4\"}") && r.runs == 0 && r.forwards == 1);
	return 0;
}

static int job_unknown(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct inbox_result r;

	TRY(receive_at(c, "nobody", "{}", NO_HEADER, NULL, &r, err));
	CHECK(r.status == 404 && r.id == 0);
	return 0;
}

/* Old ones go, a bounded number at a time; what was not routed yet stays. */
static int job_prunes(struct dbc *c, void *arg UNUSED, struct err *err)
{
	int64_t n, now = clock_now_ms(), later = now + 60000;
	struct inbox_result r;

	TRY(add_integration(c, "unauthenticated", NULL, false, no_config, err));
	for (int i = 0; i < 3; i++) {
		char body[64];
		snprintf(body, sizeof(body), "{\"connectionId\":\"a\",\"n\":%d}", i);
		TRY(receive_at(c, "unauthenticated", body, NO_HEADER, NULL, &r, err));
	}
	TRY(db_exec(c, Q_INBOX_STORE,
		ARGS(arg_i64(world->env), arg_i64(world->integration), arg_str("waits"),
			arg_str("{}"), arg_str("{}"), arg_i64(now)),
		NULL, err));
	TRY(inbox_prune(c, now - 1, 10, &n, err));
	CHECK(n == 0);
	TRY(inbox_prune(c, later, 2, &n, err));
	CHECK(n == 2);
	TRY(inbox_prune(c, later, 2, &n, err));
	CHECK(n == 1);
	TRY(inbox_prune(c, later, 2, &n, err));
	CHECK(n == 0);
	return 0;
}

static int job_waiting_event(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct integration in;

	TRY(add_integration(c, "unauthenticated", NULL, false, no_config, err));
	TRY(integration_find(c, world->env, SV_LIT("unauthenticated"), db_arena(c), &in, err));
	TRY(db_exec(c, Q_INBOX_STORE,
		ARGS(arg_i64(world->env), arg_i64(in.id), arg_str("waits"), arg_str("{}"),
			arg_str("{}"), arg_i64(clock_now_ms())),
		NULL, err));
	return 0;
}

static int job_route(struct dbc *c, void *arg, struct err *err)
{
	return inbox_route_pending(c, &(struct inbox){ .keys = world->keys }, 10, arg, err);
}

/* One node has the event in work; on PostgreSQL another one looks for events meanwhile. */
static int job_meanwhile(struct dbc *c, void *arg, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_query(c, Q_INBOX_PENDING, ARGS(arg_i64(10)), &rows, err));
	CHECK(rows_next(&rows, err) == 1);
	return getenv("TIDEMARK_TEST_POSTGRES") ? db_run(world->db, DB_WRITE, job_route, arg, err)
						: 0;
}

static void routed_by_one(void **state UNUSED)
{
	struct inbox_result r = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };

	world_open(&w);
	if (db_run(w.db, DB_WRITE, job_waiting_event, NULL, &err) < 0 ||
		db_run(w.db, DB_WRITE, job_meanwhile, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.forwards, 0);
	if (db_run(w.db, DB_WRITE, job_route, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.forwards, 2); /* one for each connection */
	world_close(&w);
}

#define WORLD_TEST(name)                      \
	static void name(void **state UNUSED) \
	{                                     \
		in_world(job_##name);         \
	}
WORLD_TEST(names_one)
WORLD_TEST(repeats)
WORLD_TEST(lists)
WORLD_TEST(tokens)
WORLD_TEST(app_secret)
WORLD_TEST(fails_closed)
WORLD_TEST(greets)
WORLD_TEST(unknown)
WORLD_TEST(prunes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_one),
		cmocka_unit_test(repeats),
		cmocka_unit_test(lists),
		cmocka_unit_test(tokens),
		cmocka_unit_test(app_secret),
		cmocka_unit_test(fails_closed),
		cmocka_unit_test(greets),
		cmocka_unit_test(unknown),
		cmocka_unit_test(prunes),
		cmocka_unit_test(routed_by_one),
	};
	return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
