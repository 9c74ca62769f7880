/*
 * Tokens of connections that nobody uses: renewed all the same, about once a day, because many
 * providers let a refresh token die that is not used for weeks. A few at a time, one after the
 * other. Loop thread.
 */
#pragma once

#include "base/base.h"

struct db;
struct idle_refresh;
struct loop;
struct refresher;

/* after_ms: how long a connection has neither been read nor renewed. All is borrowed. */
struct idle_refresh *idle_refresh_new(
	struct loop *loop, struct db *db, struct refresher *refresher, int64_t after_ms);
/* Begins no other one and calls fn, later, when none is under way. */
void idle_refresh_stop(struct idle_refresh *i, void (*fn)(void *ctx), void *ctx);
void idle_refresh_free(struct idle_refresh *i); /* stopped; NULL is fine */
