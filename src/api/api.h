/*
 * The REST API: routes.def names every endpoint; this is what an endpoint's code sees. A request
 * is matched, its key and scope are checked, its query and JSON body parsed; then its handler
 * runs: a job (READ, WRITE) on a database thread inside one transaction, or a loop handler (LOOP)
 * that may wait for operations. Whatever a job refuses or fails is rolled back.
 *
 * A handler writes the reply into the call (api_json, api_refuse...) and never sends it.
 */
#pragma once

#include "api/check.h"
#include "base/err.h"
#include "data/jw.h"
#include "http/router.h"
#include "http/server.h"
#include "io/flow.h"
#include "model/api_key.h"
#include "sync/engine.h"

struct api;
struct api_call;
struct dbc;
struct json_t;

/* A job: 0, or the result of api_refuse*, or an error of ours (answered 500). */
typedef int api_job_fn(struct api_call *call, struct dbc *c, struct err *err);
/*
 * On the loop: true when an operation was started in call->flow.op, false when the reply is
 * written. After the operation call->finish is called, which may start another one the same way;
 * flow.err says how the last one went.
 */
typedef bool api_loop_fn(struct api_call *call);

enum api_mode { API_READ, API_WRITE, API_LOOP };

enum api_body {
	BODY_NONE, /* ignored, up to 64 KiB */
	BODY_JSON, /* parsed, 10 MiB */
	BODY_LARGE, /* parsed, setting max_body */
	BODY_RAW, /* not looked at, setting max_body */
};

struct api_route {
	enum api_mode mode;
	const char *method, *pattern;
	api_job_fn *job;
	api_loop_fn *loop;
	const char *scope; /* "a|b": one suffices; "": any key; NULL: none needed */
	enum api_body body;
	const char *summary;
	bool alone; /* one at a time per environment, others are refused */
};

/* What must happen on the loop once a write job has been committed. */
enum api_effect {
	EFFECT_SCHEDULE = 1, /* schedules or queued runs changed, or runs were fenced */
	EFFECT_OUTBOX = 2, /* webhooks are owed */
};

struct api_call {
	struct flow flow;
	struct api *api;
	struct engine *eng;
	struct http_call *http;
	struct arena *arena; /* of the whole call */
	const struct api_route *route; /* NULL: none matched */
	struct route_match match;
	enum router_result matched;
	struct api_key key; /* who is calling; zero for public routes */
	bool authenticated;
	struct json_t *query; /* an object */
	struct json_t *body; /* NULL: there was none */
	api_loop_fn *finish; /* of loop handlers */
	void *state; /* of loop handlers, in the arena */
	bool keeps_on; /* of loop handlers: not cancelled when the client leaves */

	/* The reply. */
	int status;
	const char *content_type;
	struct buf out;
	struct http_headers headers;
	unsigned effects;
	int64_t touch_connection; /* to be remembered as read; 0 = none */
	bool refused;
	struct api_call *next_alone; /* of api.c */
};

/* For jobs of loop handlers: a job may be run again, and nothing of the first time is left. */
void api_job_begin(struct api_call *call);

/* --- the reply --- */

/* Begins a JSON reply of this status; the writer is ready for one value. */
struct jw api_json(struct api_call *call, int status);
/* {"success":true} */
int api_success(struct api_call *call);
void api_header(struct api_call *call, const char *name, struct sv value);

/*
 * {"error":{"code","message"}}: all of them return a negative number for the job to return.
 * The `_payload` form adds "payload":{}, as some errors of the original have.
 */
int api_refuse(struct api_call *call, struct err *err, int status, const char *code,
	const char *fmt, ...) PRINTF_LIKE(5, 6);
int api_refuse_payload(struct api_call *call, struct err *err, int status, const char *code,
	const char *fmt, ...) PRINTF_LIKE(5, 6);
/* 400 with "errors": the issues. */
int api_refuse_issues(
	struct api_call *call, struct err *err, const char *code, const struct issues *is);

/* --- the request --- */

/* A text member of the query or body; absent when it is missing or no text. */
struct sv api_query(const struct api_call *call, const char *name);
struct sv api_text(const struct api_call *call, const char *name);
struct sv api_param(const struct api_call *call, const char *name); /* of the path */
struct sv api_head(const struct api_call *call, const char *name); /* a header */

/* Validation; a refusal (400 invalid_query_params, invalid_body, invalid_headers) when wrong. */
int api_check_query(struct api_call *call, const struct check *fields, struct err *err);
int api_check_body(struct api_call *call, const struct check *fields, struct err *err);
int api_check_params(struct api_call *call, const struct check *fields, struct err *err);
/* fields: names of headers in lower case. */
int api_check_headers(struct api_call *call, const struct check *fields, struct err *err);
/* No query parameter at all. */
int api_check_no_query(struct api_call *call, struct err *err);

/* How clients reach this server: "http://..." without a path. */
const char *api_base_url(const struct api_call *call);

/* Issues in the call's arena, for checks of a handler's own. */
struct issues *api_issues(struct api_call *call);

/* Whether the key of the call covers this scope. */
bool api_allows(const struct api_call *call, const char *scope);

static inline int64_t api_env(const struct api_call *call)
{
	return call->key.environment_id;
}

/* JSON text of v in the arena; absent for NULL and null. */
struct sv api_dump(struct api_call *call, const struct json_t *v);

/* --- the whole --- */

struct api *api_new(struct engine *eng, struct err *err);
void api_free(struct api *api); /* no call in flight; NULL is fine */
OWN_FN(struct api, api_free)

/* For http_server_opts, with the api as ctx. */
void api_handle(void *ctx, struct http_call *call);
size_t api_body_limit(void *ctx, struct http_call *call);
void api_refuse_call(void *ctx, struct http_call *call, int status);

/* The table, for tests and documentation. */
const struct api_route *api_routes(size_t *ret_count);

/* The server whose counters /metrics shows. */
void api_set_server(struct api *api, struct http_server *server);
