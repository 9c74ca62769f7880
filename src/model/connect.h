/*
 * How customers connect themselves: connect sessions (what the app allows the holder of a token to
 * do, for half an hour), and OAuth sessions (an authorisation that is under way at a provider,
 * found again by its state, once). Synchronous, inside a database job; text lives in the caller's
 * arena.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct keyring;

/* "nango_connect_session_" and 64 hex digits. */
#define CONNECT_TOKEN_SIZE 88

struct connect_session {
	int64_t id, environment_id;
	struct sv spec; /* JSON object: end_user, allowed_integrations... */
	int64_t expires_ms;
};

/* Makes the session and its token, which is not kept. */
int connect_session_create(struct dbc *c, int64_t env, struct sv spec, struct connect_session *ret,
	char token[CONNECT_TOKEN_SIZE], struct err *err);
bool connect_token_format_ok(struct sv token);
/* ERR_NOT_FOUND when there is none, or no more. */
int connect_session_find(struct dbc *c, struct sv token, struct arena *a,
	struct connect_session *ret, struct err *err);
int connect_session_get(
	struct dbc *c, int64_t id, struct arena *a, struct connect_session *ret, struct err *err);
int connect_session_delete(struct dbc *c, int64_t id, struct err *err);

struct oauth_session {
	struct sv state;
	int64_t environment_id, integration_id, session_id;
	struct sv secret; /* JSON text, sealed in the store */
};

int oauth_session_create(
	struct dbc *c, struct keyring *keys, const struct oauth_session *s, struct err *err);
/* Takes it out of the store: a state is good for one answer. ERR_NOT_FOUND also when too late. */
int oauth_session_take(struct dbc *c, struct keyring *keys, struct sv state, struct arena *a,
	struct oauth_session *ret, struct err *err);

/* Forgets those that are over. */
int connect_prune(struct dbc *c, struct err *err);
