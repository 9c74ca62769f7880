/*
 * How every connection comes to be: stored by a job of its handler, then judged by the
 * integration's functions for validate-connection, if there are any (model/validation.h), one after
 * the other; the first that throws refuses it. What follows from a connection (webhook, syncs,
 * other functions) follows when it is accepted. The call goes on even if its client leaves:
 * somebody has to come to a verdict.
 */
#include "api/connections.h"
#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "db/db.h"
#include "model/auth_webhook.h"
#include "model/function.h"
#include "model/provider.h"
#include "model/run.h"
#include "model/sync.h"
#include "webhook/outbox.h"

#include <stdio.h>

/* A function starts within 30 s and runs for 5 minutes at most. */
enum { FUNCTION_MS = 6 * 60 * 1000 };

static int owe_webhook(struct api_call *call, struct dbc *c, const struct connection *conn,
	bool created, struct err *err)
{
	const struct provider *p = provider_find(call->eng->providers, conn->provider);
	struct auth_event e = {
		.connection = conn,
		.auth_mode = p ? p->auth_mode : SV_LIT("NONE"),
		.operation = created ? AUTH_CREATION : AUTH_OVERRIDE,
	};

	int owed = auth_webhook_owe(c, &e, err);
	if (owed > 0)
		call->effects |= EFFECT_OUTBOX;
	return owed < 0 ? owed : 0;
}

/* The integration's functions for an event, in the arena. */
static int list_of_event(struct api_call *call, struct dbc *c, const struct connection *conn,
	const char *event, struct function **ret, size_t *ret_count, struct err *err)
{
	struct function *fns;
	size_t count, n = 0;

	TRY(function_list(c, conn->environment_id, conn->integration_id, FUNCTION_ON_EVENT,
		call->arena, &fns, &count, err));
	for (size_t i = 0; i < count; i++)
		if (fns[i].enabled && sv_eq_str(fns[i].event, event))
			fns[n++] = fns[i];
	*ret = fns;
	*ret_count = n;
	return 0;
}

static struct run_new run_of(const struct connection *conn, const struct function *f)
{
	return (struct run_new){ .kind = RUN_ON_EVENT,
		.environment_id = conn->environment_id,
		.connection = conn->id,
		.name = f->name };
}

/* What follows from a connection that may be used. */
static int follow(struct api_call *call, struct dbc *c, const struct connection *conn, bool created,
	struct err *err)
{
	struct function *fns;
	size_t count = 0;
	int64_t id;

	if (created)
		TRY(list_of_event(call, c, conn, "post-connection-creation", &fns, &count, err));
	for (size_t i = 0; i < count; i++) {
		struct run_new n = run_of(conn, &fns[i]);
		TRY(run_create(c, &n, &id, err));
	}
	call->effects |= EFFECT_SCHEDULE;
	return owe_webhook(call, c, conn, created, err);
}

int connection_establish(struct api_call *call, struct dbc *c, struct establishing *e,
	struct sv credentials, struct err *err)
{
	struct connection *conn = &e->connection;
	bool created;

	TRY(list_of_event(call, c, conn, "validate-connection", &e->functions, &e->count, err));
	if (!e->count) {
		TRY(connection_upsert(c, call->eng->keys, conn, credentials, &created, err));
		TRY(validation_forget(c, conn->id, &created, err));
	} else {
		TRY(connection_store(c, call->eng->keys, conn, credentials, &created, err));
		TRY(validation_begin(c, conn, created,
			clock_now_ms() + (int64_t)e->count * FUNCTION_MS, e->operation, err));
	}
	/* As it is stored: what was left as it was is in it too. */
	TRY(connection_get(c, conn->id, call->arena, conn, err));
	return e->count ? 0 : follow(call, c, conn, created, err);
}

/* --- the verdict --- */

/* The caller goes on where it was. */
static bool go_back(struct api_call *call)
{
	struct establishing *e = call->state;

	call->state = e->outer;
	call->finish = e->then;
	return e->then(call);
}

static int accept_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct establishing *e = call->state;
	struct err why = { 0 };
	bool is_new = false;

	api_job_begin(call);
	e->refusal = SV_NULL;
	int rc = validation_accept(c, e->connection.id, e->operation, &is_new, &why);
	if (rc >= 0)
		rc = connection_get(c, e->connection.id, call->arena, &e->connection, &why);
	if (rc == ERR_NOT_FOUND) {
		e->refusal = SV_LIT("it was replaced or deleted before it was validated");
		return 0;
	}
	if (rc < 0) {
		*err = why;
		return rc;
	}
	TRY(sync_ensure_for_connection(c, e->connection.id, err));
	return follow(call, c, &e->connection, is_new, err);
}

static int reject_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct establishing *e = call->state;
	struct err why = { 0 };

	int rc = validation_reject(c, call->eng->providers, e->connection.id, e->operation,
		e->refusal, &e->owed, &why);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		*err = why;
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

static bool rejected(struct api_call *call)
{
	const struct establishing *e = call->state;

	/* At once: the effects of a refused call are not carried out. */
	if (e->owed > 0)
		outbox_wake(call->eng->outbox);
	return go_back(call);
}

/* What the function threw, for people. */
static struct sv reason_of(struct api_call *call, struct sv text)
{
	own(json_unref) struct json_t *error = NULL;
	struct sv message = SV_NULL;

	if (text.len && json_parse(text, &error, NULL) == 0)
		message = json_sv(json_member(error, SV_LIT("message")));
	return arena_sv(call->arena, message.len ? message : SV_LIT("the function failed"));
}

static bool conclude(struct api_call *call, db_job_fn *job, api_loop_fn *then)
{
	call->finish = then;
	db_submit(call->eng->db, DB_WRITE, &call->flow.op, job, call);
	return true;
}

static bool judge(struct api_call *call);

static bool judged(struct api_call *call)
{
	struct establishing *e = call->state;
	struct runs_reply *reply = &e->reply;

	/* A run that could not even begin is no verdict in favour. */
	if (call->flow.err.code != ERR_OK)
		e->refusal = SV_LIT("the function could not be run");
	else if (!reply->ok)
		e->refusal = reason_of(call, reply->error);
	call->flow.err = (struct err){ 0 };
	mem_free((char *)reply->output.ptr);
	mem_free((char *)reply->error.ptr);
	*reply = (struct runs_reply){ 0 };
	return e->refusal.ptr ? conclude(call, reject_job, rejected) : judge(call);
}

static bool judge(struct api_call *call)
{
	struct establishing *e = call->state;

	if (e->next == e->count)
		return conclude(call, accept_job, go_back);
	struct run_new n = run_of(&e->connection, &e->functions[e->next++]);
	call->finish = judged;
	runs_execute(call->eng->runs, &n, &e->reply, &call->flow.op);
	return true;
}

bool connection_validate(struct api_call *call, struct establishing *e, api_loop_fn *then)
{
	if (call->flow.err.code != ERR_OK || !e->count)
		return then(call);
	e->outer = call->state;
	e->then = then;
	call->state = e;
	return judge(call);
}

int connection_refused(struct api_call *call, const struct establishing *e)
{
	return api_refuse(call, NULL, 400, "connection_validation_failed", "%.*s", SV(e->refusal));
}
