/*
 * The variables of provider templates (spec/function-runtime.md 2.5, 2.6): which names mean
 * something in which place, and the functions that need cryptography. One struct per request
 * attempt, on one thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct proxy_target;

/* Sets of names that a template may use. */
enum {
	VARS_CONNECTION =
		1, /* connection_config.*, connectionConfig.*, metadata.*, connection_id */
	VARS_CREDENTIALS = 2, /* credentials.* */
	VARS_FLAT = 4, /* the members of the credentials by their bare names */
	VARS_TOKEN = 8, /* accessToken */
	VARS_APP = 16, /* clientId, clientSecret of the integration */
	VARS_REQUEST = 32, /* method, endpoint, host, path, params... */
	VARS_ALL = 63,
};

struct proxy_vars {
	const struct proxy_target *target;
	struct arena *arena;
	int64_t now_ms; /* frozen for the request */
	char random[37];
	/* Of the request; absent until known. */
	struct sv method, endpoint, scheme, host, path, query, content_type, body;
};

/*
 * The text of `tmpl` with the names of `sets`, in the arena. *ret_resolved (may be NULL) says
 * whether every placeholder got its value. ERR_LIMIT over 64 KiB.
 */
int proxy_vars_eval(const struct proxy_vars *v, unsigned sets, struct sv tmpl, struct sv *ret,
	bool *ret_resolved, struct err *err);
