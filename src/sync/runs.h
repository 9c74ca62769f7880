/*
 * The runs in flight: what is due is claimed from the store, started in a runner, served with its
 * calls and ended, all on behalf of this process. State that must survive is in the store; what is
 * here can be lost at any moment and is built again from it.
 *
 * Loop thread only.
 */
#pragma once

#include "base/base.h"
#include "sync/engine.h"

struct op;

struct runs_config {
	unsigned limit; /* runs in flight at once; 0 = what the runners can execute */
	int64_t retries; /* of infrastructure failures within a period; < 0 = none, 0 = 1 */
	bool shared; /* other nodes use the same database */
};

/* Needs loop, db, runners, proxy, client, keys, providers, oplog of the engine. */
struct runs *runs_new(struct engine *e, const struct runs_config *cfg);
/* After runs_drain; NULL is fine. */
void runs_free(struct runs *r);

/* Takes over what a former process left behind, then claims whatever is due from now on. */
void runs_open(struct runs *r);

/* Webhooks were put into the outbox: called after the commit. Set by who owns the outbox. */
void runs_on_owed(struct runs *r, void (*fn)(void *ctx), void *ctx);

/*
 * After the commit of anything that changed schedules, queued runs or cancelled them: aborts at
 * once what was fenced, and looks for due work, here and on the other nodes.
 */
void sync_after_control(struct engine *e);
/* The same here alone: another node said that it changed something. */
void sync_look_again(struct engine *e);
void runs_abort_fenced(struct runs *r);

/*
 * Stops claiming, gives runs grace_ms to end, aborts the rest and leaves it resumable. Completes
 * op when nothing is in flight.
 */
void runs_drain(struct runs *r, int64_t grace_ms, struct op *op);

struct runs_stats {
	int64_t in_flight, started, succeeded, failed, lost;
};
void runs_stats(const struct runs *r, struct runs_stats *ret);

/*
 * Executes a function now and waits for its end, for who needs the output (actions, on-event
 * functions). op->done when it ended one way or the other; `reply` is filled then.
 */
struct runs_reply {
	bool ok;
	struct sv output; /* JSON; mem_free it */
	struct sv error; /* JSON; mem_free it */
	char operation_id[32];
};
struct run_new;
void runs_execute(struct runs *r, const struct run_new *n, struct runs_reply *ret, struct op *op);
/* Ends all of those early: when who waits has to come to an end too. */
void runs_abort_waited(struct runs *r);
