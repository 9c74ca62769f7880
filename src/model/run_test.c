#include "model/run_fixture.h"

#include "data/json.h"
#include "model/checkpoint.h"
#include "model/lock.h"
#include "model/node.h"
#include "model/oplog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ME SV_LIT("me")

static int claim(struct dbc *c, unsigned limit, struct run_claim *ret, struct err *err)
{
	*ret = (struct run_claim){ .owner = ME, .now_ms = clock_now_ms(), .limit = limit };
	return run_claim(c, ret, db_arena(c), err);
}

/* Claims and begins the only run that is due. */
static int begin(struct dbc *c, struct run *ret, struct err *err)
{
	struct run_claim cl;

	TRY(claim(c, 10, &cl, err));
	CHECK(cl.count == 1);
	return run_begin(c, cl.ids[0], ME, db_arena(c), ret, err);
}

static int finish_ok(struct dbc *c, const struct run *run, struct err *err)
{
	struct run_end end = { .run = run, .ok = true };

	return run_finish(c, &end, err);
}

static int due_once(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct run_claim cl;
	struct sync s;
	struct run run;

	TRY(claim(c, 10, &cl, err));
	CHECK(cl.count == 1 && cl.next_ms == 0);
	TRY(world_sync(c, &s, err));
	CHECK(s.run_id == cl.ids[0]);
	TRY(run_begin(c, cl.ids[0], ME, db_arena(c), &run, err));
	CHECK(run.fence == 1 && run.attempt == 1 && run.initial && !run.resumed && !run.refusal);
	CHECK(sv_eq_str(run.name, "contacts") && sv_eq_str(run.integration, "crm"));
	TRY(claim(c, 10, &cl, err));
	CHECK(cl.count == 0);
	TRY(finish_ok(c, &run, err));
	TRY(world_sync(c, &s, err));
	CHECK(s.run_id == 0 && s.last_sync_ms == run.started_ms);
	CHECK(s.next_run_ms >= w->created_ms && s.next_run_ms <= clock_now_ms() + 3600000);
	TRY(claim(c, 10, &cl, err));
	CHECK(cl.count == 0 && cl.next_ms == s.next_run_ms);
	/* One webhook per model: the environment wants them always. */
	CHECK(w->owed == 2);
	CHECK(strstr(w->bodies[0], "\"model\":\"Contact\"") &&
		strstr(w->bodies[0], "\"syncType\":\"INITIAL\""));
	return 0;
}

static int counts(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	own_in(run_guard_done) struct run_guard g = { 0 };
	struct run_counts n = { .added = 3, .updated = 1 };
	struct run run;

	TRY(begin(c, &run, err));
	g = (struct run_guard){ .id = run.id, .fence = run.fence };
	TRY(run_guard(c, &g, err));
	TRY(run_count(c, &g, SV_LIT("Contact"), &n, err));
	TRY(run_count(c, &g, SV_LIT("Contact"), &n, err));
	struct run_end end = { .run = &run,
		.ok = true,
		.checkpoint_from = SV_LIT("null"),
		.checkpoint_to = SV_LIT("{\"b\":1,\"a\":2}") };
	TRY(run_finish(c, &end, err));
	CHECK(end.owed);
	char want[700], iso[CLOCK_ISO_SIZE];
	clock_iso_ms(run.started_ms, iso);
	snprintf(want, sizeof(want),
		"{\"checkpoints\":{\"from\":null,\"to\":{\"a\":2,\"b\":1}},\"connectionId\":\"c-"
		"1\","
		"\"from\":\"nango\",\"model\":\"Contact\",\"modifiedAfter\":\"%s\","
		"\"providerConfigKey\":\"crm\",\"queryTimeStamp\":\"%s\","
		"\"responseResults\":{\"added\":6,\"deleted\":0,\"updated\":2},\"success\":true,"
		"\"syncName\":\"contacts\",\"syncType\":\"INITIAL\",\"syncVariant\":\"base\","
		"\"type\":\"sync\"}",
		iso, iso);
	if (strcmp(w->bodies[0], want))
		fprintf(stderr, "%s\n%s\n", w->bodies[0], want);
	CHECK(!strcmp(w->bodies[0], want));
	return 0;
}

static int failure(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct run run;
	struct sync s;

	TRY(begin(c, &run, err));
	struct run_end end = { .run = &run,
		.error = SV_LIT("{\"type\":\"script_internal_error\",\"message\":\"boom\","
				"\"payload\":{\"name\":\"Error\"}}") };
	TRY(run_finish(c, &end, err));
	TRY(world_sync(c, &s, err));
	CHECK(s.last_sync_ms == 0 && s.run_id == 0);
	CHECK(w->owed == 1);
	CHECK(strstr(w->bodies[0], "\"model\":\"Contact,Company\""));
	CHECK(strstr(w->bodies[0],
		"\"error\":{\"description\":\"boom\",\"payload\":{\"name\":\"Error\"},"
		"\"type\":\"script_error\"}"));
	return 0;
}

static int retries(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct run_claim cl;
	struct run run;

	TRY(begin(c, &run, err));
	struct run_end end = { .run = &run,
		.may_retry = true,
		.retries = 1,
		.error = SV_LIT("{\"type\":\"function_runtime_other\"}") };
	TRY(run_finish(c, &end, err));
	CHECK(end.again && w->owed == 0);
	TRY(claim(c, 10, &cl, err));
	CHECK(cl.count == 0 && cl.next_ms == end.next_ms);
	clock_shift_ms(8000);
	TRY(begin(c, &run, err));
	CHECK(run.attempt == 2 && run.fence == 2);
	end = (struct run_end){
		.run = &run, .may_retry = true, .retries = 1, .error = SV_LIT("{}")
	};
	TRY(run_finish(c, &end, err));
	CHECK(!end.again && w->owed == 1);
	clock_shift_ms(0);
	return 0;
}

static int fenced(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	own_in(run_guard_done) struct run_guard g = { 0 };
	struct run run;
	struct sync s;
	int64_t *ids;
	size_t n;

	TRY(begin(c, &run, err));
	TRY(world_sync(c, &s, err));
	TRY(sync_pause(c, &s, err));
	g = (struct run_guard){ .id = run.id, .fence = run.fence };
	CHECK(run_guard(c, &g, NULL) == ERR_CANCELLED);
	struct run_end end = { .run = &run, .ok = true };
	CHECK(run_finish(c, &end, NULL) == ERR_CANCELLED);
	TRY(run_cancelled(c, ME, db_arena(c), &ids, &n, err));
	CHECK(n == 1 && ids[0] == run.id);
	TRY(run_cancelled(c, ME, db_arena(c), &ids, &n, err));
	CHECK(n == 0 && w->owed == 0);
	TRY(world_sync(c, &s, err));
	CHECK(s.paused && s.run_id == 0);
	TRY(sync_start(c, &s, err));
	TRY(begin(c, &run, err));
	return 0;
}

static int triggers(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct run run;
	struct sync s;

	TRY(begin(c, &run, err));
	TRY(world_sync(c, &s, err));
	TRY(sync_trigger(c, &s, false, false, err));
	TRY(sync_trigger(c, &s, false, false, err));
	TRY(finish_ok(c, &run, err));
	int64_t first = run.id;
	TRY(begin(c, &run, err));
	CHECK(run.id != first && run.due_ms == 0 && !run.initial);
	TRY(finish_ok(c, &run, err));
	struct run_claim cl;
	TRY(claim(c, 10, &cl, err));
	CHECK(cl.count == 0 && w->owed == 4);
	return 0;
}

static int resets(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct checkpoint cp;
	struct run run, old;
	struct sync s;
	int64_t version = 0;

	TRY(begin(c, &old, err));
	TRY(checkpoint_put(c, w->env, w->connection, SV_LIT("sync:contacts:base"), SV_LIT("{}"),
		&version, err));
	version = 0;
	TRY(checkpoint_put(c, w->env, w->connection, SV_LIT("sync:contacts:base2"), SV_LIT("{}"),
		&version, err));
	TRY(world_sync(c, &s, err));
	TRY(sync_trigger(c, &s, true, true, err));
	CHECK(w->owed == 1 && strstr(w->bodies[0], "\"model\":\"\""));
	CHECK(strstr(w->bodies[0], "Execution was cancelled"));
	TRY(begin(c, &run, err));
	CHECK(run.empty_cache && run.initial && run.id != old.id);
	TRY(checkpoint_get(c, w->connection, SV_LIT("sync:contacts:base"), db_arena(c), &cp, err));
	CHECK(!cp.value.ptr && cp.version == 0);
	TRY(checkpoint_get(c, w->connection, SV_LIT("sync:contacts:base2"), db_arena(c), &cp, err));
	CHECK(cp.value.ptr);
	CHECK(finish_ok(c, &old, NULL) == ERR_CANCELLED);
	return finish_ok(c, &run, err);
}

static int recovers(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct node dead, elsewhere, next;
	struct run run, again;
	int64_t n;

	node_init(&dead, "here");
	node_init(&elsewhere, "here2");
	node_init(&next, "here");
	struct run_claim cl = { .owner = sv_str(dead.owner), .now_ms = clock_now_ms(), .limit = 5 };
	TRY(run_claim(c, &cl, db_arena(c), err));
	TRY(run_begin(c, cl.ids[0], cl.owner, db_arena(c), &run, err));
	/* What is its own stays, and what others may still be at. */
	TRY(run_recover(c, &dead, clock_now_ms(), &n, err));
	CHECK(n == 0);
	TRY(run_recover(c, &elsewhere, clock_now_ms(), &n, err));
	CHECK(n == 0);
	TRY(run_recover(c, &next, clock_now_ms(), &n, err));
	CHECK(n == 1);
	TRY(begin(c, &again, err));
	CHECK(again.id == run.id && again.fence == 2 && again.resumed && again.attempt == 1);
	CHECK(finish_ok(c, &run, NULL) == ERR_CANCELLED);
	return finish_ok(c, &again, err);
}

/* Who shares no place waits for the lease; who is alone with the store does not. */
static int recovers_by_lease(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct node dead, other, alone;
	int64_t n, now = clock_now_ms();

	node_init(&dead, NULL);
	node_init(&other, NULL);
	node_init(&alone, "");
	struct run_claim cl = { .owner = sv_str(dead.owner), .now_ms = now, .limit = 5 };
	TRY(run_claim(c, &cl, db_arena(c), err));
	TRY(run_recover(c, &other, now + RUN_LEASE_MS, &n, err));
	CHECK(n == 0);
	TRY(run_recover(c, &other, now + 2 * RUN_LEASE_MS, &n, err));
	CHECK(n == 1);
	TRY(run_claim(c, &cl, db_arena(c), err));
	CHECK(cl.count == 1);
	TRY(run_recover(c, &alone, now, &n, err));
	CHECK(n == 1);
	return 0;
}

static int refuses(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct run_claim cl;
	struct function f;
	struct run run;

	TRY(claim(c, 5, &cl, err));
	TRY(function_get(c, w->function, db_arena(c), &f, err));
	CHECK(cl.count == 1);
	TRY(function_set_enabled(c, &f, false, err));
	CHECK(run_begin(c, cl.ids[0], ME, db_arena(c), &run, NULL) == ERR_CANCELLED);
	TRY(claim(c, 5, &cl, err));
	CHECK(cl.count == 0);
	TRY(function_set_enabled(c, &f, true, err));
	TRY(begin(c, &run, err));
	CHECK(!run.refusal);
	return 0;
}

static int versions(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct sv key = SV_LIT("sync:a:base");
	int64_t v = 0;
	struct checkpoint cp;

	TRY(checkpoint_clear(c, w->connection, key, &v, err));
	TRY(checkpoint_put(c, w->env, w->connection, key, SV_LIT("{\"x\":1}"), &v, err));
	CHECK(v == 1);
	TRY(checkpoint_put(c, w->env, w->connection, key, SV_LIT("{\"x\":2}"), &v, err));
	int64_t stale = 1;
	CHECK(checkpoint_put(c, w->env, w->connection, key, SV_LIT("{}"), &stale, NULL) ==
		ERR_CONFLICT);
	TRY(checkpoint_clear(c, w->connection, key, &v, err));
	TRY(checkpoint_get(c, w->connection, key, db_arena(c), &cp, err));
	CHECK(!cp.value.ptr && cp.version == 3);
	TRY(checkpoint_put(c, w->env, w->connection, key, SV_LIT("{\"x\":3}"), &v, err));
	TRY(checkpoint_get(c, w->connection, key, db_arena(c), &cp, err));
	CHECK(sv_eq_str(cp.value, "{\"x\":3}") && cp.version == 4);
	return 0;
}

static int locking(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct lock_key a = { w->env, SV_LIT("k"), SV_LIT("run-a") };
	struct lock_key b = { w->env, SV_LIT("k"), SV_LIT("run-b") };
	bool ok;

	TRY(lock_acquire(c, &a, 1000, &ok, err));
	CHECK(ok);
	TRY(lock_acquire(c, &b, 1000, &ok, err));
	CHECK(!ok);
	TRY(lock_acquire(c, &a, 5000, &ok, err));
	CHECK(ok);
	TRY(lock_release(c, &b, &ok, err));
	CHECK(!ok);
	clock_shift_ms(6000);
	TRY(lock_acquire(c, &b, 1000, &ok, err));
	CHECK(ok);
	TRY(lock_release_all(c, w->env, b.owner, err));
	TRY(lock_acquire(c, &a, 1000, &ok, err));
	CHECK(ok);
	CHECK(lock_acquire(c, &a, 0, &ok, NULL) == ERR_INVALID);
	return 0;
}

static int frequencies(struct dbc *c, void *arg UNUSED, struct err *err)
{
	const char *text;
	struct sync s;

	TRY(world_sync(c, &s, err));
	TRY(sync_set_frequency(c, &s, "every 2 hours", db_arena(c), &text, err));
	CHECK(!strcmp(text, "2 hours"));
	TRY(world_deploy(c, "every day", 86400000, true, err));
	TRY(world_sync(c, &s, err));
	CHECK(s.interval_ms == 7200000);
	TRY(sync_set_frequency(c, &s, NULL, db_arena(c), &text, err));
	CHECK(!strcmp(text, "every day"));
	TRY(world_deploy(c, "every 30 minutes", 1800000, true, err));
	TRY(world_sync(c, &s, err));
	CHECK(s.interval_ms == 1800000 && !s.frequency);
	return 0;
}

static int variants(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct sync v, *all;
	size_t n;

	TRY(sync_variant_create(
		c, w->connection, SV_LIT("contacts"), SV_LIT("eu"), db_arena(c), &v, err));
	CHECK(!v.paused && !strcmp(v.variant, "eu"));
	CHECK(sync_variant_create(c, w->connection, SV_LIT("contacts"), SV_LIT("eu"), db_arena(c),
		      &v, NULL) == ERR_CONFLICT);
	CHECK(sync_variant_create(c, w->connection, SV_LIT("contacts"), SV_LIT("BASE"), db_arena(c),
		      &v, NULL) == ERR_INVALID);
	CHECK(sync_variant_create(c, w->connection, SV_LIT("nothing"), SV_LIT("eu"), db_arena(c),
		      &v, NULL) == ERR_NOT_FOUND);
	struct sync_name name = { SV_LIT("contacts"), SV_LIT("eu") };
	TRY(sync_select(c, 0, w->connection, &name, 1, db_arena(c), &all, &n, err));
	CHECK(n == 1);
	TRY(sync_variant_delete(c, &all[0], err));
	TRY(sync_select(c, 0, w->connection, NULL, 0, db_arena(c), &all, &n, err));
	CHECK(n == 1);
	return 0;
}

static int status_is(struct dbc *c, const char *status, struct err *err)
{
	own(json_unref) struct json_t *list = NULL;
	struct sync s;

	TRY(world_sync(c, &s, err));
	TRY(sync_status_json(c, &s, 1, &list, err));
	struct json_t *item = json_item(list, 0);
	CHECK(sv_eq_str(json_sv(json_member(item, SV_LIT("status"))), status));
	CHECK(sv_eq_str(json_sv(json_member(item, SV_LIT("frequency"))), "every hour"));
	CHECK(json_int(json_find(item, SV_LIT("recordCount.Contact"))) == 0);
	return 0;
}

static int statuses(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct run run;
	struct sync s;

	TRY(status_is(c, "SUCCESS", err));
	TRY(begin(c, &run, err));
	TRY(status_is(c, "RUNNING", err));
	struct run_end end = { .run = &run, .error = SV_LIT("{}") };
	TRY(run_finish(c, &end, err));
	TRY(status_is(c, "ERROR", err));
	TRY(world_sync(c, &s, err));
	TRY(sync_pause(c, &s, err));
	return status_is(c, "PAUSED", err);
}

static int deleted_and_back(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct sync before, s, *all;
	size_t n;

	TRY(world_sync(c, &before, err));
	TRY(sync_delete_of_function(c, w->integration, SV_LIT("contacts"), err));
	TRY(sync_select(c, 0, w->connection, NULL, 0, db_arena(c), &all, &n, err));
	CHECK(n == 0);
	TRY(sync_ensure_for_function(c, w->function, err));
	TRY(world_sync(c, &s, err));
	CHECK(!strcmp(s.id, before.id) && !s.paused);
	TRY(sync_pause(c, &s, err));
	TRY(sync_ensure_for_connection(c, w->connection, err));
	TRY(world_sync(c, &s, err));
	CHECK(s.paused);
	TRY(sync_ensure_for_function(c, w->function, err));
	TRY(world_sync(c, &s, err));
	CHECK(!s.paused);
	return 0;
}

static int logs(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	char id[OPLOG_ID_SIZE];
	int64_t now = clock_now_ms(), n;
	struct oplog_operation op = {
		.id = oplog_id(now, id),
		.environment_id = w->env,
		.type = "sync",
		.action = "run",
		.state = "running",
		.message = SV_LIT("x"),
		.created_ms = now,
	};

	CHECK(strlen(id) == 22);
	TRY(oplog_open(c, &op, err));
	TRY(oplog_write(c, id, "info", "log", "user", SV_LIT("hello"), SV_NULL, now, err));
	TRY(oplog_close(c, id, "success", SV_NULL, SV_NULL, now, err));
	TRY(oplog_prune(c, now, 10, &n, err));
	CHECK(n == 0);
	TRY(oplog_prune(c, now + 1, 10, &n, err));
	CHECK(n == 1);
	return 0;
}

#define JOB_TEST(name)                        \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		in_world(name);               \
	}
/* The formatter never settles on where these backslashes go. */
/* clang-format off */
#define JOB_TESTS(X)                                                             \
	X(due_once)                                                              \
	X(counts)                                                                \
	X(failure)                                                               \
	X(retries)                                                               \
	X(fenced)                                                                \
	X(triggers)                                                              \
	X(resets)                                                                \
	X(recovers)                                                              \
	X(recovers_by_lease)                                                     \
	X(refuses) X(versions) X(locking) X(frequencies) X(variants) X(statuses) \
		X(deleted_and_back) X(logs)
/* clang-format on */
JOB_TESTS(JOB_TEST)

static void checkpoint_limits(void **state UNUSED)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{ "{}", 0 },
		{ "{\"a\":1,\"b\":\"x\",\"c\":true}", 0 },
		{ "{\"a\":null}", ERR_INVALID },
		{ "{\"a\":[]}", ERR_INVALID },
		{ "{\"a\":{}}", ERR_INVALID },
		{ "[1]", ERR_INVALID },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(json_unref) struct json_t *v = NULL;
		assert_int_equal(json_parse(sv_str(cases[i].text), &v, NULL), 0);
		assert_int_equal(checkpoint_check(v, NULL), cases[i].want);
	}
}

extern const struct CMUnitTest sync_schedule_tests[];
extern const size_t sync_schedule_test_count;

int main(void)
{
#define ENTRY(name) cmocka_unit_test(test_##name),
	const struct CMUnitTest tests[] = { JOB_TESTS(ENTRY) cmocka_unit_test(checkpoint_limits) };

	return _cmocka_run_group_tests(
		       "schedule", sync_schedule_tests, sync_schedule_test_count, NULL, NULL) +
	       cmocka_run_group_tests(tests, NULL, NULL);
}
