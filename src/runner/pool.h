/*
 * The parent side of runner processes: a pool of `tidemark runner` children, each with a socket
 * and a shared page, each executing many runs at once. The pool starts runs, hands their calls to
 * the host, and notices children that hang, crash or grow. Everything a child says is hostile
 * input: sizes, counts and run ids are checked here, before the host sees a message.
 *
 * A child that dies takes its runs with it: the run that was executing (named by the shared page)
 * gets on_done with the reason; its neighbours get on_lost and are started again by their owner
 * from their checkpoint; a run lost twice is placed in a process of its own.
 *
 * Loop thread only. Used by the server (sync/) and by the command line (test, dryrun, deploy).
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"

struct json_t;

enum runner_method {
	RUNNER_METHOD_NONE,
#define CALL(name, comment) CALL_##name,
#include "protocol/calls.def"
#undef CALL
	RUNNER_METHOD_COUNT
};

struct runner_call {
	uint32_t id; /* for runner_reply */
	enum runner_method method;
	struct json_t *head; /* borrowed for the callback; take a reference to keep it */
	struct sv body; /* borrowed for the callback */
};

/* How a run ended, as far as the runner knows. */
struct runner_result {
	bool ok;
	struct sv output; /* JSON text, may be empty; borrowed for the callback */
	struct json_t *error; /* {type, payload, message, stack...}, stack already in TypeScript
				 positions; NULL when ok; borrowed */
	int64_t cpu_us, heap_bytes;
};

struct runner_run;

/* What the owner of a run provides. Every callback may call runner_reply, runner_abort. */
struct runner_host {
	void (*on_call)(struct runner_run *r, const struct runner_call *call);
	void (*on_log)(struct runner_run *r, struct json_t *head);
	/* The last callback of a run: r is unlinked from the pool when it is called. */
	void (*on_done)(struct runner_run *r, const struct runner_result *res);
	/* Its process ended for a reason that is not this run's: start it again or give up. */
	void (*on_lost)(struct runner_run *r, const char *why);
};

/* What to run. All borrowed for the call of runner_start. */
struct runner_spec {
	const char *fn; /* content hash of the bundle: same fn, same code */
	const char *file; /* "crm/syncs/contacts", for stack traces */
	struct sv js; /* the bundle, with its inline source map; may be absent when the pool has
			 it (runner_pool_has) */
	int64_t environment; /* runs of different environments never share a process */
	struct json_t *start; /* the START head: kind, props, models, paginate... (messages.def) */
	struct sv input; /* JSON text or empty */
	bool inspect; /* INSPECT instead of START: on_done's output is the definition */
	bool alone; /* isolation: process */
};

/* Embedded in its owner. */
struct runner_run {
	const struct runner_host *host;
	struct runner *runner; /* the process it is in; NULL while queued or over */
	uint32_t id; /* on the wire, unique in the pool's life */
	struct runner_run *next, **prev;
	struct runner_order *order; /* the pool's copy of the spec */
	unsigned deaths; /* of the processes it was in; kept by the owner between starts */
	/* The pool's own, per start. */
	uint32_t last_call, open_calls;
	int64_t aborted_us; /* when its end was asked for; 0 = not */
	int64_t log_second, log_lines, log_dropped;
};

struct runner_pool_config {
	const char *exe; /* this binary */
	unsigned processes; /* most children at once; 0 = number of cores */
	unsigned runs_each; /* runs in one child at once; 0 = 64 */
	int64_t memory_bytes; /* resident limit of a child; 0 = 512 MiB */
	int64_t hang_ms; /* CPU time without an answer to a ping, then it is killed; 0 = 8000 */
	int64_t idle_ms; /* a child without runs ends after; 0 = 60 s; < 0 = never */
	int64_t ready_ms; /* a new child has to answer within; 0 = 10 s */
	int64_t recycle_runs; /* a child is replaced after so many; 0 = 1000 */
	int64_t log_rate; /* lines per second that a run may log; 0 = 1000 */
};

struct runner_pool;
struct runner_pool *runner_pool_new(struct loop *loop, const struct runner_pool_config *cfg);
/* Kills what still runs (no callbacks), frees. NULL is fine. */
void runner_pool_free(struct runner_pool *p);
OWN_FN(struct runner_pool, runner_pool_free)

/* Starts or queues a run; it never fails inside this call. r->host must be set. */
void runner_start(struct runner_pool *p, struct runner_run *r, const struct runner_spec *spec);

/* Whether runner_start needs no bundle for this fn. */
bool runner_pool_has(const struct runner_pool *p, const char *fn);

/*
 * Answers a call: head (may be NULL for just {ok:true}; `ok` is added where there is no `error`)
 * and body, both borrowed; or an error head {error:{kind, code, message...}} built by the caller.
 * Ignored when the run is over.
 */
void runner_reply(struct runner_run *r, uint32_t call, struct json_t *head, struct sv body);

/*
 * Asks the run to end: its calls fail with `code`; killed if it does not end in 2 s. on_done comes
 * in any case, never inside this call.
 */
void runner_abort(struct runner_run *r, const char *code);

/* Forgets the run without any further callback; its process is told to abort it. */
void runner_drop(struct runner_run *r);

/* Runs that can execute at once. */
unsigned runner_pool_capacity(const struct runner_pool *p);

struct runner_pool_stats {
	int64_t processes, running, queued, started, deaths;
};
void runner_pool_stats(const struct runner_pool *p, struct runner_pool_stats *ret);
