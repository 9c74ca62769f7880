/* Deliveries to an app on the same loop, over a real database. */
#include "webhook/outbox.h"

#include "base/clock.h"
#include "base/sv.h"
#include "crypto/keyring.h"
#include "db/db.h"
#include "db/testdb.h"
#include "http/client.h"
#include "http/server.h"
#include "model/env.h"
#include "model/node.h"
#include "webhook/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
	struct loop *loop;
	struct node node;
	struct keyring *keys;
	struct db *db;
	struct http_server *server;
	struct http_client *client;
	struct guard *guard;
	struct outbox *outbox;
	struct testdb testdb;
	int64_t env;
	struct sv key;
	struct arena arena;
	/* The app: answers by script, the last entry stays; notes the bodies it got. */
	int script[8];
	size_t at;
	char got[512];
	char first_id[64], last_id[64];
	bool signed_well;
	struct http_call *held;
	struct timer timer;
	int64_t want; /* deliveries to end */
};

/* The app. */

static void check_signatures(struct rig *r, const struct http_call *call)
{
	struct sv id = http_headers_get(&call->headers, "webhook-id");
	struct sv at = http_headers_get(&call->headers, "webhook-timestamp");
	const struct sign_input standard = { .scheme = SIGN_STANDARD,
		.secret = r->key,
		.signature = http_headers_get(&call->headers, "webhook-signature"),
		.id = id,
		.timestamp = at,
		.body = call->body,
		.now_ms = clock_now_ms(),
		.tolerance_ms = 60000 };
	const struct sign_input hmac = { .scheme = SIGN_HMAC256_HEX,
		.secret = r->key,
		.signature = http_headers_get(&call->headers, "x-nango-hmac-sha256"),
		.body = call->body };
	const struct sign_input legacy = { .scheme = SIGN_SHA256_HEX,
		.secret = r->key,
		.signature = http_headers_get(&call->headers, "x-nango-signature"),
		.body = call->body };

	r->signed_well &= sign_verify(&standard) && sign_verify(&hmac) && sign_verify(&legacy);
	snprintf(r->last_id, sizeof(r->last_id), "%.*s", SV(id));
	if (!*r->first_id)
		memcpy(r->first_id, r->last_id, sizeof(r->first_id));
}

static void gone(struct http_call *call, void *ctx)
{
	((struct rig *)ctx)->held = NULL;
	http_reply(call, &(struct http_answer){ .status = 499 });
}

static void handle(void *ctx, struct http_call *call)
{
	struct rig *r = ctx;
	int status = r->script[r->at];
	size_t len = strlen(r->got);

	check_signatures(r, call);
	snprintf(r->got + len, sizeof(r->got) - len, "%.*s;", SV(call->body));
	if (r->script[r->at + 1])
		r->at++;
	if (status) {
		http_reply(call, &(struct http_answer){ .status = status });
		return;
	}
	r->held = call;
	http_call_on_abort(call, gone, r);
}

static size_t limit(void *ctx UNUSED, struct http_call *call UNUSED)
{
	return 1 << 20;
}

/* The rig. */

static int job_environment(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct environment e;

	TRY(env_create(c, r->keys, SV_LIT("dev"), false, &r->env, err));
	TRY(env_get(c, r->env, &r->arena, &e, err));
	e.primary_url = sv_str(http_server_url(r->server));
	TRY(env_save_webhooks(c, &e, err));
	return env_signing_key(c, r->keys, r->env, &r->arena, &r->key, err);
}

static void start(struct rig *r)
{
	r->outbox = outbox_new(&(struct outbox_config){ .loop = r->loop,
		.db = r->db,
		.keys = r->keys,
		.node = &r->node,
		.client = r->client,
		.backoff_base_ms = 10 });
}

static void rig_open(struct rig *r)
{
	struct master_key master = { 0 };
	struct err err = { 0 };

	*r = (struct rig){ .script = { 200 }, .signed_well = true };
	r->loop = loop_new();
	assert_int_equal(master_key_parse(SV_LIT("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
				 &master, &err),
		0);
	r->keys = keyring_new(&master);
	node_init(&r->node, "here");
	testdb_make(&r->testdb);
	struct db_config cfg = testdb_config(&r->testdb);
	struct http_server_opts server = {
		.listen = SV_LIT("127.0.0.1:0"), .handler = handle, .limit = limit, .ctx = r
	};
	r->guard = guard_new();
	assert_int_equal(guard_allow(r->guard, SV_LIT("127.0.0.1"), &err), 0);
	r->client = http_client_new(r->loop, &(struct http_client_opts){ .guard = r->guard });
	if (http_server_new(r->loop, &server, &r->server, &err) < 0 ||
		db_open(&cfg, r->loop, &r->db, &err) < 0 ||
		db_run(r->db, DB_WRITE, job_environment, r, &err) < 0)
		fail_msg("%s", err.msg);
}

static void stop(void *ctx)
{
	loop_stop(((struct rig *)ctx)->loop);
}

static void drain(struct rig *r)
{
	outbox_drain(r->outbox, stop, r);
	loop_run(r->loop);
	outbox_free(r->outbox);
	r->outbox = NULL;
}

static void rig_close(struct rig *r)
{
	if (r->outbox)
		drain(r);
	http_server_drain(r->server, stop, r);
	loop_run(r->loop);
	http_client_free(r->client);
	http_server_free(r->server);
	db_close(r->db);
	keyring_free(r->keys);
	guard_free(r->guard);
	arena_done(&r->arena);
	loop_free(r->loop);
	testdb_drop(&r->testdb);
}

struct owed {
	struct rig *rig;
	const char *body, *url;
	int count;
};

static int job_add(struct dbc *c, void *arg, struct err *err)
{
	struct owed *o = arg;
	struct outbox_message m = { .environment_id = o->rig->env,
		.type = "sync",
		.lane = SV_LIT("s1"),
		.body = sv_str(o->body),
		.url_override = sv_str(o->url) };

	o->count = outbox_add(c, &m, err);
	return o->count;
}

static void owe(struct rig *r, const char *body, const char *url)
{
	struct owed o = { r, body, url, 0 };
	struct err err = { 0 };

	if (db_run(r->db, DB_WRITE, job_add, &o, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(o.count, 1);
}

static void look(struct timer *t)
{
	struct rig *r = container_of(t, struct rig, timer);
	struct outbox_stats s = outbox_stats(r->outbox);

	if (s.delivered + s.dead >= r->want && s.in_flight == 0)
		loop_stop(r->loop);
	else
		timer_start(r->loop, &r->timer, 5, look);
}

static void deliver(struct rig *r, int64_t want)
{
	r->want = want;
	if (!r->outbox)
		start(r);
	outbox_wake(r->outbox);
	timer_start(r->loop, &r->timer, 5, look);
	loop_run(r->loop);
}

static const char *ask(struct rig *r, const char *sql)
{
	return testdb_ask(&r->testdb, sql);
}

/* Tests. */

static void delivers_signed_and_writes_it_down(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	owe(&r, "{\"n\":1}", NULL);
	deliver(&r, 1);
	assert_string_equal(r.got, "{\"n\":1};");
	assert_true(r.signed_well);
	assert_string_equal(
		ask(&r, "SELECT state || attempts || last_status FROM outbox"), "DELIVERED1200 ");
	assert_string_equal(
		ask(&r, "SELECT o.type || '/' || o.action || '/' || o.state || '/' || m.level "
			"FROM log_operations o JOIN log_messages m ON m.operation_id = o.id"),
		"webhook/sync/success/info ");
	rig_close(&r);
}

static void keeps_order_while_it_retries(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.script[0] = 500, r.script[1] = 429, r.script[2] = 200;
	owe(&r, "a", NULL);
	owe(&r, "b", NULL);
	owe(&r, "c", NULL);
	deliver(&r, 3);
	assert_string_equal(r.got, "a;a;a;b;c;");
	assert_string_equal(ask(&r, "SELECT attempts FROM outbox ORDER BY id"), "3 1 1 ");
	assert_string_equal(ask(&r, "SELECT level FROM log_messages ORDER BY id"),
		"error error info info info ");
	rig_close(&r);
}

static void gives_up_what_cannot_succeed(void **state UNUSED)
{
	static const char *const urls[] = { "http://10.1.2.3/x", "http://169.254.169.254/",
		"gopher://x", "nonsense" };

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct rig r;
		rig_open(&r);
		owe(&r, "a", urls[i]);
		owe(&r, "b", urls[i]);
		deliver(&r, 2);
		if (strcmp(ask(&r, "SELECT state || attempts FROM outbox"), "DEAD1 DEAD1 ") != 0)
			fail_msg("%s: %s", urls[i], ask(&r, "SELECT last_error FROM outbox"));
		assert_string_equal(ask(&r, "SELECT state FROM log_operations"), "failed failed ");
		rig_close(&r);
	}
}

static void an_answer_ends_it(void **state UNUSED)
{
	static const struct {
		int status;
		const char *state;
	} cases[] = { { 400, "DEAD1 " }, { 410, "DEAD1 " }, { 304, "DEAD1 " },
		{ 204, "DELIVERED1 " } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;
		rig_open(&r);
		r.script[0] = cases[i].status;
		owe(&r, "a", NULL);
		deliver(&r, 1);
		assert_string_equal(
			ask(&r, "SELECT state || attempts FROM outbox"), cases[i].state);
		rig_close(&r);
	}
}

static void drain_later(struct timer *t)
{
	struct rig *r = container_of(t, struct rig, timer);

	if (r->held)
		loop_stop(r->loop);
	else
		timer_start(r->loop, &r->timer, 5, drain_later);
}

static void what_a_drain_cuts_short_is_delivered_later(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.script[0] = 0;
	owe(&r, "a", NULL);
	start(&r);
	timer_start(r.loop, &r.timer, 5, drain_later);
	loop_run(r.loop);
	drain(&r);
	assert_string_equal(ask(&r, "SELECT state || attempts FROM outbox"), "PENDING0 ");
	r.script[0] = 200;
	deliver(&r, 1);
	assert_string_equal(r.got, "a;a;");
	assert_string_equal(r.first_id, r.last_id);
	rig_close(&r);
}

/* All writers of the database are busy until the drain has begun. */
struct busy {
	struct rig *rig;
	struct op ops[8]; /* more than there are writers */
	struct timer timer;
	atomic_bool draining;
	size_t left; /* those and the drain itself */
};

static int job_busy(struct dbc *c UNUSED, void *arg, struct err *err UNUSED)
{
	struct busy *b = arg;

	while (!atomic_load(&b->draining))
		usleep(2000);
	return 0;
}

static void one_less(void *ctx)
{
	struct busy *b = ctx;

	if (--b->left == 0)
		loop_stop(b->rig->loop);
}

static void not_busy(void *ctx, const struct err *err)
{
	assert_int_equal(err->code, ERR_OK);
	one_less(ctx);
}

static void answer_while_busy(struct timer *t)
{
	struct busy *b = container_of(t, struct busy, timer);
	struct rig *r = b->rig;

	if (r->held) {
		for (size_t i = 0; i < ARRAY_LEN(b->ops); i++) {
			b->ops[i] = (struct op){ .done = not_busy, .ctx = b };
			db_submit(r->db, DB_WRITE, &b->ops[i], job_busy, b);
		}
		http_reply(take(r->held), &(struct http_answer){ .status = 200 });
	} else if (outbox_stats(r->outbox).delivered) {
		outbox_drain(r->outbox, one_less, b);
		atomic_store(&b->draining, true);
		return;
	}
	timer_start(r->loop, &b->timer, 5, answer_while_busy);
}

static void what_was_answered_before_a_drain_is_not_sent_again(void **state UNUSED)
{
	struct rig r;
	struct busy b = { .rig = &r, .left = ARRAY_LEN(b.ops) + 1 };

	rig_open(&r);
	r.script[0] = 0;
	owe(&r, "a", NULL);
	start(&r);
	timer_start(r.loop, &b.timer, 5, answer_while_busy);
	loop_run(r.loop);
	outbox_free(take(r.outbox));
	assert_string_equal(ask(&r, "SELECT state || attempts FROM outbox"), "DELIVERED1 ");
	rig_close(&r);
}

/* One delivery is added while the one before it is being ended, in two transactions at once. */
struct meeting {
	struct owed owed;
	struct op op;
	struct timer timer;
	atomic_bool added; /* not committed yet */
	bool over;
};

/* Stays open until the other transaction has come to its end, or waits for this one. */
static int job_add_slowly(struct dbc *c, void *arg, struct err *err)
{
	struct meeting *m = arg;
	const struct testdb *db = &m->owed.rig->testdb;
	const char *met = "SELECT 1 FROM outbox WHERE state = 'DELIVERED' UNION "
			  "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
			  "WHERE datname = current_database() AND locktype = 'advisory' "
			  "AND NOT granted";

	TRY(job_add(c, &m->owed, err));
	atomic_store(&m->added, true);
	/* On SQLite there is no other transaction. */
	while (testdb_is_postgres(db) && !*testdb_ask(db, met))
		usleep(2000);
	return 0;
}

static void added(void *ctx, const struct err *err)
{
	struct meeting *m = ctx;

	assert_int_equal(err->code, ERR_OK);
	m->over = true;
}

static void meet(struct timer *t)
{
	struct meeting *m = container_of(t, struct meeting, timer);
	struct rig *r = m->owed.rig;
	struct outbox_stats s = outbox_stats(r->outbox);

	if (r->held && !m->op.done) {
		m->op = (struct op){ .done = added, .ctx = m };
		db_submit(r->db, DB_WRITE, &m->op, job_add_slowly, m);
	} else if (r->held && atomic_load(&m->added)) {
		http_reply(take(r->held), &(struct http_answer){ .status = 200 });
	} else if (m->over && s.delivered && !s.in_flight) {
		loop_stop(r->loop);
		return;
	}
	timer_start(r->loop, &m->timer, 5, meet);
}

static void what_is_added_while_the_one_before_ends_has_its_turn(void **state UNUSED)
{
	struct rig r;
	struct meeting m = { .owed = { &r, "b", NULL, 0 } };

	rig_open(&r);
	r.script[0] = 0, r.script[1] = 200;
	owe(&r, "a", NULL);
	start(&r);
	timer_start(r.loop, &m.timer, 5, meet);
	loop_run(r.loop);
	/* Nothing else would give it its turn. */
	assert_string_equal(ask(&r, "SELECT COUNT(*) FROM outbox "
				    "WHERE state = 'PENDING' AND next_ms = 9000000000000000"),
		"0 ");
	deliver(&r, 2);
	assert_string_equal(r.got, "a;b;");
	rig_close(&r);
}

/* A process that died while it delivered, of this or that place. */
static void claimed_by(struct rig *r, const char *place)
{
	char sql[512];
	struct node dead;

	node_init(&dead, place);
	snprintf(sql, sizeof(sql), "UPDATE outbox SET owner = '%s', next_ms = %lld, attempts = 1",
		dead.owner, (long long)clock_now_ms() + 30000);
	ask(r, sql);
}

static void claims_of_its_dead_are_taken_over(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	owe(&r, "a", NULL);
	claimed_by(&r, "here");
	deliver(&r, 1);
	assert_string_equal(r.got, "a;");
	assert_string_equal(
		ask(&r, "SELECT state || attempts FROM outbox WHERE owner IS NULL"), "DELIVERED2 ");
	rig_close(&r);
}

static void claims_of_others_are_left_alone(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	owe(&r, "a", NULL);
	claimed_by(&r, NULL);
	deliver(&r, 0); /* looks once, and finds nothing */
	drain(&r);
	assert_string_equal(r.got, "");
	clock_shift_ms(31000);
	deliver(&r, 1);
	clock_shift_ms(-31000);
	assert_string_equal(r.got, "a;");
	rig_close(&r);
}

static int job_resend(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;

	return outbox_resend(c, r->env, sv_str(r->last_id), err);
}

static void can_be_sent_again(void **state UNUSED)
{
	struct err err = { 0 };
	struct rig r;

	rig_open(&r);
	snprintf(r.last_id, sizeof(r.last_id), "nobody");
	assert_int_equal(db_run(r.db, DB_WRITE, job_resend, &r, &err), ERR_NOT_FOUND);
	owe(&r, "a", NULL);
	deliver(&r, 1);
	assert_int_equal(db_run(r.db, DB_WRITE, job_resend, &r, &err), 0);
	deliver(&r, 2);
	assert_string_equal(r.got, "a;a;");
	assert_string_equal(r.first_id, r.last_id);
	rig_close(&r);
}

static int job_prune(struct dbc *c, void *arg, struct err *err)
{
	return outbox_prune(c, clock_now_ms() + 60000, 10, arg, err);
}

static void forgets_what_was_delivered(void **state UNUSED)
{
	struct err err = { 0 };
	struct rig r;
	int64_t n;

	rig_open(&r);
	owe(&r, "a", NULL);
	deliver(&r, 1);
	owe(&r, "b", NULL);
	assert_int_equal(db_run(r.db, DB_WRITE, job_prune, &n, &err), 0);
	assert_int_equal(n, 1);
	deliver(&r, 2);
	assert_string_equal(r.got, "a;b;");
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivers_signed_and_writes_it_down),
		cmocka_unit_test(keeps_order_while_it_retries),
		cmocka_unit_test(gives_up_what_cannot_succeed),
		cmocka_unit_test(an_answer_ends_it),
		cmocka_unit_test(what_a_drain_cuts_short_is_delivered_later),
		cmocka_unit_test(what_was_answered_before_a_drain_is_not_sent_again),
		cmocka_unit_test(what_is_added_while_the_one_before_ends_has_its_turn),
		cmocka_unit_test(claims_of_its_dead_are_taken_over),
		cmocka_unit_test(claims_of_others_are_left_alone),
		cmocka_unit_test(can_be_sent_again),
		cmocka_unit_test(forgets_what_was_delivered),
	};
	return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
