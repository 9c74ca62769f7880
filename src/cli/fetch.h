/*
 * One request to anywhere, on the command line: what uncontrolledFetch does in a dry run. No egress
 * guard, as it is the developer's own function on the developer's own machine. Blocking.
 */
#pragma once

#include "http/redirect.h"

/* Initialises and fills *ret, which http_response_done frees: a response, or why there is none. */
void fetch_once(
	const struct http_request *req, struct redirect_policy policy, struct http_response *ret);
