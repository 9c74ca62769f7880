/* Whether the server is there, and whether it can work. */
#include "api/handlers.h"
#include "db/db.h"

/* What probes wait for at most; the database itself is given longer to come back. */
enum { READY_MS = 2000 };

static void say_ok(struct api_call *call)
{
	struct jw w = api_json(call, 200);

	jw_obj(&w);
	jw_kv_cstr(&w, "result", "ok");
	jw_end(&w);
}

bool health(struct api_call *call)
{
	say_ok(call);
	return false;
}

/*
 * A query that answers is what readiness means: without the database nothing works. The query may
 * take longer than the call, whose end waits for it no more than for the time.
 */
struct probe {
	struct api_call *call; /* NULL once it has been answered */
	struct op op;
	struct timer timer;
};

static void answer(struct probe *p, const struct err *err)
{
	struct api_call *call = p->call;

	p->call = NULL;
	if (call)
		call->flow.op.done(call->flow.op.ctx, err);
}

static int probe_job(struct dbc *c, void *arg UNUSED, struct err *err)
{
	int64_t count;

	return db_one_i64(c, Q_READY, NO_ARGS, &count, err);
}

static void probed(void *ctx, const struct err *err)
{
	struct probe *p = ctx;

	if (p->call)
		timer_stop(p->call->eng->loop, &p->timer);
	answer(p, err);
	mem_free(p);
}

static void late(struct timer *t)
{
	static const struct err why = { ERR_TIMEOUT, "no answer in time" };

	answer(container_of(t, struct probe, timer), &why);
}

static bool readied(struct api_call *call)
{
	if (call->flow.err.code == ERR_OK)
		say_ok(call);
	else
		api_refuse(call, NULL, 503, "not_ready", "The database does not answer");
	return false;
}

bool ready(struct api_call *call)
{
	struct probe *p = NEW(struct probe);

	p->call = call;
	p->op = (struct op){ .done = probed, .ctx = p };
	call->finish = readied;
	timer_start(call->eng->loop, &p->timer, READY_MS, late);
	db_submit(call->eng->db, DB_READ, &p->op, probe_job, p);
	return true;
}
