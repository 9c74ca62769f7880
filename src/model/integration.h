/*
 * Integrations: a provider as one environment uses it (`provider_config_key` on the wire is
 * `unique_key` here), with the app's credentials sealed. Synchronous, inside a database job; text
 * lives in the caller's arena.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct keyring;

struct integration {
	int64_t id, environment_id;
	struct sv unique_key, provider;
	struct sv display_name; /* absent: the provider's */
	struct sv credentials_sealed, custom_sealed; /* absent: none */
	struct sv config; /* JSON object of strings: integration_config */
	bool forward_webhooks;
	int64_t created_ms, updated_ms;
};

/* ERR_NOT_FOUND when there is no live one. */
int integration_find(struct dbc *c, int64_t env, struct sv unique_key, struct arena *a,
	struct integration *ret, struct err *err);
int integration_get(
	struct dbc *c, int64_t id, struct arena *a, struct integration *ret, struct err *err);
int integration_list(struct dbc *c, int64_t env, struct arena *a, struct integration **ret,
	size_t *ret_count, struct err *err);

/* The sealed parts as JSON text: {type, client_id, ...} and {webhookSecret...}; absent = none. */
int integration_credentials(struct dbc *c, struct keyring *keys, const struct integration *in,
	struct arena *a, struct sv *ret, struct err *err);
int integration_custom(struct dbc *c, struct keyring *keys, const struct integration *in,
	struct arena *a, struct sv *ret, struct err *err);

/* To write: the clear text of what the struct keeps sealed. Absent = none. */
struct integration_secrets {
	struct sv credentials, custom;
};

/* Fills id and times of *in. ERR_CONFLICT when the key is taken. */
int integration_create(struct dbc *c, struct keyring *keys, struct integration *in,
	const struct integration_secrets *s, struct err *err);
/* Writes everything but the secrets that are absent in s. */
int integration_update(struct dbc *c, struct keyring *keys, struct integration *in,
	const struct integration_secrets *s, struct err *err);
/* With its connections, their syncs, and its functions. */
int integration_delete(struct dbc *c, const struct integration *in, struct err *err);

int integration_connection_count(struct dbc *c, int64_t id, int64_t *ret, struct err *err);
