/*
 * Functions: deployed syncs, actions and on-event scripts. One row per version, exactly one
 * active per (integration, type, name); bundle and source are stored once per content.
 * Synchronous, inside a database job; text lives in the caller's arena and is NUL-terminated.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;

struct function {
	int64_t id, environment_id, integration_id;
	struct sv integration; /* unique_key */
	struct sv name;
	struct sv type; /* sync | action | on-event */
	struct sv version;
	bool active, enabled;
	struct sv source; /* repo | standalone | catalog */
	struct sv file_hash; /* of function_code: same hash, same code */
	struct sv sdk_version; /* absent = unknown */
	struct sv runs; /* frequency as written; absent = none */
	int64_t interval_ms; /* frequency as understood; 0 = none */
	bool auto_start, track_deletes;
	struct sv sync_type; /* full | incremental; absent for others */
	struct sv models; /* JSON array of names */
	struct sv input; /* name of a definition; absent = none */
	struct sv json_schema; /* {"definitions": {...}}; absent = none */
	struct sv metadata; /* {description, scopes} */
	struct sv attributes, endpoints, features, webhook_subscriptions; /* JSON */
	struct sv event; /* of on-event functions */
	int64_t created_ms;
};

#define FUNCTION_SYNC SV_LIT("sync")
#define FUNCTION_ACTION SV_LIT("action")
#define FUNCTION_ON_EVENT SV_LIT("on-event")

/* Any version. */
int function_get(struct dbc *c, int64_t id, struct arena *a, struct function *ret, struct err *err);
/* The active version, enabled or not. ERR_NOT_FOUND without one. */
int function_find(struct dbc *c, int64_t integration_id, struct sv type, struct sv name,
	struct arena *a, struct function *ret, struct err *err);
/* Active versions of an integration (0 = of the whole environment), type absent = all. */
int function_list(struct dbc *c, int64_t env, int64_t integration_id, struct sv type,
	struct arena *a, struct function **ret, size_t *ret_count, struct err *err);

struct function_code {
	struct sv js; /* CommonJS bundle, inline source map included */
	struct sv ts; /* source of the entry file */
};
int function_code(struct dbc *c, struct sv file_hash, struct arena *a, struct function_code *ret,
	struct err *err);

/* What file_hash is for this code. */
struct sv function_code_hash(const struct function_code *code, struct arena *a);

/* Stores the code unless it is there; ret_hash in the arena. */
int function_code_put(struct dbc *c, const struct function_code *code, struct arena *a,
	struct sv *ret_hash, struct err *err);

/* Makes f the active version of its name (the former one becomes inactive); fills id and time. */
int function_put(struct dbc *c, struct function *f, struct err *err);

/* Ends the function and, for a sync, the syncs of all connections. */
int function_delete(struct dbc *c, const struct function *f, struct err *err);

int function_set_enabled(struct dbc *c, const struct function *f, bool enabled, struct err *err);

/* Whether any live sync of the integration runs the function of this name. */
int function_has_syncs(
	struct dbc *c, int64_t integration_id, struct sv name, bool *ret, struct err *err);
