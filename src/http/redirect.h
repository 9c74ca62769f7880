/*
 * Requests that follow redirects: each hop is an http_send of its own and so passes the guard. The
 * rules are spec/function-runtime.md 1.7 and 2.8. redirect_next is the pure part.
 */
#pragma once

#include "http/client.h"

/* Which of the request's headers go along when a hop leaves its host. */
enum redirect_keep {
	REDIRECT_KEEP_SAME_HOST, /* credentials stay on the host and its subdomains, never to http
				  */
	REDIRECT_KEEP_SAME_ORIGIN, /* credentials stay on scheme, host and port */
	REDIRECT_KEEP_ALL, /* everything goes everywhere (forwardHeadersOnRedirect) */
	REDIRECT_KEEP_PLAIN, /* any hop: only accept, accept-encoding, content-type, user-agent */
};

struct redirect_policy {
	unsigned max_hops; /* 0: a redirect is returned as it is */
	enum redirect_keep keep;
};

/*
 * Like http_send, following redirects. Errors besides those of http_send:
 * ERR_FR_TOO_MANY_REDIRECTS, redirect_denied (the guard refused a hop), invalid_redirect.
 */
void http_fetch(struct http_client *c, struct op *op, const struct http_request *req,
	struct redirect_policy policy, struct http_response *res);

/*
 * The request after res, if res is a redirect to follow: 1 and *ret (in the arena, sharing req's
 * strings), 0 when res is final, ERR_INVALID when its Location cannot be understood.
 */
int redirect_next(const struct http_request *req, const struct http_response *res,
	enum redirect_keep keep, struct arena *arena, struct http_request *ret, struct err *err);
