/*
 * A request on its way: what proxy.c (the flow) and lines.c (its log) share. Nobody else includes
 * this. Loop thread only.
 */
#pragma once

#include "auth/refresh.h"
#include "http/limiter.h"
#include "proxy/proxy.h"
#include "proxy/redact.h"
#include "proxy/target.h"

struct request {
	struct flow flow;
	struct proxy *proxy;
	struct op *op; /* the caller's */
	struct proxy_request req; /* copied into the flow's arena */
	struct proxy_reply *reply;

	struct proxy_cached *conn; /* looked up anew before every attempt */
	struct proxy_refusal refusal;
	struct err refused;
	struct arena attempt; /* everything of one attempt */
	struct http_request http;
	struct redactor redactor;
	struct limiter_ticket ticket; /* from before it is loaded until its answer */
	bool out; /* sent, and not answered yet */
	struct sv refused_credentials; /* that a 401 came back for; in the flow's arena */
	struct refresh_outcome refresh;
	bool checked; /* the token is as fresh as can be had */
	bool reload; /* the credentials have changed, perhaps behind the cache's back */
	bool renewed; /* after a 401: once per request */
	unsigned tries;
};
