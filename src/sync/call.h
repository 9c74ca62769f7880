/*
 * A call of a function on its way through the server: from the message to the reply. A handler
 * starts exactly one operation (mostly a database job) with c->op, whose completion ends the call
 * with what is in c->reply and c->out, or with an error; or it refuses at once.
 */
#pragma once

#include "data/jw.h"
#include "sync/flight.h"

enum { CALL_OUT_MAX = 256 << 20 };

struct call {
	struct call *next, **prev;
	struct flight *fl;
	uint32_t id;
	enum runner_method method;
	struct json_t *head;
	struct sv body; /* a copy of ours */
	struct arena arena;
	struct op op;
	bool executing;

	struct json_t *reply; /* members of the REPLY; NULL = just ok */
	struct buf out; /* its body */
	struct sv raw; /* instead of out, when it has bytes */

	/* Of the handler. */
	db_job_fn *job;
	enum db_mode mode;
	void (*after)(struct call *c, const struct err *err); /* instead of ending, after the job */
	void (*free)(struct call *c); /* of `state` */
	void *state;
};

typedef int call_start_fn(struct call *c, struct err *err); /* 0 = an operation is under way */
call_start_fn call_proxy, call_fetch, call_batch, call_records_list, call_records_by_ids,
	call_track_start, call_track_end, call_delete_outdated, call_merging_set,
	call_checkpoint_get, call_checkpoint_save, call_checkpoint_clear, call_connection_get,
	call_metadata, call_integration_get, call_env_vars, call_trigger_action, call_trigger_sync,
	call_start_sync, call_lock_acquire, call_lock_release, call_lock_release_all;

/* Submits c->job with the call as its argument; it may be repeated, so it begins anew each time. */
int call_job(struct call *c, enum db_mode mode, db_job_fn *job);
/* The end of every call: replies and frees. err NULL or code ERR_OK: it went well. */
void call_end(struct call *c, const struct err *err);

/* An error of a form of its own: {error: {kind, code, message, status}}; then call_end(c, NULL). */
void call_refuse(
	struct call *c, const char *kind, const char *code, const char *message, int status);

/* Inside a job: the fence of the run, first thing in every write. */
static inline struct run_guard call_guard(const struct call *c)
{
	return (struct run_guard){ .id = c->fl->run.id, .fence = c->fl->run.fence };
}

/* The model named in the head, checked: *ret_base as given, *ret_full with the variant. */
int call_model(struct call *c, struct sv *ret_base, struct sv *ret_full, struct err *err);

/* check.c: 0 = fine or not asked for; ERR_INVALID when the environment says `fail`. Any thread. */
struct check_report {
	size_t wrong; /* records that do not match */
	char first[400]; /* "records[3]/email: expected string" */
};
int check_records(struct flight *fl, struct sv model, struct sv records, struct check_report *ret,
	struct err *err);
