/*
 * What the files of /connections share: validation of end users and tags, and how a connection is
 * written.
 */
#pragma once

#include "api/api.h"
#include "model/connection.h"
#include "model/validation.h"
#include "sync/runs.h"

struct dbc;
struct function;
struct integration;

extern const struct check end_user_fields[], tag_value;
void check_tags(struct issues *is, const struct json_t *v);
void check_url_or_empty(struct issues *is, const struct json_t *v);

struct sv text_lower(struct arena *a, struct sv s);
/* As stored: keys of tags in lower case, absent members of end users as null. */
struct sv tags_text(struct api_call *call, const struct json_t *tags);
struct sv end_user_text(struct api_call *call, const struct json_t *user);

void write_json_or_null(struct jw *w, const char *key, struct sv json);

struct connection_view {
	void (*times)(struct jw *w, const char *key, int64_t ms);
	bool credentials, refresh_token;
};
/* The whole connection as the reply. */
int connection_reply(struct api_call *call, struct dbc *c, int status,
	const struct connection *conn, const struct connection_view *view, struct err *err);

/* "does not match a valid connection": 400 or 404, as the endpoint has it. */
int connection_unknown(struct api_call *call, struct err *err, int status);

/* The credentials as they are stored, or a refusal that says what they lack. */
int connection_read_credentials(struct api_call *call, const struct integration *in,
	const struct json_t *given, struct sv *ret, struct err *err);

/*
 * A connection that comes to be (connection_establish.c). The handler is one of the loop and sets
 * keeps_on before its write job, which fills the connection (zeroed before) and calls
 * connection_establish; after the job comes connection_validate, and `then` when all is decided:
 * with flow.err as the job left it, with `refusal` set, or with the connection as it is stored.
 */
struct establishing {
	struct connection connection;
	struct sv refusal; /* why it was not accepted; absent: it was */
	size_t count; /* functions that have to accept it */

	/* connection_establish.c's own. */
	struct function *functions;
	size_t next;
	char operation[OPLOG_ID_SIZE];
	struct runs_reply reply;
	int64_t owed;
	void *outer;
	api_loop_fn *then;
};
/*
 * Stores it. When no function has to accept it first, with what follows: its webhook, the functions
 * that run after creation, its syncs.
 */
int connection_establish(struct api_call *call, struct dbc *c, struct establishing *e,
	struct sv credentials, struct err *err);
bool connection_validate(struct api_call *call, struct establishing *e, api_loop_fn *then);
/* 400 connection_validation_failed: what the function threw. */
int connection_refused(struct api_call *call, const struct establishing *e);
