/*
 * Environments: what a key opens. Each owns integrations, connections, functions, variables, a
 * signing key for outbound webhooks and its settings. Synchronous, inside a database job; text
 * that comes back lives in the caller's arena and is NUL-terminated.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct keyring;

struct environment {
	int64_t id;
	struct sv uuid, name; /* uuid: in inbound webhook URLs */
	bool is_production;
	struct sv primary_url, secondary_url; /* outbound webhooks; absent = none */
	bool on_sync_completion_always, on_sync_error, on_auth_creation, on_auth_refresh_error,
		on_async_action_completion;
	struct sv validation; /* off | warn | fail */
	struct sv log_level;
};

int env_get(struct dbc *c, int64_t id, struct arena *a, struct environment *ret, struct err *err);
int env_by_uuid(
	struct dbc *c, struct sv uuid, struct arena *a, struct environment *ret, struct err *err);
int env_by_name(
	struct dbc *c, struct sv name, struct arena *a, struct environment *ret, struct err *err);
int env_list(struct dbc *c, struct arena *a, struct environment **ret, size_t *ret_count,
	struct err *err);

/* Creates it with a fresh signing key and no API key. ERR_CONFLICT when the name is taken. */
int env_create(struct dbc *c, struct keyring *keys, struct sv name, bool is_production,
	int64_t *ret_id, struct err *err);

/* Writes the webhook settings of *e back. */
int env_save_webhooks(struct dbc *c, const struct environment *e, struct err *err);
/* validation and log_level. */
int env_save_settings(struct dbc *c, const struct environment *e, struct err *err);

/* The key that signs outbound webhooks (UUID v4); rotate makes a new one. */
int env_signing_key(struct dbc *c, struct keyring *keys, int64_t env, struct arena *a,
	struct sv *ret, struct err *err);
int env_signing_key_rotate(struct dbc *c, struct keyring *keys, int64_t env, struct arena *a,
	struct sv *ret, struct err *err);

struct env_variable {
	struct sv name, value;
};
int env_variables(struct dbc *c, struct keyring *keys, int64_t env, struct arena *a,
	struct env_variable **ret, size_t *ret_count, struct err *err);
/* An absent value removes the variable. */
int env_variable_set(struct dbc *c, struct keyring *keys, int64_t env, struct sv name,
	struct sv value, struct err *err);
