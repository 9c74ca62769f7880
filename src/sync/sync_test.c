/*
 * Runs from due to done with the real runner (its path is the argument) and a real database; only
 * the providers' answers and the outbox are scripted.
 */
#include "auth/refresh.h"
#include "base/fault.h"
#include "crypto/keyring.h"
#include "http/client.h"
#include "model/node.h"
#include "model/oplog.h"
#include "model/provider.h"
#include "model/run_fixture.h"
#include "proxy/proxy.h"
#include "records/read.h"
#include "runner/pool.h"
#include "sched/ticker.h"
#include "sync/runs.h"

#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char *runner_exe;

/* The provider: GET /page?n=N answers with N and two records; /slow never does. */

static struct timer answer_timer;
static struct op *answer_op;

static void answer(struct timer *t UNUSED)
{
	op_complete(answer_op, NULL);
}

static void answer_cancelled(struct timer *t UNUSED)
{
	struct err err;

	err_set(&err, ERR_CANCELLED, "cancelled");
	op_complete(answer_op, &err);
}

static struct loop *the_loop;

static void give_up(struct op *op UNUSED)
{
	timer_start(the_loop, &answer_timer, 0, answer_cancelled);
}

void proxy_send(
	struct proxy *p, struct op *op, const struct proxy_request *req, struct proxy_reply *reply)
{
	*reply = (struct proxy_reply){ 0 };
	http_response_init(&reply->response);
	reply->response.status = 200;
	buf_init(&reply->response.body, 4096);
	buf_str(&reply->response.body, "[{\"id\":\"1\",\"name\":\"Ada\"},{\"id\":2}]");
	answer_op = op;
	the_loop = p->loop;
	op->cancel = give_up;
	if (sv_eq_str(req->endpoint, "/slow"))
		return;
	timer_start(p->loop, &answer_timer, 0, answer);
}

void proxy_reply_done(struct proxy_reply *reply)
{
	http_response_done(&reply->response);
}

/* A whole engine, but for API and outbox. */

struct rig {
	struct world world;
	struct engine eng;
	struct node node;
	struct proxy proxy;
	struct timer poll, alarm;
	int64_t want; /* runs that shall end */
	struct op op;
	bool (*until)(struct rig *rig);
};

static void rig_prepare(struct rig *r, const char *js)
{
	struct http_client_opts client = { 0 };
	struct err err = { 0 };

	node_init(&r->node, "");
	r->eng.node = &r->node;
	r->eng.loop = r->world.loop = loop_new();
	r->world.js = js;
	world_open(&r->world);
	r->eng.db = r->world.db;
	r->eng.keys = r->world.keys;
	if (providers_parse(SV_LIT("crm:\n  display_name: CRM\n  auth_mode: NONE\n"),
		    &r->eng.providers, &err) < 0)
		fail_msg("%s", err.msg);
	r->eng.client = http_client_new(r->eng.loop, &client);
	r->eng.refresher = refresher_new(&(struct refresher_config){ .loop = r->eng.loop,
		.db = r->eng.db,
		.keys = r->eng.keys,
		.client = r->eng.client,
		.providers = r->eng.providers,
		.node = &r->node });
	r->proxy = (struct proxy){ .loop = r->eng.loop };
	r->eng.proxy = &r->proxy;
	struct runner_pool_config pool = { .exe = runner_exe, .processes = 1, .hang_ms = 500 };
	r->eng.runners = runner_pool_new(r->eng.loop, &pool);
	r->eng.oplog = oplog_new(r->eng.loop, r->eng.db);
	r->eng.runs = runs_new(&r->eng, &(struct runs_config){ .retries = -1 });
}

static void rig_open(struct rig *r, const char *js)
{
	rig_prepare(r, js);
	runs_open(r->eng.runs);
}

static void stop_loop(void *ctx, const struct err *err UNUSED)
{
	loop_stop(((struct rig *)ctx)->eng.loop);
}

static void rig_close(struct rig *r)
{
	r->op = (struct op){ .done = stop_loop, .ctx = r };
	runs_drain(r->eng.runs, 0, &r->op);
	loop_run(r->eng.loop);
	oplog_flush(r->eng.oplog, &r->op);
	loop_run(r->eng.loop);
	db_idle(r->eng.db, &r->op);
	loop_run(r->eng.loop);
	runs_free(r->eng.runs);
	oplog_free(r->eng.oplog);
	runner_pool_free(r->eng.runners);
	refresher_free(r->eng.refresher);
	http_client_free(r->eng.client);
	providers_close(r->eng.providers);
	world_close(&r->world);
	loop_free(r->eng.loop);
}

static void too_late(struct timer *t UNUSED)
{
	fail_msg("what the test waits for does not happen");
}

static bool enough_ended(struct rig *r)
{
	struct runs_stats st;

	runs_stats(r->eng.runs, &st);
	return st.succeeded + st.failed >= r->want && st.in_flight == 0;
}

static void poll_again(struct timer *t)
{
	struct rig *r = container_of(t, struct rig, poll);

	if (r->until(r))
		loop_stop(r->eng.loop);
	else
		timer_start(r->eng.loop, t, 2, poll_again);
}

static void run_until(struct rig *r, bool (*until)(struct rig *rig))
{
	r->until = until;
	timer_start(r->eng.loop, &r->poll, 1, poll_again);
	timer_start(r->eng.loop, &r->alarm, 30000, too_late);
	loop_run(r->eng.loop);
	timer_stop(r->eng.loop, &r->alarm);
}

static void run_out(struct rig *r, int64_t ended)
{
	r->want = ended;
	run_until(r, enough_ended);
}

static void job(struct rig *r, db_job_fn *fn)
{
	struct err err = { 0 };

	if (db_run(r->eng.db, DB_WRITE, fn, r, &err) < 0)
		fail_msg("%s", err.msg);
}

static void one_run(struct rig *r, const char *js)
{
	rig_open(r, js);
	run_out(r, 1);
}

#define SYNC(body) "exports.default = { type: 'sync', exec: async (nango) => {" body "} };"

static void a_run_that_does_nothing(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r, SYNC(""));
	assert_int_equal(r.world.owed, 2);
	assert_non_null(strstr(r.world.bodies[0], "\"success\":true"));
	rig_close(&r);
}

static atomic_bool gate_reached;
static sem_t gate;

static int job_gate(struct dbc *c UNUSED, void *arg UNUSED, struct err *err UNUSED)
{
	atomic_store(&gate_reached, true);
	sem_wait(&gate);
	return 0;
}

static void gate_passed(void *ctx UNUSED, const struct err *err UNUSED)
{
}

static bool at_gate(struct rig *r UNUSED)
{
	return atomic_load(&gate_reached);
}

static int polls;

/* What was due at once has been done. */
static bool polled(struct rig *r UNUSED)
{
	return ++polls % 3 == 0;
}

/* A server that starts takes over what a former one left, and may be woken meanwhile. */
static void looks_once_at_a_time(void **state UNUSED)
{
	struct rig r = { 0 };
	struct op op = { .done = gate_passed };
	struct db_stats before, after;

	rig_prepare(&r, SYNC(""));
	sem_init(&gate, 0, 0);
	db_submit(r.eng.db, DB_WRITE, &op, job_gate, NULL);
	run_until(&r, at_gate);
	db_stats(r.eng.db, &before);
	runs_open(r.eng.runs);
	for (int i = 0; i < 3; i++) {
		sched_wake(r.eng.sched);
		run_until(&r, polled);
		db_stats(r.eng.db, &after);
		assert_in_range(after.queued - before.queued, 0, 1);
	}
	sem_post(&gate);
	run_out(&r, 1);
	assert_int_equal(r.world.owed, 2);
	rig_close(&r);
	sem_destroy(&gate);
}

static bool is_drained;

static void note_drained(void *ctx UNUSED, const struct err *err UNUSED)
{
	is_drained = true;
}

static bool drained(struct rig *r UNUSED)
{
	return is_drained;
}

static int claimable(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct run_claim cl = { .owner = SV_LIT("another"), .now_ms = clock_now_ms(), .limit = 5 };

	TRY(run_claim(c, &cl, db_arena(c), err));
	CHECK(cl.count == 1);
	return 0;
}

/* A server that ends while it looks what is due: what comes of that is given back before the end.
 */
static void ends_after_a_look(void **state UNUSED)
{
	enum { WRITERS = 4 }; /* of PostgreSQL */
	struct rig r = { 0 };
	struct op gates[WRITERS], op = { .done = note_drained };
	struct runs_stats st;

	rig_prepare(&r, SYNC(""));
	sem_init(&gate, 0, 0);
	atomic_store(&gate_reached, false);
	is_drained = false;
	for (int i = 0; i < WRITERS; i++) {
		gates[i] = (struct op){ .done = gate_passed };
		db_submit(r.eng.db, DB_WRITE, &gates[i], job_gate, NULL);
	}
	run_until(&r, at_gate);
	runs_open(r.eng.runs);
	run_until(&r, polled);
	runs_drain(r.eng.runs, 0, &op);
	run_until(&r, polled);
	assert_false(is_drained);
	for (int i = 0; i < WRITERS; i++)
		sem_post(&gate);
	run_until(&r, drained);
	runs_stats(r.eng.runs, &st);
	assert_int_equal(st.started, 1);
	assert_int_equal(st.in_flight + st.succeeded + st.failed, 0);
	job(&r, claimable);
	rig_close(&r);
	sem_destroy(&gate);
}

static int two_records(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct records_of of = { r->eng.keys, r->world.env, r->world.connection,
		SV_LIT("Contact") };
	struct sync s;
	int64_t n;

	TRY(records_count(c, &of, &n, err));
	CHECK(n == 2);
	TRY(world_sync(c, &s, err));
	CHECK(s.run_id == 0 && s.last_sync_ms > 0);
	return 0;
}

static void fetches_saves_and_remembers(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r, SYNC("const was = await nango.getCheckpoint();"
			 "await nango.log('starting', { was });"
			 "const res = await nango.get({ endpoint: '/page' });"
			 "await nango.batchSave(res.data, 'Contact');"
			 "await nango.batchSave(res.data, 'Contact');"
			 "await nango.saveCheckpoint({ page: 1 });"
			 "const known = await nango.getRecordsByIds(['1', 2, 3], 'Contact');"
			 "if (known.size !== 2 || known.get(2).id !== '2') throw new Error('ids');"
			 "const c = await nango.getConnection();"
			 "if (c.connection_id !== 'c-1') throw new Error('connection');"));
	job(&r, two_records);
	assert_non_null(strstr(r.world.bodies[0],
		"\"responseResults\":{\"added\":2,\"deleted\":0,\"updated\":0}"));
	assert_non_null(
		strstr(r.world.bodies[0], "\"checkpoints\":{\"from\":null,\"to\":{\"page\":1}}"));
	rig_close(&r);
}

static void deletes_what_is_gone(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r,
		SYNC("await nango.batchSave([{id: 'old'}], 'Contact');"
		     "await nango.trackDeletesStart('Contact');"
		     "await nango.batchSave([{id: 'new'}], 'Contact');"
		     "const { deletedKeys } = await nango.trackDeletesEnd('Contact');"
		     "if (deletedKeys.length) throw new Error('its own record: ' + deletedKeys);"
		     "await nango.batchDelete([{id: 'new'}], 'Contact');"));
	assert_non_null(strstr(r.world.bodies[0],
		"\"responseResults\":{\"added\":2,\"deleted\":1,\"updated\":0}"));
	rig_close(&r);
}

static void failure_is_told(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r, SYNC("throw new nango.ActionError({ why: 'because' });"));
	assert_int_equal(r.world.owed, 1);
	assert_non_null(strstr(r.world.bodies[0], "\"payload\":{\"why\":\"because\"}"));
	rig_close(&r);
}

static void undeclared_model_is_refused(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r, SYNC("await nango.batchSave([{id: '1'}], 'Nothing');"));
	assert_non_null(strstr(r.world.bodies[0],
		"Failed to save records: The model 'Nothing' is not included in the declared sync "
		"models: Contact, Company."));
	rig_close(&r);
}

static void endless_loop_is_ended(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r, SYNC("const f = () => Promise.resolve().then(f); await f();"));
	assert_non_null(strstr(r.world.bodies[0], "busy for more than"));
	rig_close(&r);
}

static pid_t child_pid(void)
{
	char path[64], text[64] = { 0 };

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	FILE *f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		return 0;
	fclose(f);
	return (pid_t)strtol(text, NULL, 10);
}

static bool waits_for_provider(struct rig *r UNUSED)
{
	return answer_op != NULL;
}

static void lost_run_resumes(void **state UNUSED)
{
	struct rig r = { 0 };

	answer_op = NULL;
	rig_open(&r, SYNC("const was = await nango.getCheckpoint();"
			  "if (was) return;"
			  "await nango.saveCheckpoint({ at: 7 });"
			  "await nango.get({ endpoint: '/slow' });"));
	run_until(&r, waits_for_provider);
	/* As the system would when memory runs out. */
	kill(child_pid(), SIGKILL);
	run_out(&r, 1);
	struct runs_stats st;
	runs_stats(r.eng.runs, &st);
	assert_int_equal(st.lost, 1);
	assert_int_equal(st.succeeded, 1);
	assert_non_null(strstr(r.world.bodies[0], "\"to\":{\"at\":7}"));
	rig_close(&r);
}

static int job_trigger_empty(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct sync s;

	TRY(world_sync(c, &s, err));
	return sync_trigger(c, &s, true, true, err);
}

static void empty_cache_begins_with_nothing(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r, SYNC("const seen = [];"
			 "for await (const rec of nango.listRecords('Contact')) seen.push(rec.id);"
			 "if (seen.length) throw new Error('left: ' + seen);"
			 "await nango.batchSave([{id: 'a'}], 'Contact');"));
	job(&r, job_trigger_empty);
	sync_after_control(&r.eng);
	run_out(&r, 2);
	struct runs_stats st;
	runs_stats(r.eng.runs, &st);
	assert_int_equal(st.succeeded, 2);
	rig_close(&r);
}

static int two_contacts(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct records_of of = { r->eng.keys, r->world.env, r->world.connection,
		SV_LIT("Contact") };
	int64_t n;

	TRY(records_count(c, &of, &n, err));
	CHECK(n == 2);
	return 0;
}

static void writes_nobody_awaits_are_written(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r, SYNC("nango.batchSave([{id: 'a'}], 'Contact');"
			 "nango.batchSave([{id: 'b'}], 'Contact');"));
	job(&r, two_contacts);
	assert_non_null(strstr(r.world.bodies[0], "\"added\":2"));
	rig_close(&r);
}

static int webhook_run(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct sync s;
	int64_t id;

	TRY(world_sync(c, &s, err));
	struct run_new n = {
		.kind = RUN_WEBHOOK,
		.environment_id = r->world.env,
		.connection = r->world.connection,
		.sync_id = sv_str(s.id),
		.name = sv_str(s.name),
		.input = SV_LIT("{\"id\":\"w\"}"),
	};
	return run_create(c, &n, &id, err);
}

static void webhook_runs_get_their_payload(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r,
		"exports.default = { type: 'sync', exec: async () => {}, onWebhook: async (nango, "
		"body) => { await nango.batchSave([body], 'Contact'); } };");
	r.world.owed = 0;
	job(&r, webhook_run);
	sync_after_control(&r.eng);
	run_out(&r, 2);
	assert_non_null(strstr(r.world.bodies[0], "\"syncType\":\"WEBHOOK\""));
	assert_non_null(strstr(r.world.bodies[0], "\"added\":1"));
	rig_close(&r);
}

static void unknown_actions_are_refused(void **state UNUSED)
{
	struct rig r = { 0 };

	one_run(&r, SYNC("try { await nango.triggerAction('crm', 'c-1', 'nothing', {}); }"
			 "catch (e) { throw new Error(JSON.stringify(e.response.data)); }"));
	assert_non_null(strstr(r.world.bodies[0], "there is no action of that name"));
	rig_close(&r);
}

#ifdef TIDEMARK_TEST_HOOKS
static int nothing_stored(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct records_of of = { r->eng.keys, r->world.env, r->world.connection,
		SV_LIT("Contact") };
	int64_t n;

	TRY(records_count(c, &of, &n, err));
	CHECK(n == 0);
	return 0;
}

static void a_batch_that_fails_leaves_nothing(void **state UNUSED)
{
	struct rig r = { 0 };

	fault_set("sync.batch:1");
	one_run(&r, SYNC("await nango.batchSave([{id: 'a'}], 'Contact');"));
	assert_true(fault_fired());
	fault_set(NULL);
	job(&r, nothing_stored);
	assert_non_null(strstr(r.world.bodies[0], "\"success\":false"));
	rig_close(&r);
}

static void an_end_that_fails_is_tried_again(void **state UNUSED)
{
	struct rig r = { 0 };

	fault_set("run.finish:1");
	one_run(&r, SYNC("await nango.batchSave([{id: 'a'}, {id: 'b'}], 'Contact');"));
	assert_true(fault_fired());
	fault_set(NULL);
	job(&r, two_records);
	assert_non_null(strstr(r.world.bodies[(r.world.owed - 2) % 8], "\"added\":2"));
	rig_close(&r);
}
#endif

static int job_pause(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct sync s;

	TRY(world_sync(c, &s, err));
	return sync_pause(c, &s, err);
}

static bool none_in_flight(struct rig *r)
{
	struct runs_stats st;

	runs_stats(r->eng.runs, &st);
	return st.in_flight == 0;
}

static void pause_aborts_at_once(void **state UNUSED)
{
	struct rig r = { 0 };

	answer_op = NULL;
	rig_open(&r, SYNC("await nango.get({ endpoint: '/slow' });"));
	run_until(&r, waits_for_provider);
	job(&r, job_pause);
	int64_t start = clock_mono_us();
	sync_after_control(&r.eng);
	run_until(&r, none_in_flight);
	assert_in_range(clock_mono_us() - start, 0, 1000000);
	assert_int_equal(r.world.owed, 0);
	rig_close(&r);
}

static int still_resumable(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct sync s;

	TRY(world_sync(c, &s, err));
	CHECK(s.run_id != 0);
	struct run_claim cl = { .owner = SV_LIT("next"), .now_ms = clock_now_ms(), .limit = 3 };
	TRY(run_claim(c, &cl, db_arena(c), err));
	CHECK(cl.count == 1);
	return 0;
}

static void drain_leaves_runs_resumable(void **state UNUSED)
{
	struct rig r = { 0 };

	answer_op = NULL;
	rig_open(&r, SYNC("await nango.get({ endpoint: '/slow' });"));
	run_until(&r, waits_for_provider);
	r.op = (struct op){ .done = stop_loop, .ctx = &r };
	runs_drain(r.eng.runs, 10, &r.op);
	loop_run(r.eng.loop);
	job(&r, still_resumable);
	rig_close(&r);
}

/* Figures, not a test: what runs that do nothing cost this process and its runners. */

enum { MEASURED = 1000 };

static int job_many(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	char id[20];
	bool created;

	for (int i = 0; i < MEASURED; i++) {
		snprintf(id, sizeof(id), "m-%d", i);
		struct connection conn = {
			.environment_id = r->world.env,
			.integration_id = r->world.integration,
			.connection_id = sv_str(id),
			.connection_config = SV_LIT("{}"),
			.tags = SV_LIT("{}"),
			.errors = SV_LIT("[]"),
		};
		TRY(connection_upsert(
			c, r->world.keys, &conn, SV_LIT("{\"type\":\"NONE\"}"), &created, err));
	}
	return 0;
}

static double child_cpu_ms(pid_t pid)
{
	char path[64];
	unsigned long user = 0, sys = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f || fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			  &sys) != 2)
		return 0;
	fclose(f);
	return (double)(user + sys) * 1000 / (double)sysconf(_SC_CLK_TCK);
}

static void measure(void)
{
	struct rig r = { 0 };

	one_run(&r, SYNC(""));
	job(&r, job_many);
	pid_t pid = child_pid();
	double child = child_cpu_ms(pid);
	int64_t cpu = clock_cpu_us(), wall = clock_mono_us();
	sched_wake(r.eng.sched);
	run_out(&r, MEASURED + 1);
	printf("noop.server_cpu %.3f ms\nnoop.runner_cpu %.3f ms\nnoop.rate %.0f runs/s\n",
		(double)(clock_cpu_us() - cpu) / MEASURED / 1000,
		(child_cpu_ms(pid) - child) / MEASURED,
		MEASURED * 1e6 / (double)(clock_mono_us() - wall));
	rig_close(&r);
}

static void measure_batches(void)
{
	struct rig r = { 0 };

	int64_t cpu = clock_cpu_us(), wall = clock_mono_us();
	one_run(&r, SYNC("const pad = 'x'.repeat(380);"
			 "for (let b = 0; b < 100; b++) {"
			 "const all = [];"
			 "for (let i = 0; i < 1000; i++) all.push({ id: `${b}-${i}`, name: 'n' + "
			 "i, pad });"
			 "await nango.batchSave(all, 'Contact'); }"));
	double s = (double)(clock_mono_us() - wall) / 1e6;
	printf("batch_save.rate %.0f records/s\nbatch_save.server_cpu %.2f us/record\n", 1e5 / s,
		(double)(clock_cpu_us() - cpu) / 1e5);
	rig_close(&r);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 77;
	runner_exe = argv[1];
	if (argc > 2) {
		measure();
		measure_batches();
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_that_does_nothing),
		cmocka_unit_test(looks_once_at_a_time),
		cmocka_unit_test(ends_after_a_look),
		cmocka_unit_test(fetches_saves_and_remembers),
		cmocka_unit_test(deletes_what_is_gone),
		cmocka_unit_test(failure_is_told),
		cmocka_unit_test(undeclared_model_is_refused),
		cmocka_unit_test(endless_loop_is_ended),
		cmocka_unit_test(lost_run_resumes),
		cmocka_unit_test(empty_cache_begins_with_nothing),
		cmocka_unit_test(writes_nobody_awaits_are_written),
		cmocka_unit_test(webhook_runs_get_their_payload),
		cmocka_unit_test(unknown_actions_are_refused),
#ifdef TIDEMARK_TEST_HOOKS
		cmocka_unit_test(a_batch_that_fails_leaves_nothing),
		cmocka_unit_test(an_end_that_fails_is_tried_again),
#endif
		cmocka_unit_test(pause_aborts_at_once),
		cmocka_unit_test(drain_leaves_runs_resumable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
