/*
 * The connection that a refresh is about, as the store has it, and what is to be done: the jobs of
 * refresh.c. A subject belongs to one flow, whose jobs run one after the other.
 */
#pragma once

#include "auth/grant.h"
#include "auth/refresh.h"
#include "auth/token.h"
#include "model/connection.h"
#include "model/token_refresh.h"

struct dbc;
struct node;

enum subject_verdict {
	SUBJECT_FRESH, /* nothing to do */
	SUBJECT_RENEWED, /* somebody else has done it */
	SUBJECT_BUSY, /* somebody else is at it */
	SUBJECT_BACKOFF, /* failed not long ago */
	SUBJECT_EXHAUSTED, /* not until the credentials change */
	SUBJECT_GONE, /* there is no such connection any more */
	SUBJECT_ASK, /* ask for a new token */
};

/* How a conversation with the provider failed. */
struct subject_failure {
	struct grant_refusal refusal;
	char message[248];
};

struct subject {
	/* Given. */
	struct keyring *keys;
	const struct providers *providers;
	const struct node *node;
	int64_t id, backoff_ms;
	enum refresh_why why;
	struct sv known;

	/* Found. */
	struct arena arena;
	struct connection conn;
	const struct provider *provider;
	struct credentials credentials;
	struct json_t *config, *app, *custom;
	struct token_refresh last;
	enum token_state state;
	enum subject_verdict verdict;
	int64_t fence; /* of the lease; 0 = not ours */

	/* To be written. */
	struct sv next; /* the new credentials */
	struct subject_failure failure;
	bool swapped; /* they were written */
	int64_t owed; /* webhooks */
};

void subject_done(struct subject *s); /* zeroed is fine */

/* Jobs; arg is the subject. Look decides; claim takes the lease too if the verdict is ASK. */
int subject_look(struct dbc *c, void *arg, struct err *err);
int subject_claim(struct dbc *c, void *arg, struct err *err);
/* s->next replaces what was found, unless it has changed; the lease ends in the same commit. */
int subject_save(struct dbc *c, void *arg, struct err *err);
/* s->failure is remembered and told; the lease ends. */
int subject_fail(struct dbc *c, void *arg, struct err *err);
