/*
 * Runs: one row from the moment something is to be executed until long after it ended. A run is
 * QUEUED, RUNNING, and then for ever SUCCESS, FAILED or CANCELLED; there is at most one queued or
 * running run per sync. Synchronous, inside a database job.
 *
 * A run that is being worked on belongs to an owner (a server process) while its lease lasts; one
 * without owner is taken by whoever claims next, and starts from its checkpoint. Every start and
 * every cancellation raises the fence: whatever a run writes happens in a transaction that has
 * checked the fence (run_guard), so that what was cancelled, or started again elsewhere, writes
 * nothing any more. Rows are always locked in the order sync, run, everything else.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct json_t;
struct node;

#define RUN_SYNC "sync"
#define RUN_WEBHOOK "webhook"
#define RUN_ACTION "action"
#define RUN_ON_EVENT "on-event"

enum { RUN_LEASE_MS = 30000 };

/* To be executed as soon as there is room. Everything is copied. */
struct run_new {
	const char *kind;
	int64_t environment_id, connection; /* internal ids */
	struct sv sync_id; /* of sync and webhook runs */
	struct sv name, variant; /* absent variant = base */
	struct sv input; /* JSON: webhook payload, action input; or absent */
	bool empty_cache;
	int64_t due_ms; /* the slot it runs for; 0 = by hand */
	struct sv owner; /* absent: whoever claims */
	struct sv async_id; /* an action whose caller asks for the result later: a UUID */
	int64_t retries; /* of such: tries after a failed one */
};
int run_create(struct dbc *c, const struct run_new *n, int64_t *ret_id, struct err *err) MUST_CHECK;

/*
 * Takes up to `limit` runs for the owner: those of syncs that are due, and those without owner.
 * next_ms: when there will be more (at once when the limit was reached; 0 = unknown).
 */
struct run_claim {
	struct sv owner;
	int64_t now_ms;
	unsigned limit;
	int64_t *ids; /* result, in the arena of the job or the caller's */
	size_t count;
	int64_t next_ms;
};
int run_claim(struct dbc *c, struct run_claim *claim, struct arena *a, struct err *err) MUST_CHECK;

/* Prolongs the leases of an owner's runs. */
int run_renew(struct dbc *c, struct sv owner, int64_t now_ms, struct err *err) MUST_CHECK;
/* Takes runs from owners that are known to be dead, and those whose lease has run out. */
int run_recover(struct dbc *c, const struct node *n, int64_t now_ms, int64_t *ret_count,
	struct err *err) MUST_CHECK;
/* Gives a run back that could not even begin, for another try at that time or later. */
int run_postpone(
	struct dbc *c, struct sv owner, int64_t id, int64_t until_ms, struct err *err) MUST_CHECK;

/* Everything needed to execute a run; strings in the arena given, NUL-terminated. */
struct run {
	int64_t id, fence;
	int64_t attempt; /* from 1; a start after a loss is none */
	int64_t environment_id, integration_id, connection, function_id;
	struct sv kind, name, variant, sync_id, operation_id, input;
	struct sv environment, connection_id, integration, provider; /* names on the wire */
	struct sv file_hash, version, sync_type;
	struct sv event; /* of on-event functions */
	struct sv models, json_schema, attributes; /* JSON */
	struct sv validation, log_level; /* of the environment */
	bool track_deletes, empty_cache;
	bool initial; /* the sync has no success so far */
	bool resumed; /* it was started before and interrupted */
	int64_t started_ms, last_sync_ms, due_ms;
	int64_t retries; /* left to an action by its caller, of all attempts */
	const char *refusal; /* why there is nothing to execute: end it as failed; NULL */
};

/*
 * Starts a run the owner has claimed: fence + 1, RUNNING, operation opened. When its function is
 * missing or disabled, or its connection gone, ret->refusal says so. ERR_CANCELLED when it is not
 * the owner's any more.
 */
int run_begin(struct dbc *c, int64_t id, struct sv owner, struct arena *a, struct run *ret,
	struct err *err) MUST_CHECK;

/* The cache was emptied: not again when the run is started again. */
int run_emptied(struct dbc *c, int64_t id, struct err *err) MUST_CHECK;

/* What a write on behalf of a run rests on. */
struct run_guard {
	int64_t id, fence;
	/* Filled. */
	struct json_t *result; /* {model: {added, updated, deleted}}; run_guard_done */
};
/* Locks the row. ERR_CANCELLED when the fence has moved on. */
int run_guard(struct dbc *c, struct run_guard *g, struct err *err) MUST_CHECK;
void run_guard_done(struct run_guard *g);
struct run_counts {
	int64_t added, updated, deleted;
};
/* Adds to the counts of a base model. */
int run_count(struct dbc *c, struct run_guard *g, struct sv model, const struct run_counts *n,
	struct err *err) MUST_CHECK;

/* How a run ended. */
struct run_end {
	const struct run *run;
	bool ok;
	bool interrupted; /* counts as success, and goes on at once */
	struct sv output; /* JSON or absent */
	struct sv error; /* JSON {type, message, payload...} when !ok */
	struct sv checkpoint_from, checkpoint_to; /* JSON, "null"; absent: none was used */
	bool may_retry; /* the failure is not the function's */
	int64_t retries; /* of such failures */
	bool locks; /* it may hold locks */
	int64_t cpu_us;
	/* Filled. */
	bool again; /* it has not ended: it will be tried again */
	int64_t next_ms; /* when this sync runs next; 0 = not planned */
	bool owed; /* webhooks were put into the outbox */
};
/*
 * Ends the run: its row, its sync's schedule and follow-up, its operation, the webhooks it owes
 * (wake the outbox after the commit). ERR_CANCELLED when the fence has moved on.
 */
int run_finish(struct dbc *c, struct run_end *end, struct err *err) MUST_CHECK;

/*
 * Cancels a queued or running run; nothing when it has ended. Its sync is left to the caller.
 * notify: with the error webhook. Whoever executes it learns of it by run_cancelled.
 */
int run_cancel(
	struct dbc *c, int64_t id, const char *reason, bool notify, struct err *err) MUST_CHECK;

/* All of a connection that goes, of whatever kind. */
int run_cancel_of_connection(
	struct dbc *c, int64_t connection, const char *reason, struct err *err) MUST_CHECK;

/* The owner's runs that were cancelled since the last call. */
int run_cancelled(struct dbc *c, struct sv owner, struct arena *a, int64_t **ret_ids,
	size_t *ret_count, struct err *err) MUST_CHECK;

/* What became of an action whose caller did not wait. JSON in the arena. */
struct run_outcome {
	bool ended, ok;
	struct sv output, error; /* as in struct run_end */
};
/* ERR_NOT_FOUND when the environment has no such action. */
int run_of_async(struct dbc *c, int64_t environment_id, struct sv async_id, struct arena *a,
	struct run_outcome *ret, struct err *err) MUST_CHECK;

/*
 * Owes the webhooks of a run that has ended (orchestration.md 5.1, 5.2); in model/run_webhook.c.
 * Returns how many deliveries.
 */
int run_owe_webhooks(struct dbc *c, int64_t id, struct err *err) MUST_CHECK;

/* The oldest run of the connection that has not ended, besides this one; id + 1 without any. */
int run_oldest(
	struct dbc *c, int64_t connection, int64_t id, int64_t *ret, struct err *err) MUST_CHECK;

/* Deletes runs that ended before the time, looking at the oldest `limit`. */
int run_prune(struct dbc *c, int64_t before_ms, int64_t limit, int64_t *ret_deleted,
	struct err *err) MUST_CHECK;
