/*
 * uncontrolledFetch as messages tell of it (protocol/calls.def): the same whether a run on a server
 * or a dry run on the command line makes the request. Pure.
 */
#pragma once

#include "http/redirect.h"

struct json_t;

/* The request of a CALL. *ret borrows from head and body; its headers are in the arena. */
int fetch_request(const struct json_t *head, struct sv body, struct arena *a,
	struct http_request *ret, struct err *err) MUST_CHECK;

/* What of it goes along on redirects (spec/function-runtime.md 1.7). */
extern const struct redirect_policy fetch_policy;

/* {status, statusText, headers: [[name, value]]} of a REPLY, also of the provider client's. */
struct json_t *fetch_head(const struct http_response *res);

/* Why there is no response: the kind of error and its code, both static. */
void fetch_failure(const struct http_error *e, const char **ret_kind, const char **ret_code);
