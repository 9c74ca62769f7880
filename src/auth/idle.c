#include "auth/idle.h"

#include "auth/refresh.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/db.h"
#include "model/token_refresh.h"

enum { PICK, WORK, SLEEP };
enum { BATCH = 500, EVERY_MIN_MS = 100, EVERY_MAX_MS = 10 * 60 * 1000 };

struct idle_refresh {
	struct flow flow;
	struct db *db;
	struct refresher *refresher;
	int64_t after_ms, every_ms;
	int64_t ids[BATCH], last; /* last: where the next batch begins */
	size_t count, at;
	struct refresh_outcome outcome;
	bool over;
	void (*stopped)(void *ctx);
	void *ctx;
};

static struct idle_refresh *idle_of(struct flow *f)
{
	return container_of(f, struct idle_refresh, flow);
}

static int pick_job(struct dbc *c, void *arg, struct err *err)
{
	struct idle_refresh *i = arg;

	return token_refresh_idle(
		c, clock_now_ms() - i->after_ms, i->last, i->ids, BATCH, &i->count, err);
}

static int enter_pick(struct flow *f)
{
	struct idle_refresh *i = idle_of(f);

	i->at = 0;
	f->op.done = flow_wake;
	f->op.ctx = f;
	db_submit(i->db, DB_READ, &f->op, pick_job, i);
	return flow_wait(f, WORK);
}

/* Catches: one that fails is noted by the refresh itself, and not the last one. */
static int enter_work(struct flow *f)
{
	struct idle_refresh *i = idle_of(f);

	if (f->cancelled)
		return f->err.code;
	if (f->err.code != ERR_OK) {
		log_warn(NULL, "an idle connection was not refreshed", LOG_ERR(&f->err));
		f->err = (struct err){ 0 };
	}
	if (i->at == i->count) {
		/* A full batch has others behind it; they have their turn with the next one. */
		i->last = i->count == BATCH ? i->ids[BATCH - 1] : 0;
		return SLEEP;
	}
	struct refresh_request req = { .connection = i->ids[i->at++], .why = REFRESH_DUE };
	f->op.done = flow_wake;
	f->op.ctx = f;
	refresh_connection(i->refresher, &f->op, &req, &i->outcome);
	return flow_wait(f, WORK);
}

static int enter_sleep(struct flow *f)
{
	return flow_sleep(f, idle_of(f)->every_ms, PICK);
}

static const struct flow_step steps[] = {
	[PICK] = { "look for idle connections", enter_pick, .timeout_ms = 60000 },
	[WORK] = { "refresh an idle connection", enter_work, .timeout_ms = 5 * 60 * 1000,
		.catches = true },
	[SLEEP] = { "wait for the next idle connections", enter_sleep },
};

static void ended(struct flow *f)
{
	struct idle_refresh *i = idle_of(f);

	i->over = true;
	if (i->stopped)
		i->stopped(i->ctx);
}

struct idle_refresh *idle_refresh_new(
	struct loop *loop, struct db *db, struct refresher *refresher, int64_t after_ms)
{
	struct idle_refresh *i = NEW(struct idle_refresh);

	i->db = db;
	i->refresher = refresher;
	i->after_ms = after_ms;
	i->every_ms = after_ms / 10;
	if (i->every_ms > EVERY_MAX_MS)
		i->every_ms = EVERY_MAX_MS;
	if (i->every_ms < EVERY_MIN_MS)
		i->every_ms = EVERY_MIN_MS;
	flow_init(&i->flow, loop, steps, ended);
	flow_start(&i->flow, SLEEP);
	return i;
}

void idle_refresh_stop(struct idle_refresh *i, void (*fn)(void *ctx), void *ctx)
{
	i->stopped = fn;
	i->ctx = ctx;
	flow_cancel(&i->flow, ERR_CANCELLED, "the server ends");
}

void idle_refresh_free(struct idle_refresh *i)
{
	if (!i)
		return;
	assert(i->over);
	flow_done(&i->flow);
	mem_free(i);
}
