/*
 * A run in flight: the flow that takes it from claimed to ended, and the calls its function makes
 * meanwhile. Shared by the files of sync/; nothing outside includes it. Loop thread only, but for
 * what a call hands to its job.
 *
 *	runs.c	which runs are in flight	calls.c	life of a call; dispatch
 *	flight.c	the flow of one			call_*.c	what each method does
 *	start.c	what the runner is told		check.c	records against their model
 */
#pragma once

#include "data/json.h"
#include "db/db.h"
#include "io/flow.h"
#include "model/run.h"
#include "records/dataset.h"
#include "runner/pool.h"
#include "sync/runs.h"

struct call;
struct schema;

struct runs {
	struct engine *eng;
	struct runs_config cfg;
	struct flight *flights;
	unsigned count;
	struct runs_stats stats;
	void (*owed)(void *ctx);
	void *owed_ctx;

	/* Claiming: one job at a time, and the first takes over from former processes. */
	struct run_claim claim;
	struct arena claim_arena;
	struct op claim_op;
	bool claiming, recovered;
	bool starved; /* there is more to do than room */

	/* Learning what was cancelled. */
	struct op fenced_op;
	struct arena fenced_arena;
	int64_t *fenced;
	size_t fenced_count;
	bool asking, ask_again;

	struct op lease_op;
	bool leasing;
	struct timer lease;

	struct op prune_op;
	bool pruning;
	struct timer prune;

	bool draining;
	struct timer grace;
	struct op *drained;
};

/* A model whose writes are guarded: ignore_if_modified_after. */
struct merging {
	struct merging *next;
	struct sv model; /* full name */
	int64_t guard;
};

/* The compiled schema of a model, once it was needed. */
struct model_schema {
	struct model_schema *next;
	struct sv model; /* base name */
	struct schema *schema; /* NULL: it has none that can be used */
};

struct flight {
	struct flow flow;
	struct runs *runs;
	struct flight *next, **prev;
	int64_t id;
	struct run run; /* strings in begin_arena */
	struct arena begin_arena; /* of the present start */
	struct runner_run rr;
	struct sv code; /* the bundle, in begin_arena, when the pool lacks it */
	struct timer deadline;

	/* Calls that have not ended, oldest first. */
	struct call *calls, **last_call;
	unsigned call_count, executing;
	bool write_busy; /* a call that must keep its order is executing */
	bool starting;
	bool settling; /* waits for the last of them */

	/* What calls keep. */
	struct json_t *models; /* array of base names */
	struct merging *merging;
	struct model_schema *schemas;
	struct sv checkpoint_key;
	int64_t checkpoint_version; /* 0 = not known */
	char *checkpoint_from, *checkpoint_to; /* JSON; NULL = not used */
	bool locks, wrote;

	/* How it went. */
	bool fenced; /* cancelled: nothing more is to be written */
	bool released; /* to be given back unfinished */
	bool begun, emptied, lost, ok, interrupted;
	char *output, *error;
	int64_t cpu_us;
	struct run_end end;
	unsigned tries; /* of the last step */
	struct runs_reply *reply; /* who waits for it */
	struct op *waiter;
};

struct flight *flight_start(
	struct runs *r, int64_t id, struct runs_reply *reply, struct op *waiter);
/* Ends it early: cancelled by a user, or given back. Nothing is written after `fenced`. */
void flight_abort(struct flight *fl, const char *code);

/* runs.c */
void runs_flight_over(struct flight *fl);

/* start.c */
struct json_t *start_head(const struct flight *fl);
const char *start_file(const struct flight *fl, struct arena *a);
int64_t start_deadline_ms(const struct flight *fl);

/* calls.c: the host of the runner's callbacks, and the end of all calls */
void calls_begin(struct flight *fl, const struct runner_call *rc);
/* Those that can end early do, and those that wait are dropped; writes only if asked for. */
void calls_cancel(struct flight *fl, bool writes_too);

/* check.c */
void check_free(struct flight *fl);

static inline struct records_of flight_dataset(const struct flight *fl, struct sv full_model)
{
	return (struct records_of){ fl->runs->eng->keys, fl->run.environment_id, fl->run.connection,
		full_model };
}

/* "Model", or "Model::variant" for a variant. */
static inline struct sv flight_model(const struct flight *fl, struct arena *a, struct sv base)
{
	if (sv_eq_str(fl->run.variant, "base"))
		return base;
	return sv_str(arena_printf(a, "%.*s::%.*s", SV(base), SV(fl->run.variant)));
}

/* A line of the users' log, by us. meta: JSON or absent. */
void flight_log(const struct flight *fl, const char *level, const char *type, struct sv text,
	struct sv meta);
