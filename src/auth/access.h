/*
 * Who is calling: the API key of a request, the environment it opens and the scopes it carries
 * (spec/api-cli.md 1.1, 1.3). auth_api_key runs inside a database job, the rest anywhere.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "model/api_key.h"

struct dbc;

/* A refusal in the words of the API: a status, a code, a message for people. */
struct auth_refusal {
	int status; /* 401 or 403 */
	const char *code, *message;
};

/*
 * The key in an Authorization header: what follows the last "Bearer ", so that a bare key passes.
 * False and *ret when there is none or it is no UUID v4; needs no database.
 */
bool auth_key_of_header(struct sv header, struct sv *ret_key, struct auth_refusal *ret);

/*
 * Finds the key of the header (absent = none was sent). 1 = found, 0 = refused with *ret_refusal,
 * < 0 = the database failed. *ret lives in the arena.
 */
int auth_api_key(struct dbc *c, struct sv header, struct arena *arena, struct api_key *ret,
	struct auth_refusal *ret_refusal, struct err *err);

/*
 * Whether granted scopes (JSON array of text) cover `required` ("environment:records:read"):
 * literally, or by a granted "environment:*" or "environment:records:*".
 */
bool auth_scope_covers(struct sv granted, const char *required);
