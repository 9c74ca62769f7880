/*
 * Connections: one customer's access to one integration. The pair (integration, connection_id) is
 * unique in an environment; `id` is internal. Credentials are sealed JSON with a "type".
 * Synchronous, inside a database job; text lives in the caller's arena and is NUL-terminated.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct keyring;
struct rows;

struct connection {
	int64_t id, environment_id, integration_id;
	struct sv connection_id;
	struct sv integration, provider; /* unique_key; name in the catalogue */
	struct sv credentials_sealed;
	struct sv connection_config; /* JSON object */
	struct sv metadata; /* JSON object, absent = null */
	struct sv tags; /* JSON object of strings */
	struct sv end_user; /* JSON object, absent = null */
	struct sv errors; /* JSON array of {type, log_id} */
	struct sv webhook_url_override; /* absent = none */
	int64_t created_ms, updated_ms, last_fetched_ms; /* 0 = never */
};

/* By public ids. ERR_NOT_FOUND when there is no live one. */
int connection_find(struct dbc *c, int64_t env, struct sv integration, struct sv connection_id,
	struct arena *a, struct connection *ret, struct err *err);
int connection_get(
	struct dbc *c, int64_t id, struct arena *a, struct connection *ret, struct err *err);

/* The credentials as JSON text. Never to be logged. */
int connection_credentials(struct dbc *c, struct keyring *keys, const struct connection *conn,
	struct arena *a, struct sv *ret, struct err *err);
/*
 * Replaces them only if they still are what *conn was read with, and clears its errors: whoever
 * gave it other credentials meanwhile wins. The config is written along.
 */
int connection_swap_credentials(struct dbc *c, struct keyring *keys, const struct connection *conn,
	struct sv credentials, bool *ret_swapped, struct err *err);

/* Remembers that somebody read it. */
int connection_touch(struct dbc *c, int64_t id, struct err *err);

/* errors: the whole new JSON array. */
int connection_set_errors(struct dbc *c, int64_t id, struct sv errors, struct err *err);

/* The error of the operation with this id, as the only one. */
int connection_set_auth_error(struct dbc *c, int64_t id, const char *log_id, struct err *err);

/*
 * Creates, or overwrites the one with the same ids (then *ret_created is false and absent fields
 * stay as they were). Reads environment_id, integration_id, connection_id and the JSON fields of
 * *conn, fills id and times. The second also ensures its base syncs.
 */
int connection_store(struct dbc *c, struct keyring *keys, struct connection *conn,
	struct sv credentials, bool *ret_created, struct err *err);
int connection_upsert(struct dbc *c, struct keyring *keys, struct connection *conn,
	struct sv credentials, bool *ret_created, struct err *err);

/* tags, end_user and webhook_url_override of *conn. */
int connection_update(struct dbc *c, const struct connection *conn, struct err *err);

/* Replaces the metadata; merge: top-level keys over what is there. */
int connection_set_metadata(struct dbc *c, int64_t id, struct sv metadata, struct err *err);
int connection_merge_metadata(
	struct dbc *c, const struct connection *conn, struct sv metadata, struct err *err);

/* Soft: gone for users, its syncs ended. */
int connection_delete(struct dbc *c, int64_t id, struct err *err);

/*
 * Deletes the row and all that hangs on it, but for records: ERR_CONFLICT while there are some. To
 * be deleted softly before, so that nothing is under way on its behalf.
 */
int connection_erase(struct dbc *c, int64_t id, struct err *err);

struct connection_filter {
	int64_t environment_id;
	struct sv connection_id; /* exact */
	struct sv search; /* part of the id, or of the end user's name or email */
	struct sv end_user_id, organization_id;
	struct sv integrations; /* comma list of unique keys */
	struct sv tags; /* JSON object: all must match */
	int64_t limit, offset;
};
/* Newest first. Absent fields do not filter. */
int connection_list(struct dbc *c, const struct connection_filter *f, struct arena *a,
	struct connection **ret, size_t *ret_count, struct err *err);

/* All live ones of an integration (inbound webhooks, functions over all connections). */
int connection_list_of_integration(struct dbc *c, int64_t integration_id, struct arena *a,
	struct connection **ret, size_t *ret_count, struct err *err);

/* For the queries of this module: one row with the columns that sql/queries/connection.sql gives.
 */
void connection_read_row(struct rows *r, struct arena *a, void *ret);
