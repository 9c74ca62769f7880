/*
 * For the tests of syncs and runs: a fresh database with an environment, an integration, a
 * connection and a sync function. A test is a write job; CHECK leaves it with the line.
 */
#pragma once

#include "base/clock.h"
#include "db/db.h"
#include "model/connection.h"
#include "model/env.h"
#include "model/function.h"
#include "model/integration.h"
#include "model/outbox.h"
#include "model/run.h"
#include "model/sync.h"

#define CHECK(cond)                                                                        \
	do {                                                                               \
		if (!(cond))                                                               \
			return err_set(err, ERR_INTERNAL, "line %d: %s", __LINE__, #cond); \
	} while (0)

struct world {
	struct loop *loop; /* NULL unless set before world_open */
	const char *js; /* the bundle; a dull one unless set */
	const char *schema; /* JSON Schema of its models, or NULL */
	struct keyring *keys;
	struct db *db;
	int64_t env, integration, connection, function;
	int64_t created_ms; /* of its sync */
	/* What was put into the outbox. */
	char bodies[8][1024];
	size_t owed;
};

/* One at a time: the outbox of the tests writes into it (the last bodies, from the database's
 * thread). */
extern struct world *world;

void world_open(struct world *w);
void world_close(struct world *w);

/* Runs the job in a world of its own; fails the test with the job's message. */
void in_world(db_job_fn *job);

/* The only sync as it is now. */
int world_sync(struct dbc *c, struct sync *ret, struct err *err);
/* Deploys another version of the function. */
int world_deploy(
	struct dbc *c, const char *runs, int64_t interval_ms, bool auto_start, struct err *err);
