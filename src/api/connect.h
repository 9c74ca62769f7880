/*
 * What the files of the connect flow share: the session whose token a request carries, and what it
 * says about the connection that comes of it. Inside jobs; everything lives in the call's arena.
 */
#pragma once

#include "api/api.h"
#include "model/connect.h"

struct connection;
struct dbc;
struct integration;

struct connecting {
	struct connect_session session;
	struct json_t *spec; /* of the session; connecting_done */
	struct json_t *defaults; /* integrations_config_defaults of the integration; may be NULL */
	struct integration *in;
};
void connecting_done(struct connecting *k); /* zeroed is fine */

/*
 * The session of the bearer token or of connect_session_token in the query. A refusal (401) when
 * there is none.
 */
int connect_session_of(
	struct api_call *call, struct dbc *c, struct connect_session *ret, struct err *err);

/* Whether the session (its spec) is for this integration. */
bool connect_allows(const struct json_t *spec, struct sv key);

/* The same with the integration that the path names, if the session allows it. */
int connecting_begin(struct api_call *call, struct dbc *c, struct connecting *ret, struct err *err);

/* The connection as the session wants it: its end user, tags, id (of a reconnection, or new). */
void connecting_fill(struct api_call *call, const struct connecting *k, struct connection *ret);
/*
 * Texts of the browser's query (given_key[..]), with what the session sets over them; a new
 * reference. The config is made of params[..] in this way.
 */
struct json_t *connecting_merge(const struct api_call *call, const char *given_key,
	const struct connecting *k, const char *set_key);
struct json_t *connecting_config(const struct api_call *call, const struct connecting *k);
