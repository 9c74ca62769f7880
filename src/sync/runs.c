/* Which runs are in flight: claimed as there is room, aborted when fenced, given back at the end.
 */
#include "sync/runs.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/node.h"
#include "sched/ticker.h"
#include "sync/flight.h"

enum {
	LEASE_TICK_MS = 10000,
	BLIND_RETRY_MS = 1000,
	PRUNE_TICK_MS = 60000,
	PRUNE_STEP = 1000,
};
#define KEEP_MS INT64_C(2678400000) /* 31 days */

static unsigned room(const struct runs *r)
{
	return r->count < r->cfg.limit ? r->cfg.limit - r->count : 0;
}

/* Draining. */

static void drained(struct runs *r)
{
	if (r->count || r->claiming || !r->drained)
		return;
	timer_stop(r->eng->loop, &r->grace);
	op_complete(take(r->drained), NULL);
}

static void drained_later(struct timer *t)
{
	drained(container_of(t, struct runs, grace));
}

/* After the last flight or claim; not within its callback. */
static void drain_on(struct runs *r)
{
	if (r->count == 0 && r->drained)
		timer_start(r->eng->loop, &r->grace, 0, drained_later);
}

/* Claiming. */

static int job_claim(struct dbc *c, void *arg, struct err *err)
{
	struct runs *r = arg;
	int64_t taken;

	arena_done(&r->claim_arena);
	if (!r->recovered)
		TRY(run_recover(c, r->eng->node, r->claim.now_ms, &taken, err));
	return run_claim(c, &r->claim, &r->claim_arena, err);
}

static void release(struct flight *fl)
{
	fl->released = true;
	flight_abort(fl, "script_aborted");
}

static void claimed(void *ctx, const struct err *err)
{
	struct runs *r = ctx;
	struct run_claim *cl = &r->claim;

	r->claiming = false;
	if (err->code != ERR_OK)
		cl->count = 0;
	for (size_t i = 0; i < cl->count; i++) {
		struct flight *fl = flight_start(r, cl->ids[i], NULL, NULL);
		if (r->draining)
			release(fl);
	}
	drain_on(r);
	if (err->code != ERR_OK) {
		log_error(NULL, "cannot look for due syncs", LOG_ERR(err));
		sched_looked(r->eng->sched, clock_now_ms() + BLIND_RETRY_MS);
		return;
	}
	r->recovered = true;
	sched_looked(r->eng->sched, cl->next_ms);
}

static void look(void *ctx)
{
	struct runs *r = ctx;

	r->starved = room(r) == 0;
	if (r->starved || r->draining) {
		sched_looked(r->eng->sched, 0);
		return;
	}
	r->claim = (struct run_claim){
		.owner = sv_str(r->eng->node->owner), .now_ms = clock_now_ms(), .limit = room(r)
	};
	r->claiming = true;
	r->claim_op = (struct op){ .done = claimed, .ctx = r };
	db_submit(r->eng->db, DB_WRITE, &r->claim_op, job_claim, r);
}

/* The end of flights. */

void runs_flight_over(struct flight *fl)
{
	struct runs *r = fl->runs;

	*fl->prev = fl->next;
	if (fl->next)
		fl->next->prev = fl->prev;
	r->count--;
	if (fl->end.owed && r->owed)
		r->owed(r->owed_ctx);
	if (!fl->fenced && !fl->released && fl->ok)
		r->stats.succeeded++;
	else if (!fl->released && !fl->end.again)
		r->stats.failed++;
	if (fl->end.next_ms)
		sched_at(r->eng->sched, fl->end.next_ms);
	if (r->starved || !fl->begun)
		sched_wake(r->eng->sched);
	drain_on(r);
}

/* Learning what was cancelled. */

static struct flight *find(struct runs *r, int64_t id)
{
	struct flight *fl = r->flights;

	while (fl && fl->id != id)
		fl = fl->next;
	return fl;
}

static int job_fenced(struct dbc *c, void *arg, struct err *err)
{
	struct runs *r = arg;

	arena_done(&r->fenced_arena);
	return run_cancelled(c, sv_str(r->eng->node->owner), &r->fenced_arena, &r->fenced,
		&r->fenced_count, err);
}

static void fenced(void *ctx, const struct err *err)
{
	struct runs *r = ctx;

	r->asking = false;
	if (err->code != ERR_OK) {
		log_error(NULL, "cannot look for cancelled runs", LOG_ERR(err));
		return;
	}
	for (size_t i = 0; i < r->fenced_count; i++) {
		struct flight *fl = find(r, r->fenced[i]);
		if (!fl)
			continue;
		fl->fenced = true;
		flight_abort(fl, "script_aborted");
	}
	if (r->ask_again)
		runs_abort_fenced(r);
}

void runs_abort_fenced(struct runs *r)
{
	r->ask_again = r->asking;
	if (r->asking || r->count == 0)
		return;
	r->asking = true;
	r->fenced_op = (struct op){ .done = fenced, .ctx = r };
	db_submit(r->eng->db, DB_WRITE, &r->fenced_op, job_fenced, r);
}

void sync_look_again(struct engine *e)
{
	runs_abort_fenced(e->runs);
	sched_wake(e->sched);
	if (e->runs->owed)
		e->runs->owed(e->runs->owed_ctx);
}

void sync_after_control(struct engine *e)
{
	sync_look_again(e);
	db_tell(e->db);
}

/* Leases, where other nodes may take over. */

static int job_lease(struct dbc *c, void *arg, struct err *err)
{
	struct runs *r = arg;
	int64_t now = clock_now_ms(), taken;

	TRY(run_renew(c, sv_str(r->eng->node->owner), now, err));
	return run_recover(c, r->eng->node, now, &taken, err);
}

static void leased(void *ctx, const struct err *err)
{
	struct runs *r = ctx;

	r->leasing = false;
	if (err->code != ERR_OK)
		log_error(NULL, "cannot renew the leases of runs", LOG_ERR(err));
	runs_abort_fenced(r);
	sched_wake(r->eng->sched);
}

static void lease_tick(struct timer *t)
{
	struct runs *r = container_of(t, struct runs, lease);

	timer_start(r->eng->loop, &r->lease, LEASE_TICK_MS, lease_tick);
	if (r->leasing)
		return;
	r->leasing = true;
	r->lease_op = (struct op){ .done = leased, .ctx = r };
	db_submit(r->eng->db, DB_WRITE, &r->lease_op, job_lease, r);
}

/* Opening and closing. */

struct runs *runs_new(struct engine *e, const struct runs_config *cfg)
{
	struct runs *r = NEW(struct runs);

	r->eng = e;
	r->cfg = *cfg;
	r->cfg.limit = cfg->limit ? cfg->limit : runner_pool_capacity(e->runners);
	e->sched = sched_new(e->loop, look, r);
	return r;
}

void runs_free(struct runs *r)
{
	if (!r)
		return;
	assert(r->count == 0);
	timer_stop(r->eng->loop, &r->lease);
	timer_stop(r->eng->loop, &r->prune);
	timer_stop(r->eng->loop, &r->grace);
	sched_free(take(r->eng->sched));
	arena_done(&r->claim_arena);
	arena_done(&r->fenced_arena);
	mem_free(r);
}

/* Runs that ended long ago are forgotten, some at a time. */

static int job_prune(struct dbc *c, void *arg UNUSED, struct err *err)
{
	int64_t deleted;

	return run_prune(c, clock_now_ms() - KEEP_MS, PRUNE_STEP, &deleted, err);
}

static void pruned(void *ctx, const struct err *err)
{
	struct runs *r = ctx;

	r->pruning = false;
	if (err->code != ERR_OK)
		log_error(NULL, "cannot forget old runs", LOG_ERR(err));
}

static void prune_tick(struct timer *t)
{
	struct runs *r = container_of(t, struct runs, prune);

	timer_start(r->eng->loop, &r->prune, PRUNE_TICK_MS, prune_tick);
	if (r->pruning)
		return;
	r->pruning = true;
	r->prune_op = (struct op){ .done = pruned, .ctx = r };
	db_submit(r->eng->db, DB_WRITE, &r->prune_op, job_prune, NULL);
}

void runs_open(struct runs *r)
{
	sched_wake(r->eng->sched);
	timer_start(r->eng->loop, &r->prune, PRUNE_TICK_MS, prune_tick);
	if (r->cfg.shared)
		timer_start(r->eng->loop, &r->lease, LEASE_TICK_MS, lease_tick);
}

void runs_on_owed(struct runs *r, void (*fn)(void *ctx), void *ctx)
{
	r->owed = fn;
	r->owed_ctx = ctx;
}

static void patience_ends(struct timer *t)
{
	struct runs *r = container_of(t, struct runs, grace);

	for (struct flight *fl = r->flights; fl; fl = fl->next)
		release(fl);
	drained(r);
}

void runs_drain(struct runs *r, int64_t grace_ms, struct op *op)
{
	r->draining = true;
	r->drained = op;
	sched_stop(r->eng->sched);
	timer_stop(r->eng->loop, &r->lease);
	timer_stop(r->eng->loop, &r->prune);
	timer_start(r->eng->loop, &r->grace, r->count ? grace_ms : 0, patience_ends);
}

void runs_stats(const struct runs *r, struct runs_stats *ret)
{
	*ret = r->stats;
	ret->in_flight = r->count;
}

/* Runs that somebody waits for. */

struct execution {
	struct runs *runs;
	struct arena arena;
	struct run_new what;
	int64_t id;
	struct runs_reply *reply;
	struct op op, *waiter;
};

static int job_create(struct dbc *c, void *arg, struct err *err)
{
	struct execution *x = arg;

	return run_create(c, &x->what, &x->id, err);
}

/* Whoever waits asks for an early end: the run is aborted, and its end still comes. */
static void flight_cancelled(struct op *op)
{
	flight_abort(op->impl, "script_aborted");
}

static void created(void *ctx, const struct err *err)
{
	struct execution *x = ctx;

	if (err->code == ERR_OK) {
		x->waiter->impl = flight_start(x->runs, x->id, x->reply, x->waiter);
		x->waiter->cancel = flight_cancelled;
	} else {
		op_complete(x->waiter, err);
	}
	arena_done(&x->arena);
	mem_free(x);
}

void runs_execute(struct runs *r, const struct run_new *n, struct runs_reply *ret, struct op *op)
{
	struct execution *x = NEW(struct execution);

	*x = (struct execution){ .runs = r, .what = *n, .reply = ret, .waiter = op };
	x->what.sync_id = arena_sv(&x->arena, n->sync_id);
	x->what.name = arena_sv(&x->arena, n->name);
	x->what.variant = arena_sv(&x->arena, n->variant);
	x->what.input = arena_sv(&x->arena, n->input);
	x->what.owner = sv_str(r->eng->node->owner);
	x->op = (struct op){ .done = created, .ctx = x };
	db_submit(r->eng->db, DB_WRITE, &x->op, job_create, x);
}

void runs_abort_waited(struct runs *r)
{
	for (struct flight *fl = r->flights; fl; fl = fl->next)
		if (fl->waiter)
			flight_abort(fl, "script_aborted");
}
