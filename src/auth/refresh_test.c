/* Whole refreshes: a database, a token endpoint on the loop, two servers' refreshers, time that is
 * moved. */
#include "auth/refresh.h"

#include "auth/provider_fixture.h"
#include "base/fault.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/node.h"
#include "model/token_refresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { ASKERS = 50, DAY_MS = 24 * 3600 * 1000 };

struct asker {
	struct op op;
	struct refresh_outcome outcome;
	struct rig *rig;
};

struct rig {
	struct provider_net net;
	struct refresher *refreshers[2]; /* of two servers on one database */
	struct node nodes[2], dead;
	int64_t leased_ms; /* by the dead one */
	const char *answer; /* of the token endpoint; NULL: a new token */
	int status;
	unsigned asked, waiting;
	bool slow; /* the endpoint answers when another server has come to wait for it */
	struct http_call *held;
	struct timer look;
	struct asker askers[ASKERS];
	char credentials[1024], errors[256];
	int64_t shifted_ms;
};

/* The provider. */

static void answer(struct rig *r, struct http_call *call)
{
	char body[256];

	r->asked++;
	snprintf(body, sizeof(body),
		"{\"access_token\":\"access-%u\",\"refresh_token\":\"refresh-%u\",\"expires_in\":"
		"3600}",
		r->asked, r->asked);
	http_reply(call, &(struct http_answer){ .status = r->status ? r->status : 200,
				 .content_type = "application/json",
				 .body = sv_str(r->answer ? r->answer : body) });
}

static void look_again(struct timer *t)
{
	struct rig *r = container_of(t, struct rig, look);
	int64_t waited = 0;

	for (size_t i = 0; i < ARRAY_LEN(r->refreshers); i++)
		waited += refresher_stats(r->refreshers[i]).waited;
	if (waited)
		answer(r, take(r->held));
	else
		timer_start(r->net.loop, t, 1, look_again);
}

static void handle(void *ctx, struct http_call *call)
{
	struct rig *r = ctx;

	if (!r->slow) {
		answer(r, call);
		return;
	}
	assert_null(r->held);
	r->held = call;
	timer_start(r->net.loop, &r->look, 1, look_again);
}

/* The rig. */

static int job_expire(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct connection conn = {
		.environment_id = r->net.world.env,
		.integration_id = r->net.world.integration,
		.integration = SV_LIT("crm"),
		.connection_id = SV_LIT("c-1"),
	};
	bool created;

	return connection_upsert(c, r->net.world.keys, &conn,
		SV_LIT("{\"type\":\"OAUTH2\",\"access_token\":\"access-0\",\"refresh_token\":"
		       "\"refresh-0\",\"expires_at\":1000,\"config_override\":{\"client_id\":"
		       "\"c\"}}"),
		&created, err);
}

static int job_read(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct connection conn;
	struct sv text;

	TRY(connection_get(c, r->net.world.connection, db_arena(c), &conn, err));
	TRY(connection_credentials(c, r->net.world.keys, &conn, db_arena(c), &text, err));
	snprintf(r->credentials, sizeof(r->credentials), "%.*s", SV(text));
	snprintf(r->errors, sizeof(r->errors), "%.*s", SV(conn.errors));
	return 0;
}

static void run(struct rig *r, enum db_mode mode, db_job_fn *job)
{
	provider_net_run(&r->net, mode, job, r);
}

static void rig_open(struct rig *r)
{
	char catalogue[256];

	*r = (struct rig){ 0 };
	provider_net_open(&r->net, handle, r);
	snprintf(catalogue, sizeof(catalogue),
		"crm: { auth_mode: OAUTH2, token_url: '%s/token' }\n",
		http_server_url(r->net.server));
	provider_net_catalogue(&r->net, catalogue);
	for (size_t i = 0; i < 2; i++) {
		node_init(&r->nodes[i], NULL);
		r->refreshers[i] = refresher_new(&(struct refresher_config){ .loop = r->net.loop,
			.db = r->net.world.db,
			.keys = r->net.world.keys,
			.client = r->net.client,
			.providers = r->net.providers,
			.node = &r->nodes[i] });
	}
	run(r, DB_WRITE, job_expire);
}

static void rig_close(struct rig *r)
{
	for (size_t i = 0; i < 2; i++) {
		refresher_drain(r->refreshers[i], provider_net_stop, &r->net);
		loop_run(r->net.loop);
		refresher_free(r->refreshers[i]);
	}
	provider_net_close(&r->net);
	clock_shift_ms(-r->shifted_ms);
}

static void shift(struct rig *r, int64_t ms)
{
	clock_shift_ms(ms);
	r->shifted_ms += ms;
}

static void answered(void *ctx, const struct err *err)
{
	struct asker *a = ctx;

	if (err->code != ERR_OK && err->code != ERR_CANCELLED)
		fail_msg("%s", err->msg);
	if (--a->rig->waiting == 0)
		loop_stop(a->rig->net.loop);
}

static void ask(struct rig *r, size_t i, size_t server, enum refresh_why why)
{
	struct refresh_request req = { .connection = r->net.world.connection, .why = why };
	struct asker *a = &r->askers[i];

	*a = (struct asker){ .op = { .done = answered, .ctx = a }, .rig = r };
	r->waiting++;
	refresh_connection(r->refreshers[server], &a->op, &req, &a->outcome);
}

static const struct refresh_outcome *ask_once(struct rig *r, enum refresh_why why)
{
	ask(r, 0, 0, why);
	loop_run(r->net.loop);
	return &r->askers[0].outcome;
}

/* Tests. */

static void two_servers_share_one_refresh(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	/* Else a server that is late finds a new token, and has nothing to share. */
	r.slow = true;
	for (size_t i = 0; i < ASKERS; i++)
		ask(&r, i, i % 2, REFRESH_DUE);
	loop_run(r.net.loop);
	r.slow = false;
	for (size_t i = 0; i < ASKERS; i++) {
		assert_true(r.askers[i].outcome.usable);
		assert_true(r.askers[i].outcome.renewed);
	}
	assert_int_equal(r.asked, 1);
	run(&r, DB_READ, job_read);
	assert_non_null(strstr(r.credentials, "\"refresh_token\":\"refresh-1\""));
	assert_non_null(strstr(r.credentials, "\"config_override\":{\"client_id\":\"c\"}"));
	struct refresher_stats a = refresher_stats(r.refreshers[0]);
	struct refresher_stats b = refresher_stats(r.refreshers[1]);
	assert_int_equal(a.renewed + b.renewed, 1);
	assert_int_equal(a.failed + b.failed + a.in_flight + b.in_flight, 0);
	/* A demand that comes while another server answers one is met by it. */
	ask(&r, 0, 0, REFRESH_DEMANDED);
	ask(&r, 1, 1, REFRESH_DEMANDED);
	loop_run(r.net.loop);
	assert_in_range(r.asked, 2, 3);
	rig_close(&r);
}

static void a_demand_joins_what_would_have_done_nothing(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	assert_true(ask_once(&r, REFRESH_DUE)->renewed);
	ask(&r, 0, 0, REFRESH_DUE);
	ask(&r, 1, 0, REFRESH_DEMANDED);
	loop_run(r.net.loop);
	assert_true(r.askers[1].outcome.renewed);
	assert_int_equal(r.asked, 2);
	/* A refusal of a token that is new is not the token's fault; later it may be. */
	assert_false(ask_once(&r, REFRESH_REFUSED)->renewed);
	shift(&r, 61 * 1000);
	assert_true(ask_once(&r, REFRESH_REFUSED)->renewed);
	assert_int_equal(r.asked, 3);
	rig_close(&r);
}

static void failures_back_off_and_end(void **state UNUSED)
{
	static const struct {
		int64_t later_ms;
		unsigned asked;
		const char *code;
		size_t owed; /* webhooks, in all */
	} rows[] = {
		{ 0, 1, "refresh_token_external_error", 1 },
		{ 29 * 1000, 1, "connection_refresh_backoff", 1 },
		{ 2 * 1000, 2, "refresh_token_external_error", 1 },
		{ 50 * 1000, 2, "connection_refresh_backoff", 1 },
		{ 11 * 1000, 3, "refresh_token_external_error", 1 },
		{ DAY_MS, 4, "refresh_token_external_error", 2 },
		{ DAY_MS, 5, "refresh_token_external_error", 3 },
		{ DAY_MS, 6, "refresh_token_external_error", 4 },
		{ DAY_MS, 6, "connection_refresh_exhausted", 4 },
	};
	struct rig r;

	rig_open(&r);
	/* Noon, so that the first rows are all of one day. */
	shift(&r, DAY_MS + DAY_MS / 2 - clock_now_ms() % DAY_MS);
	r.status = 500;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		shift(&r, rows[i].later_ms);
		const struct refresh_outcome *o = ask_once(&r, REFRESH_DUE);
		if (strcmp(o->code, rows[i].code) != 0 || r.asked != rows[i].asked ||
			r.net.world.owed != rows[i].owed || o->usable)
			fail_msg("row %zu: %s, asked %u, owed %zu", i, o->code, r.asked,
				r.net.world.owed);
	}
	run(&r, DB_READ, job_read);
	assert_non_null(strstr(r.errors, "\"type\":\"auth\""));
	r.status = 200;
	assert_true(ask_once(&r, REFRESH_DEMANDED)->renewed);
	run(&r, DB_READ, job_read);
	assert_string_equal(r.errors, "[]");
	rig_close(&r);
}

static void an_invalid_grant_is_final(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.status = 400;
	r.answer = "{\"error\":\"invalid_grant\"}";
	assert_int_equal(ask_once(&r, REFRESH_DUE)->status, 400);
	shift(&r, 3600 * 1000);
	assert_string_equal(ask_once(&r, REFRESH_DUE)->code, "connection_refresh_exhausted");
	assert_string_equal(ask_once(&r, REFRESH_REFUSED)->code, "connection_refresh_exhausted");
	assert_int_equal(r.asked, 1);
	assert_non_null(strstr(r.net.world.bodies[0], "\"operation\":\"refresh\""));
	assert_non_null(strstr(r.net.world.bodies[0], "\"type\":\"invalid_grant\""));
	/* Other credentials are another matter. */
	r.status = 200, r.answer = NULL;
	run(&r, DB_WRITE, job_expire);
	assert_true(ask_once(&r, REFRESH_DUE)->renewed);
	rig_close(&r);
}

static int job_claim(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	int64_t now = clock_now_ms(), fence;

	TRY(token_refresh_claim(
		c, r->net.world.connection, &r->dead, now, now + r->leased_ms, &fence, err));
	CHECK(fence > 0);
	return 0;
}

static int job_recover(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;

	return token_refresh_recover(c, &r->nodes[0], err);
}

static int job_is_held(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct token_refresh t;

	TRY(token_refresh_get(c, r->net.world.connection, db_arena(c), &t, err));
	CHECK(t.lease_ms > clock_now_ms());
	return 0;
}

static void the_lease_of_a_dead_process_ends_with_its_next_start(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	node_init(&r.dead, "elsewhere");
	r.leased_ms = 60000;
	run(&r, DB_WRITE, job_claim);
	node_init(&r.nodes[0], "here");
	run(&r, DB_WRITE, job_recover);
	run(&r, DB_READ, job_is_held);
	node_init(&r.nodes[0], "elsewhere");
	run(&r, DB_WRITE, job_recover);
	assert_true(ask_once(&r, REFRESH_DUE)->renewed);
	rig_close(&r);
}

static void the_lease_of_a_dead_server_runs_out(void **state UNUSED)
{
	int64_t start = clock_mono_us();
	struct rig r;

	rig_open(&r);
	node_init(&r.dead, NULL);
	r.leased_ms = 1000;
	run(&r, DB_WRITE, job_claim);
	assert_true(ask_once(&r, REFRESH_DUE)->renewed);
	assert_int_equal(r.asked, 1);
	assert_true(clock_mono_us() - start >= 900 * 1000);
	rig_close(&r);
}

static void waiting_can_be_cancelled(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	ask(&r, 0, 0, REFRESH_DUE);
	ask(&r, 1, 0, REFRESH_DUE);
	r.askers[0].op.cancel(&r.askers[0].op);
	r.askers[0].op.cancel(&r.askers[0].op);
	loop_run(r.net.loop);
	assert_true(r.askers[1].outcome.renewed);
	assert_false(r.askers[0].outcome.renewed);
	/* The last one leaves, and the refresh goes on. */
	ask(&r, 0, 0, REFRESH_DEMANDED);
	r.askers[0].op.cancel(&r.askers[0].op);
	loop_run(r.net.loop);
	refresher_drain(r.refreshers[0], provider_net_stop, &r.net);
	loop_run(r.net.loop);
	run(&r, DB_READ, job_read);
	assert_non_null(strstr(r.credentials, "access-2"));
	rig_close(&r);
}

#ifdef TIDEMARK_TEST_HOOKS
/* The old refresh token is gone by then: a database that fails must not cost the new one. */
static void a_new_token_survives_a_failing_commit(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	fault_set("token.save:1");
	assert_true(ask_once(&r, REFRESH_DUE)->renewed);
	assert_true(fault_fired());
	fault_set(NULL);
	run(&r, DB_READ, job_read);
	assert_non_null(strstr(r.credentials, "\"refresh-1\""));
	assert_int_equal(r.asked, 1);
	rig_close(&r);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_servers_share_one_refresh),
		cmocka_unit_test(a_demand_joins_what_would_have_done_nothing),
		cmocka_unit_test(failures_back_off_and_end),
		cmocka_unit_test(an_invalid_grant_is_final),
		cmocka_unit_test(the_lease_of_a_dead_server_runs_out),
		cmocka_unit_test(the_lease_of_a_dead_process_ends_with_its_next_start),
		cmocka_unit_test(waiting_can_be_cancelled),
#ifdef TIDEMARK_TEST_HOOKS
		cmocka_unit_test(a_new_token_survives_a_failing_commit),
#endif
	};
	return cmocka_run_group_tests_name("auth refresh", tests, NULL, NULL);
}
