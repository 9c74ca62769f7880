/*
 * DELETE /connections/{id}: the integration's functions for the event pre-connection-deletion run
 * first, one after the other, while the connection still works. What becomes of them is in their
 * logs; the connection is deleted all the same.
 */
#include "api/connections.h"
#include "api/handlers.h"
#include "base/sv.h"
#include "db/db.h"
#include "model/connection.h"
#include "model/function.h"
#include "model/run.h"
#include "sync/runs.h"

struct deletion {
	struct connection connection;
	struct function *functions;
	size_t count, next;
	struct runs_reply reply;
};

static const struct check query[] = {
	{ "provider_config_key", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_INTEGRATION },
	{ 0 },
};
static const struct check params[] = {
	{ "id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255,
		.pattern = &PATTERN_CONNECTION },
	{ 0 },
};

static int find_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct deletion *d = call->state;

	call->refused = false;
	int rc = connection_find(c, api_env(call), api_query(call, "provider_config_key"),
		api_param(call, "id"), call->arena, &d->connection, err);
	if (rc == ERR_NOT_FOUND)
		return connection_unknown(call, err, 400);
	TRY(rc);
	return function_list(c, api_env(call), d->connection.integration_id, FUNCTION_ON_EVENT,
		call->arena, &d->functions, &d->count, err);
}

static int delete_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct deletion *d = call->state;

	return connection_delete(c, d->connection.id, err);
}

static bool deleted(struct api_call *call)
{
	if (call->flow.err.code != ERR_OK)
		return false;
	call->effects |= EFFECT_SCHEDULE;
	api_success(call);
	return false;
}

static bool is_due(const struct function *f)
{
	return f->enabled && sv_eq_str(f->event, "pre-connection-deletion");
}

/* The next function; or, after the last, the deletion. */
static bool go_on(struct api_call *call)
{
	struct deletion *d = call->state;

	if (call->flow.err.code != ERR_OK)
		return false;
	mem_free((char *)d->reply.output.ptr);
	mem_free((char *)d->reply.error.ptr);
	d->reply = (struct runs_reply){ 0 };
	while (d->next < d->count && !is_due(&d->functions[d->next]))
		d->next++;
	if (d->next == d->count) {
		call->finish = deleted;
		db_submit(call->eng->db, DB_WRITE, &call->flow.op, delete_job, call);
		return true;
	}
	struct run_new n = {
		.kind = RUN_ON_EVENT,
		.environment_id = api_env(call),
		.connection = d->connection.id,
		.name = d->functions[d->next++].name,
	};
	runs_execute(call->eng->runs, &n, &d->reply, &call->flow.op);
	return true;
}

bool connections_delete(struct api_call *call)
{
	if (api_check_query(call, query, NULL) < 0 || api_check_params(call, params, NULL) < 0)
		return false;
	call->state = ARENA_NEW(call->arena, struct deletion);
	call->finish = go_on;
	db_submit(call->eng->db, DB_READ, &call->flow.op, find_job, call);
	return true;
}
