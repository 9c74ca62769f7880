/*
 * What a function asks the server for, with arguments of every kind: a whole engine with a
 * database, whose runner is this program. The input is a line with the method, a line with the head
 * of the call, and the body. Each call is answered, whatever it says, and the run can always be
 * ended.
 *
 * The state stays from one input to the next, as it does in a long run.
 */
#include "auth/refresh.h"
#include "base/log.h"
#include "base/sv.h"
#include "conf/settings.h"
#include "crypto/keyring.h"
#include "data/json.h"
#include "http/client.h"
#include "model/node.h"
#include "model/oplog.h"
#include "model/provider.h"
#include "model/run_fixture.h"
#include "proxy/proxy.h"
#include "runner/pool.h"
#include "sched/ticker.h"
#include "sync/runs.h"

#undef CHECK /* the fixture's, which leaves a job */
#include "fuzz.h"

enum { PATIENCE_MS = 20000, CALLS_PER_RUN = 1000 };

static const char *const methods[] = {
#define CALL(name, comment) [CALL_##name] = #name,
#include "protocol/calls.def"
#undef CALL
};

static struct settings conf;
static struct engine eng = { .conf = &conf };
static struct runner_run *run; /* the one that asks; NULL between runs */
static uint32_t asked, answered;

/* In place of src/runner. */

static void wake(void)
{
	loop_stop(eng.loop);
}

void runner_start(
	struct runner_pool *p UNUSED, struct runner_run *r, const struct runner_spec *spec)
{
	static char order; /* nothing looks into it but src/runner */

	CHECK(!run && spec->js.len && json_kind(spec->start) == JSON_KIND_OBJECT);
	r->order = (struct runner_order *)&order;
	run = r;
	asked = answered = 0;
	wake();
}

bool runner_pool_has(const struct runner_pool *p UNUSED, const char *fn UNUSED)
{
	return false;
}

void runner_reply(struct runner_run *r, uint32_t call, struct json_t *head, struct sv body)
{
	if (!r->order)
		return; /* over */
	CHECK(r == run && call == asked && answered < call);
	CHECK(!head || json_kind(head) == JSON_KIND_OBJECT);
	CHECK(body.ptr || !body.len);
	answered = call;
	wake();
}

/* The last of a run, as src/runner/pool.c does it. */
static void end_run(const struct runner_result *res)
{
	struct runner_run *r = take(run);

	r->order = NULL;
	r->host->on_done(r, res);
}

static struct timer aborting;

static void end_aborted(struct timer *t UNUSED)
{
	struct json_t *error = json_new_obj();

	json_set_str(error, "type", SV_LIT("script_aborted"));
	if (run)
		end_run(&(struct runner_result){ .error = error });
	json_unref(error);
	wake();
}

void runner_abort(struct runner_run *r, const char *code UNUSED)
{
	CHECK(r == run);
	timer_start(eng.loop, &aborting, 0, end_aborted);
}

void runner_drop(struct runner_run *r)
{
	if (r == run)
		run = NULL;
}

unsigned runner_pool_capacity(const struct runner_pool *p UNUSED)
{
	return 1;
}

void runner_pool_stats(const struct runner_pool *p UNUSED, struct runner_pool_stats *ret)
{
	*ret = (struct runner_pool_stats){ 0 };
}

/* In place of src/proxy: every provider answers at once. */

static struct timer answer_timer;
static struct op *waiting[64]; /* as many as execute at once */
static size_t waiting_count;

static void answer(struct timer *t UNUSED)
{
	while (waiting_count)
		op_complete(waiting[--waiting_count], NULL);
}

static void no_hurry(struct op *op UNUSED)
{
}

void proxy_send(
	struct proxy *p, struct op *op, const struct proxy_request *req, struct proxy_reply *reply)
{
	CHECK(req->method.ptr && waiting_count < ARRAY_LEN(waiting));
	*reply = (struct proxy_reply){ 0 };
	http_response_init(&reply->response);
	reply->response.status = 200;
	buf_init(&reply->response.body, 4096);
	buf_str(&reply->response.body, "[{\"id\":\"1\"}]");
	op->cancel = no_hurry;
	waiting[waiting_count++] = op;
	timer_start(p->loop, &answer_timer, 0, answer);
}

void proxy_reply_done(struct proxy_reply *reply)
{
	http_response_done(&reply->response);
}

/* The engine, made once. */

static struct world w;

static void open_engine(void)
{
	static const struct world made = {
		.schema = "{\"definitions\":{\"Contact\":{\"type\":\"object\","
			  "\"required\":[\"id\"],\"properties\":{\"id\":{"
			  "\"type\":\"string\"}}}}}"
	};
	static struct proxy proxy;
	static struct node node;
	struct http_client_opts client = { 0 };
	struct err err = { 0 };

	w = made;
	log_set_level(LOG_ERROR);
	eng.loop = w.loop = loop_new();
	node_init(&node, "");
	eng.node = &node;
	world_open(&w);
	eng.db = w.db;
	eng.keys = w.keys;
	CHECK(providers_parse(SV_LIT("crm:\n  display_name: CRM\n  auth_mode: NONE\n"),
		      &eng.providers, &err) == 0);
	eng.client = http_client_new(eng.loop, &client);
	eng.refresher = refresher_new(&(struct refresher_config){ .loop = eng.loop,
		.db = eng.db,
		.keys = eng.keys,
		.client = eng.client,
		.providers = eng.providers,
		.node = &node });
	proxy = (struct proxy){ .loop = eng.loop };
	eng.proxy = &proxy;
	eng.oplog = oplog_new(eng.loop, eng.db);
	eng.runs = runs_new(&eng, &(struct runs_config){ .retries = -1 });
	runs_open(eng.runs);
}

static void ended(void *ctx, const struct err *err UNUSED)
{
	*(bool *)ctx = true;
	wake();
}

/* Nothing is left behind, not even the database. */
static void close_engine(void)
{
	bool drained = false, flushed = false;
	struct op drain = { .done = ended, .ctx = &drained };
	struct op flush = { .done = ended, .ctx = &flushed };

	runs_drain(eng.runs, 0, &drain);
	while (!drained)
		loop_run(eng.loop);
	oplog_flush(eng.oplog, &flush);
	while (!flushed)
		loop_run(eng.loop);
	runs_free(eng.runs);
	oplog_free(eng.oplog);
	refresher_free(eng.refresher);
	http_client_free(eng.client);
	providers_close(eng.providers);
	world_close(&w);
	loop_free(eng.loop);
}

/* Runs the loop until something on it has made cond true. */

static struct timer alarm_timer, poll_timer;

static void too_late(struct timer *t UNUSED)
{
	abort();
}

static void poll_again(struct timer *t)
{
	timer_start(eng.loop, t, 1, poll_again);
	wake();
}

#define WAIT_FOR(cond)                                                      \
	do {                                                                \
		timer_start(eng.loop, &alarm_timer, PATIENCE_MS, too_late); \
		timer_start(eng.loop, &poll_timer, 1, poll_again);          \
		while (!(cond))                                             \
			loop_run(eng.loop);                                 \
		timer_stop(eng.loop, &poll_timer);                          \
		timer_stop(eng.loop, &alarm_timer);                         \
	} while (0)

static bool none_in_flight(void)
{
	struct runs_stats st;

	runs_stats(eng.runs, &st);
	return st.in_flight == 0;
}

static int trigger(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct sync s;

	TRY(world_sync(c, &s, err));
	if (!s.run_id)
		TRY(sync_trigger(c, &s, false, false, err));
	return 0;
}

static void need_run(void)
{
	struct err err = { 0 };

	if (run)
		return;
	WAIT_FOR(run || none_in_flight());
	CHECK(run || db_run(eng.db, DB_WRITE, trigger, NULL, &err) == 0);
	sched_wake(eng.sched);
	WAIT_FOR(run);
}

static enum runner_method method_of(struct sv name)
{
	for (int m = 1; m < RUNNER_METHOD_COUNT; m++)
		if (sv_eq_str(name, methods[m]))
			return (enum runner_method)m;
	return RUNNER_METHOD_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv rest = sv_make((const char *)data, size), name, text;
	struct json_t *head = NULL;

	if (!sv_split(&rest, '\n', &name) || !sv_split(&rest, '\n', &text))
		return 0;
	enum runner_method method = method_of(name);
	/* What report.c lets through; and no requests to the world. */
	if (method == RUNNER_METHOD_NONE || method == CALL_uncontrolled_fetch ||
		json_parse(text, &head, NULL) < 0)
		return 0;
	if (json_kind(head) == JSON_KIND_OBJECT) {
		if (!eng.loop) {
			open_engine();
			atexit(close_engine);
		}
		need_run();
		struct runner_call call = {
			.id = ++asked, .method = method, .head = head, .body = rest
		};
		run->host->on_call(run, &call);
		WAIT_FOR(!run || answered == asked);
		if (run && asked >= CALLS_PER_RUN)
			end_run(&(struct runner_result){ .ok = true, .output = SV_LIT("null") });
	}
	json_unref(head);
	return 0;
}
