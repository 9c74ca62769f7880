/*
 * The command line as a client of a server's REST API. Finds host and key as the public CLI does:
 * TIDEMARK_HOST, else NANGO_HOSTPORT, else http://localhost:3003; TIDEMARK_SECRET_KEY_<ENV>, else
 * NANGO_SECRET_KEY_<ENV>, else NANGO_SECRET_KEY; each from the environment or .env. Blocking.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct json_t;

struct rest {
	struct arena arena;
	const char *host, *key, *environment;
};

/* ERR_NOT_FOUND says which variable to set. */
int rest_open(const char *environment, struct rest *ret, struct err *err) MUST_CHECK;
void rest_done(struct rest *r);

struct rest_header {
	const char *name;
	struct sv value;
};

struct rest_request {
	const char *method, *path; /* path with its query, already encoded */
	const struct rest_header *headers;
	size_t header_count;
	struct sv body; /* JSON unless a content-type header says otherwise */
};

struct rest_response {
	int status;
	struct buf body;
	struct json_t *headers; /* [[name, value]], names lower case */
};

/* Sends; any status is a success of the call. ERR_UPSTREAM when there is no answer. */
int rest_send(struct rest *r, const struct rest_request *req, struct rest_response *ret,
	struct err *err) MUST_CHECK;
void rest_response_done(struct rest_response *r);

/*
 * Sends and parses: an error envelope or status becomes an error with the server's message and
 * its validation errors.
 */
int rest_call(struct rest *r, const struct rest_request *req, struct json_t **ret,
	struct err *err) MUST_CHECK;
int rest_json(struct rest *r, const char *method, const char *path, struct sv body,
	struct json_t **ret, struct err *err) MUST_CHECK;
