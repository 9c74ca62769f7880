/*
 * The webhook that tells the app what became of a connection's authorisation: created, replaced,
 * or its token could not be refreshed (spec/orchestration.md 5.1, 5.2). Inside a write job.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct connection;
struct dbc;

enum auth_operation { AUTH_CREATION, AUTH_OVERRIDE, AUTH_REFRESH };

struct auth_event {
	const struct connection *connection;
	struct sv auth_mode; /* of the provider */
	enum auth_operation operation;
	const char *error_type; /* NULL: it went well */
	struct sv error_text; /* for people; no secrets */
};

/* Owes it if the environment wants to hear of it. Returns the number of deliveries owed. */
int auth_webhook_owe(struct dbc *c, const struct auth_event *e, struct err *err) MUST_CHECK;
