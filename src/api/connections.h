/*
 * What the files of /connections share: validation of end users and tags, and how a connection is
 * written.
 */
#pragma once

#include "api/api.h"

struct connection;
struct dbc;
struct integration;

extern const struct check end_user_fields[], tag_value;
void check_tags(struct issues *is, const struct json_t *v);
void check_url_or_empty(struct issues *is, const struct json_t *v);

struct sv text_lower(struct arena *a, struct sv s);
/* As stored: keys of tags in lower case, absent members of end users as null. */
struct sv tags_text(struct api_call *call, const struct json_t *tags);
struct sv end_user_text(struct api_call *call, const struct json_t *user);

void write_json_or_null(struct jw *w, const char *key, struct sv json);

struct connection_view {
	void (*times)(struct jw *w, const char *key, int64_t ms);
	bool credentials, refresh_token;
};
/* The whole connection as the reply. */
int connection_reply(struct api_call *call, struct dbc *c, int status,
	const struct connection *conn, const struct connection_view *view, struct err *err);

/* "does not match a valid connection": 400 or 404, as the endpoint has it. */
int connection_unknown(struct api_call *call, struct err *err, int status);

/* The credentials as they are stored, or a refusal that says what they lack. */
int connection_read_credentials(struct api_call *call, const struct integration *in,
	const struct json_t *given, struct sv *ret, struct err *err);
/*
 * Stores the connection (connection_upsert) and what follows from it: its webhook, the functions
 * that run after creation, its syncs. *conn is then as it is stored.
 */
int connection_establish(struct api_call *call, struct dbc *c, struct connection *conn,
	struct sv credentials, struct err *err);
