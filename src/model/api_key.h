/*
 * API keys: UUID v4, case-insensitive, found by the SHA-256 of their lower case and kept sealed
 * so that an operator can read them again. Synchronous, inside a database job.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct keyring;

struct api_key {
	int64_t id, environment_id;
	struct sv environment; /* its name */
	struct sv display_name;
	struct sv scopes; /* JSON array of strings */
	struct sv secret; /* filled by api_key_list only */
	int64_t created_ms;
};

enum { API_KEY_HASH_SIZE = 32 };
/* What identifies a key in the store. */
void api_key_hash(struct sv key, unsigned char ret[API_KEY_HASH_SIZE]);

/* ERR_NOT_FOUND for a key that opens nothing. */
int api_key_find(
	struct dbc *c, struct sv key, struct arena *a, struct api_key *ret, struct err *err);

/* ERR_CONFLICT when the key exists already. scopes: JSON array. */
int api_key_create(struct dbc *c, struct keyring *keys, int64_t env, struct sv display_name,
	struct sv key, struct sv scopes, struct err *err);

/* Of one environment, oldest first, secrets included. */
int api_key_list(struct dbc *c, struct keyring *keys, int64_t env, struct arena *a,
	struct api_key **ret, size_t *ret_count, struct err *err);

/* UUID v4 with any case. */
bool api_key_format_ok(struct sv key);
