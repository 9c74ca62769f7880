/*
 * OAuth (1.0a and 2) in the customer's browser: to the provider (oauth.c) and back
 * (oauth_callback.c). What the browser carries is the state, which is in the store too, good for
 * one answer, and in a cookie, so that nobody can finish in one browser what was begun in another.
 */
#pragma once

#include "api/connect.h"
#include "auth/grant.h"

/* One exchange with a provider, while the browser waits. */
enum { OAUTH_EXCHANGE_MS = 25 * 1000, OAUTH_ANSWER_MAX = 1 << 20, OAUTH_HOPS_MAX = 5 };

/* The reply is a page that tells `message` to whoever opened the window, and closes it. */
int oauth_page(struct api_call *call, int status, const struct json_t *message);
/* A page that says what went wrong; negative, for jobs: what was written is rolled back. */
int oauth_refuse(struct api_call *call, struct err *err, int status, const char *type,
	struct sv integration, const char *text);

/* Whether customers of this provider connect in a browser. */
bool oauth_in_browser(const struct provider *p, enum auth_type *ret);
/* The grant of an integration, for whoever will be connected; *ret_app is the caller's. In a job.
 */
int oauth_grant(struct api_call *call, struct dbc *c, const struct integration *in, struct grant *g,
	struct json_t **ret_app, struct err *err);
