/*
 * What refreshing a connection's token has come to, in the store: the lease of whoever is at it,
 * and the failures since the last success. The lease is what keeps two processes from using one
 * refresh token; a result is written only by the holder of the fence that the claim gave.
 * Synchronous, inside a database job; text lives in the caller's arena.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct dbc;
struct node;

struct token_refresh {
	int64_t fence, lease_ms; /* lease_ms 0 = free */
	int64_t failures, failed_days, failed_ms;
	int64_t retry_ms; /* not again before */
	bool exhausted; /* not again until the credentials change */
	int64_t refreshed_ms; /* 0 = never */
	struct sv error; /* of the last failure; absent = none */
};

/* All zero when nothing was ever tried. */
int token_refresh_get(struct dbc *c, int64_t connection, struct arena *a, struct token_refresh *ret,
	struct err *err);

/* Takes the lease until `until_ms`. *ret_fence 0: another one holds it. */
int token_refresh_claim(struct dbc *c, int64_t connection, const struct node *n, int64_t now_ms,
	int64_t until_ms, int64_t *ret_fence, struct err *err);

/* Gives the lease back: nothing was done; it went well; it failed as *t says. */
int token_refresh_release(struct dbc *c, int64_t connection, int64_t fence, struct err *err);
int token_refresh_succeeded(
	struct dbc *c, int64_t connection, int64_t fence, int64_t now_ms, struct err *err);
int token_refresh_failed(
	struct dbc *c, int64_t connection, const struct token_refresh *t, struct err *err);

/* Failures no longer count: the credentials are others. The lease stays whose it is. */
int token_refresh_forget(struct dbc *c, int64_t connection, struct err *err);
/* Not again until the credentials change, or it is demanded; whoever holds the lease. */
int token_refresh_give_up(
	struct dbc *c, int64_t connection, int64_t now_ms, struct sv error, struct err *err);
/* The app's credentials are others: its connections may try again at once. */
int token_refresh_retry_now(struct dbc *c, int64_t integration, struct err *err);
/*
 * Connections behind `after` that were neither read nor refreshed since `before_ms`, and may be
 * refreshed: at most `max` of them, in order.
 */
int token_refresh_idle(struct dbc *c, int64_t before_ms, int64_t after, int64_t *ret, size_t max,
	size_t *ret_count, struct err *err);

/* What owners held that are known to be dead is free. */
int token_refresh_recover(struct dbc *c, const struct node *n, struct err *err);
