/*
 * Provider requests and the rate limiter (http/limiter.h): who shares a limit, and the answer when
 * there is no room for a request in the time its caller has.
 */
#pragma once

#include "http/limiter.h"

struct proxy_reply;
struct proxy_request;

/* Environment, integration, connection, and the host: what lies elsewhere has a limit of its own.
 */
struct sv proxy_limit_key(const struct proxy_request *req, struct sv url, struct arena *a);

/* Which lane (http/rate.h) a URL is on: the first part of its path. */
uint64_t proxy_limit_lane(struct sv url);

/* "the quota is used up"... */
const char *proxy_limit_reason(enum rate_why why);

/*
 * A 429 of our own, since asking the provider would bring one: Retry-After and a JSON body, as
 * functions expect of one; the header x-tidemark-error tells it from the provider's.
 */
void proxy_limit_refuse(struct proxy_reply *reply, const struct limiter_ticket *t);
