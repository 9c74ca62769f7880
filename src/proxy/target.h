/*
 * Whom a request is for: everything about a connection that building the request needs, read in
 * one go. proxy_target_load runs inside a database job; a loaded target is then used by one thread
 * at a time. Its texts live in the arena it was loaded into, its JSON until proxy_target_done.
 */
#pragma once

#include "auth/credentials.h"
#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct json_t;
struct keyring;
struct provider;
struct providers;

struct proxy_target {
	const struct provider *provider;
	int64_t id; /* of the connection, internal */
	struct sv integration, connection_id;
	struct credentials credentials;
	struct json_t *connection_config, *metadata; /* objects or NULL */
	struct json_t *app; /* the integration's credentials: client_id...; NULL = none */
	struct json_t *config; /* integration_config; NULL = none */
	struct json_t *custom; /* the integration's free secrets; NULL = none */
	struct sv credentials_sealed; /* changes whenever the credentials do */
};

/*
 * A refusal of ours, on the way into struct proxy_reply: kind and code of spec/api-cli.md 2.8 and
 * function-runtime.md 1.8. The text is in struct err.
 */
struct proxy_refusal {
	const char *kind; /* "client" | "control" */
	const char *code;
	int status;
};

/* Fails with *refusal set when it is the caller's fault, else with kind NULL. */
int proxy_target_load(struct dbc *c, struct keyring *keys, const struct providers *providers,
	int64_t environment_id, struct sv integration, struct sv connection_id, struct arena *a,
	struct proxy_target *ret, struct proxy_refusal *refusal, struct err *err);
void proxy_target_done(struct proxy_target *t); /* zeroed is fine */
