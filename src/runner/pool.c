/* The public face of the pool: which run goes into which process, and when. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/private.h"

#include <limits.h>
#include <stdio.h>

/* CPU time: a runner ends an endless loop itself after ENTRY_MS (child.c), and only what it cannot
 * end, like microtasks without end, is left for SIGKILL. */
enum { HANG_MS = 8000 };
enum { SILENT_US = 500000 }; /* without an answer to a ping: new runs go elsewhere */
enum {
	SPREAD_AT = 4, /* runs in a process at which another one is worth its start */
	OVERCOMMIT = 32, /* processes above the limit: an environment without any, runs alone */
	UNPLACED_MAX = 64, /* looked at before giving up: the queue may be long */
};

/* Orders and the ways a run leaves. */

static struct json_t *start_head(const struct runner_spec *spec)
{
	struct json_t *head = json_new_obj(), *value;
	struct sv key;

	json_set_str(head, "fn", sv_str(spec->fn));
	json_set_int(head, "env", spec->environment);
	for (void *it = NULL; json_next(spec->start, &it, &key, &value);)
		json_set(head, key, json_ref(value));
	return head;
}

static struct runner_order *order_new(struct runner_pool *p, const struct runner_spec *spec)
{
	struct runner_order *o = NEW(struct runner_order);

	o->code = code_get(p, spec);
	o->environment = spec->environment;
	o->start = start_head(spec);
	o->input = spec->input.len ? mem_svdup(spec->input) : NULL;
	o->input_len = spec->input.len;
	o->inspect = spec->inspect;
	o->alone = spec->alone;
	return o;
}

void order_free(struct runner_pool *p, struct runner_order *o)
{
	code_unref(p, o->code);
	json_unref(o->start);
	mem_free(o->input);
	mem_free(o);
}

void run_unlink(struct runner_run *r)
{
	struct runner *c = r->runner;

	*r->prev = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else if (!c)
		r->order->pool->queue_last = r->prev;
	if (!c) {
		r->order->pool->stats.queued--;
		return;
	}
	r->runner = NULL;
	c->pool->stats.running--;
	c->since_us = clock_mono_us();
	c->run_count--;
	if (c->state == RUNNER_RETIRING)
		child_retire(c);
	pool_place_soon(c->pool);
}

void run_done(struct runner_run *r, const struct runner_result *res)
{
	struct runner_order *o = r->order;

	run_unlink(r);
	r->order = NULL;
	r->host->on_done(r, res);
	order_free(o->pool, o);
}

void run_lost(struct runner_run *r, const char *why)
{
	struct runner_order *o = r->order;

	run_unlink(r);
	r->order = NULL;
	order_free(o->pool, o);
	r->host->on_lost(r, why);
}

void run_failed(struct runner_run *r, const char *type, const char *message)
{
	own(json_unref) struct json_t *error = json_new_obj();
	struct json_t *payload = json_new_obj();

	json_set_str(payload, "message", sv_str(message));
	json_set_str(error, "type", sv_str(type));
	json_set_str(error, "message", sv_str(message));
	json_set(error, SV_LIT("payload"), payload);
	json_set_int(error, "status", 500);
	run_done(r, &(struct runner_result){ .error = error });
}

/* Placement. */

static bool is_silent(const struct runner *c)
{
	return c->ping_us && clock_mono_us() - c->ping_us > SILENT_US;
}

static struct runner *choose(struct runner_pool *p, const struct runner_order *o, bool alone)
{
	struct runner *best = NULL;
	unsigned best_score = UINT_MAX;

	for (struct runner *c = p->runners; c; c = c->next) {
		if (c->state != RUNNER_READY || c->alone || c->run_count >= p->cfg.runs_each)
			continue;
		if (c->environment ? c->environment != o->environment || alone : c->run_count > 0)
			continue;
		unsigned score = c->environment ? c->run_count : SPREAD_AT;
		/* One that is busy with a function that never waits would keep this run waiting. */
		if (is_silent(c))
			score += p->cfg.runs_each;
		if (score < best_score) {
			best = c;
			best_score = score;
		}
	}
	return best;
}

static bool has_process(const struct runner_pool *p, int64_t environment)
{
	for (const struct runner *c = p->runners; c; c = c->next)
		if (c->state <= RUNNER_READY && c->environment == environment && !c->alone)
			return true;
	return false;
}

/* Room for another environment's process, if one of the present ones does nothing. */
static void retire_idle(struct runner_pool *p, int64_t environment)
{
	for (struct runner *c = p->runners; c; c = c->next)
		if (c->state == RUNNER_READY && c->run_count == 0 && c->environment &&
			c->environment != environment) {
			child_retire(c);
			return;
		}
}

static void place_again(struct timer *t)
{
	pool_place_soon(container_of(t, struct runner_pool, retry));
}

static void spawn_one(struct runner_pool *p)
{
	struct runner *c;
	struct err err;

	if (timer_active(&p->retry))
		return;
	if (p->start_failures) {
		int64_t wait = 100LL << (p->start_failures < 6 ? p->start_failures : 6);
		timer_start(p->loop, &p->retry, wait, place_again);
	}
	if (child_spawn(p, &c, &err) < 0) {
		p->start_failures++;
		log_error(NULL, "cannot start a runner", LOG_ERR(&err));
		pool_place_soon(p);
	}
}

static unsigned count_starting(const struct runner_pool *p)
{
	unsigned n = 0;

	for (const struct runner *c = p->runners; c; c = c->next)
		n += c->state == RUNNER_STARTING;
	return n;
}

/* What the queue asks for and no process offers. */
struct demand {
	unsigned starting; /* processes that will be there without our doing */
	int64_t seen[8];
	size_t seen_count;
};

static void demand_process(
	struct runner_pool *p, struct demand *d, const struct runner_order *o, bool alone)
{
	for (size_t i = 0; !alone && i < d->seen_count; i++)
		if (d->seen[i] == o->environment)
			return;
	if (!alone && d->seen_count < ARRAY_LEN(d->seen))
		d->seen[d->seen_count++] = o->environment;
	if (d->starting) {
		d->starting--;
		return;
	}
	bool extra = alone || !has_process(p, o->environment);
	if (p->count >= p->cfg.processes && extra)
		retire_idle(p, o->environment);
	if (p->count < p->cfg.processes + (extra ? OVERCOMMIT : 0))
		spawn_one(p);
}

static bool wants_alone(const struct runner_run *r)
{
	return r->order->alone || r->deaths >= 2;
}

/* A process that will soon be replaced gets its successor in time. */
static void prepare_successor(struct runner *c)
{
	struct runner_pool *p = c->pool;
	int64_t left = p->cfg.recycle_runs - c->runs_total;

	if (left == p->cfg.recycle_runs / 10 && p->count <= p->cfg.processes && !c->alone)
		spawn_one(p);
}

static void put_into(struct runner_run *r, struct runner *c)
{
	run_unlink(r);
	r->order->alone |= r->deaths >= 2;
	c->pool->stats.running++;
	c->pool->stats.started++;
	child_start_run(c, r);
	prepare_successor(c);
}

/* Fills the processes from the queue. Calls nobody back. */
static void place(struct runner_pool *p)
{
	struct demand d = { .starting = count_starting(p) };
	unsigned unplaced = 0;

	for (struct runner_run *r = p->queue, *next; r && unplaced < UNPLACED_MAX; r = next) {
		next = r->next;
		if (r->order->abort_code[0])
			continue;
		struct runner *c = choose(p, r->order, wants_alone(r));
		if (c) {
			put_into(r, c);
			/* Busy enough to be helped by another, which takes over later runs. */
			if ((c->run_count <= SPREAD_AT && !is_silent(c)) || c->alone)
				continue;
		} else {
			unplaced++;
		}
		demand_process(p, &d, r->order, !c && wants_alone(r));
	}
}

static void end_queued(struct runner_pool *p)
{
	for (struct runner_run *r = p->queue, *next; r; r = next) {
		next = r->next;
		if (r->order->abort_code[0])
			run_failed(r, r->order->abort_code, "the run was aborted");
	}
}

/* Processes do not start: whoever waits for one learns it. */
static void give_up(struct runner_pool *p)
{
	while (p->queue)
		run_failed(p->queue, "function_runtime_other",
			"the runner process does not start (see the server's log)");
}

static void soon(struct timer *t)
{
	struct runner_pool *p = container_of(t, struct runner_pool, soon);

	end_queued(p);
	place(p);
	if (p->start_failures >= START_FAILURES_MAX)
		give_up(p);
}

void pool_place_soon(struct runner_pool *p)
{
	if (!timer_active(&p->soon))
		timer_start(p->loop, &p->soon, 0, soon);
}

void pool_tick_start(struct runner_pool *p)
{
	if (!timer_active(&p->tick))
		timer_start(p->loop, &p->tick, 1000, watch_over);
}

/* The public functions. */

static int64_t or_default(int64_t value, int64_t def)
{
	return value ? value : def;
}

struct runner_pool *runner_pool_new(struct loop *loop, const struct runner_pool_config *cfg)
{
	struct runner_pool *p = NEW(struct runner_pool);

	p->loop = loop;
	p->cfg = *cfg;
	p->exe = mem_strdup(cfg->exe);
	p->cfg.processes = cfg->processes ? cfg->processes : uv_available_parallelism();
	p->cfg.runs_each = cfg->runs_each ? cfg->runs_each : 64;
	p->cfg.memory_bytes = or_default(cfg->memory_bytes, 512 << 20);
	p->cfg.hang_ms = or_default(cfg->hang_ms, HANG_MS);
	p->cfg.idle_ms = or_default(cfg->idle_ms, 60000);
	p->cfg.ready_ms = or_default(cfg->ready_ms, 10000);
	p->cfg.recycle_runs = or_default(cfg->recycle_runs, 1000);
	p->cfg.log_rate = or_default(cfg->log_rate, 1000);
	p->queue_last = &p->queue;
	spawn_one(p); /* so that the first run need not wait for it */
	return p;
}

/* Without a word to anybody. */
static void forget(struct runner_run *r)
{
	struct runner_order *o = r->order;

	run_unlink(r);
	r->order = NULL;
	order_free(o->pool, o);
}

void runner_pool_free(struct runner_pool *p)
{
	if (!p)
		return;
	timer_stop(p->loop, &p->tick);
	timer_stop(p->loop, &p->soon);
	timer_stop(p->loop, &p->retry);
	for (struct runner *c = p->runners; c; c = c->next)
		while (c->runs)
			forget(c->runs);
	while (p->queue)
		forget(p->queue);
	timer_stop(p->loop, &p->soon);
	while (p->runners)
		child_destroy(p->runners);
	code_free_all(p);
	mem_free(p->exe);
	mem_free(p);
}

void runner_start(struct runner_pool *p, struct runner_run *r, const struct runner_spec *spec)
{
	const struct runner_host *host = r->host;
	unsigned deaths = r->deaths;

	assert(host && !r->order);
	*r = (struct runner_run){ .host = host, .deaths = deaths, .id = ++p->last_id };
	r->order = order_new(p, spec);
	r->order->pool = p;
	r->prev = p->queue_last;
	*p->queue_last = r;
	p->queue_last = &r->next;
	p->stats.queued++;
	place(p);
}

bool runner_pool_has(const struct runner_pool *p, const char *fn)
{
	return code_cached(p, fn) != NULL;
}

void runner_reply(struct runner_run *r, uint32_t call, struct json_t *head, struct sv body)
{
	if (!r->runner)
		return;
	if (r->open_calls)
		r->open_calls--;
	own(json_unref) struct json_t *ok = head ? json_ref(head) : json_new_obj();
	if (!json_member(ok, SV_LIT("error")))
		json_set_bool(ok, "ok", true);
	child_send(r->runner, MESSAGE_REPLY, r, call, ok, body);
}

static void send_abort(struct runner_run *r, const char *code)
{
	own(json_unref) struct json_t *head = json_new_obj();

	json_set_str(head, "code", sv_str(code));
	child_send(r->runner, MESSAGE_ABORT, r, 0, head, SV_NULL);
}

void runner_abort(struct runner_run *r, const char *code)
{
	if (!r->order || r->aborted_us)
		return;
	r->aborted_us = clock_mono_us();
	if (r->runner) {
		send_abort(r, code);
		return;
	}
	snprintf(r->order->abort_code, sizeof(r->order->abort_code), "%s", code);
	pool_place_soon(r->order->pool);
}

void runner_drop(struct runner_run *r)
{
	if (!r->order)
		return;
	if (r->runner)
		send_abort(r, "script_aborted");
	forget(r);
}

unsigned runner_pool_capacity(const struct runner_pool *p)
{
	return p->cfg.processes * p->cfg.runs_each;
}

void runner_pool_stats(const struct runner_pool *p, struct runner_pool_stats *ret)
{
	*ret = p->stats;
	ret->processes = p->count;
}
