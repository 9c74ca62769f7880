/*
 * Syncs and their schedules: one row per (connection, sync function, variant). Synchronous,
 * inside a database job. After the commit of anything that may have changed a schedule, queued or
 * cancelled a run, call sync_after_control (sync/runs.h), so that no change waits for a poll.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct json_t;

struct sync {
	const char *id; /* uuid */
	int64_t environment_id, integration_id, connection; /* internal ids */
	const char *connection_id, *integration; /* public ids */
	const char *name, *variant; /* variant "base" */
	bool paused;
	const char *frequency; /* override or NULL */
	int64_t interval_ms, next_run_ms;
	int64_t run_id; /* 0 = none queued or running */
	int64_t last_sync_ms; /* 0 = never */
	int64_t created_ms;
};

/*
 * Creates (or undeletes) the base syncs that are missing: for a new connection of all sync
 * functions of its integration; for a deployed function of all connections. New ones start when
 * the function says auto_start, else paused. A changed frequency reaches syncs without override.
 */
int sync_ensure_for_connection(struct dbc *c, int64_t connection, struct err *err) MUST_CHECK;
int sync_ensure_for_function(struct dbc *c, int64_t function_id, struct err *err) MUST_CHECK;

/* Ends syncs: schedule gone, a run in flight fenced and cancelled. */
int sync_delete_of_connection(struct dbc *c, int64_t connection, struct err *err) MUST_CHECK;
int sync_delete_of_function(
	struct dbc *c, int64_t integration_id, struct sv name, struct err *err) MUST_CHECK;

/* One name of a control call: "name", "name::variant". */
struct sync_name {
	struct sv name, variant;
};

/* The live syncs that `names` select (none = all) of a connection (0 = of the integration). */
int sync_select(struct dbc *c, int64_t integration_id, int64_t connection,
	const struct sync_name *names, size_t count, struct arena *arena, struct sync **ret,
	size_t *ret_count, struct err *err) MUST_CHECK;

/*
 * Schedule states; asking for the present one changes nothing. Starting runs at once, pausing
 * fences and cancels a run in flight.
 */
int sync_start(struct dbc *c, const struct sync *s, struct err *err) MUST_CHECK;
int sync_pause(struct dbc *c, const struct sync *s, struct err *err) MUST_CHECK;

/*
 * Queues a run now, whatever the schedule state; while one is queued or running the request is
 * merged into the one that follows it. reset: cancels the run, forgets last sync and checkpoints.
 */
int sync_trigger(struct dbc *c, const struct sync *s, bool reset, bool empty_cache,
	struct err *err) MUST_CHECK;

/*
 * frequency NULL: back to the function's. ret_text: normalised, for the reply. Whether it is too
 * short is the caller's business.
 */
int sync_set_frequency(struct dbc *c, const struct sync *s, const char *frequency,
	struct arena *arena, const char **ret_text, struct err *err) MUST_CHECK;

/*
 * Adds a variant of a sync that the connection has. ERR_INVALID: it is called base; ERR_NOT_FOUND:
 * no such sync; ERR_CONFLICT: it exists; ERR_LIMIT: there are SYNC_VARIANTS_MAX. Deleting it takes
 * its checkpoints along.
 */
enum { SYNC_VARIANTS_MAX = 100 };
int sync_variant_create(struct dbc *c, int64_t connection, struct sv name, struct sv variant,
	struct arena *arena, struct sync *ret, struct err *err) MUST_CHECK;
int sync_variant_delete(struct dbc *c, const struct sync *s, struct err *err) MUST_CHECK;

/* The items of GET /sync/status (orchestration.md 1.7) as a JSON array, one query per kind. */
int sync_status_json(struct dbc *c, const struct sync *syncs, size_t count, struct json_t **ret,
	struct err *err) MUST_CHECK;
