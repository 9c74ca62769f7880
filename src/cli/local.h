/*
 * A run on the command line: the real runtime, with whatever the function saves collected instead
 * of stored. Where answers come from (a recording, a server) is its source's business. Loop thread
 * of the command line.
 */
#pragma once

#include "base/buf.h"
#include "runner/pool.h"

struct json_t;
struct project_fn;
struct local_run;

/*
 * Answers the calls that need the outside. Each must reply, by local_answer or local_refuse; what
 * is NULL is refused.
 */
struct local_source {
	void (*proxy)(struct local_run *l, const struct runner_call *call);
	void (*fetch)(struct local_run *l, const struct runner_call *call);
	void (*trigger_action)(struct local_run *l, const struct runner_call *call);
	/* New references; NULL: the call is refused with what the source said by local_problem. */
	struct json_t *(*connection)(struct local_run *l);
	struct json_t *(*integration)(struct local_run *l);
	struct json_t *(*env_vars)(struct local_run *l);
	void (*log)(struct local_run *l, struct json_t *head); /* may be NULL */
};

struct local_run {
	struct runner_run run;
	struct project_fn *fn; /* compiled and inspected */
	const struct local_source *source;
	struct json_t *paginate; /* the provider's defaults or NULL; owned */
	struct json_t *input; /* or NULL; owned */
	const char *connection_id, *provider, *environment, *variant, *last_sync_date;
	int64_t now_ms; /* the run's clock starts here; 0 = the real one */
	int64_t deadline_ms; /* 0 = none */

	/* What happened. */
	struct json_t *saved, *updated, *deleted; /* {Model: [records]} */
	struct json_t *checkpoint, *metadata; /* NULL = none */
	struct json_t *output; /* of an action */
	struct json_t *error; /* how it failed: {type, payload, ...}; NULL = it did not */
	unsigned requests;
	int64_t started_us, took_us, cpu_us, heap_bytes;
	struct buf problem; /* the first reason why it failed; empty = it went well */
	void (*ended)(struct local_run *l);
};

void local_init(struct local_run *l, struct project_fn *fn, const struct local_source *source);
void local_start(struct local_run *l, struct runner_pool *pool);
void local_done(struct local_run *l);

/* Notes why the run failed; only the first reason is kept. */
void local_problem(struct local_run *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Takes over head. */
void local_answer(
	struct local_run *l, const struct runner_call *call, struct json_t *head, struct sv body);
void local_refuse(struct local_run *l, const struct runner_call *call, const char *kind,
	const char *code, const char *message);
/* The same with more members, or other types; takes over error. */
void local_refuse_as(struct local_run *l, const struct runner_call *call, struct json_t *error);

/* Number of records the function saved. */
size_t local_record_count(const struct local_run *l);
