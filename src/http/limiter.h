/*
 * The rate limiter: what all requests to one provider for one connection share, so that what one
 * of them learns (rate.h) holds for every other. A request takes a ticket before it is sent and
 * hands it back with the answer. Who must wait is let through in turn: one request of each owner
 * (a run), then one of each again. Nothing waits longer than it said it would.
 *
 * Bounded: LIMITER_ENTRIES_MAX connections are watched at most, and those unused for ten minutes,
 * or an hour where a limit is known, give way; beyond that new ones are not limited. Loop thread
 * only.
 */
#pragma once

#include "http/rate_headers.h"
#include "io/flow.h"

enum { LIMITER_ENTRIES_MAX = 16384 };

struct limiter;
struct limiter_entry;

struct limiter *limiter_new(struct loop *loop);
void limiter_free(struct limiter *l); /* no ticket is out; NULL is fine */
OWN_FN(struct limiter, limiter_free)

struct limiter_ask {
	struct sv key; /* who shares: environment, integration, connection, host */
	uint64_t lane; /* rate.h: the beginning of the path */
	int64_t owner; /* who takes turns */
	int64_t max_wait_ms;
};

enum limiter_answer { LIMITER_GO, LIMITER_WAIT, LIMITER_REFUSED };

/* Embedded in the request, zeroed at first; may be used again once handed back. */
struct limiter_ticket {
	struct limiter *limiter;
	struct limiter_entry *entry; /* NULL with `held`: not limited */
	bool held; /* the request may go, or is under way */
	/* For the log. */
	enum rate_why why; /* it has to wait, or is refused */
	int64_t wait_ms; /* expected at first */
	int64_t waited_ms; /* in the end */
	/* While waiting. */
	struct limiter_ticket *next;
	uint64_t lane;
	int64_t owner, since_ms, deadline_ms;
	struct op *op;
	struct timer timer;
	struct rate_sent sent;
};

/*
 * LIMITER_GO: the ticket is held. LIMITER_WAIT: op completes when it is held, or with ERR_LIMIT
 * after max_wait_ms; op->done and op->ctx are the caller's. LIMITER_REFUSED: it is certain now
 * that max_wait_ms is not enough; ticket->wait_ms would be.
 */
enum limiter_answer limiter_enter(
	struct limiter *l, struct limiter_ticket *t, const struct limiter_ask *ask, struct op *op);

/*
 * Hands a held ticket back: with the answer, without one, or unused. Does nothing otherwise.
 * told_ms: how long to wait by rules that only the caller knows (a provider's own header); -1.
 */
void limiter_answered(
	struct limiter_ticket *t, int status, const struct http_headers *headers, int64_t told_ms);
void limiter_lost(struct limiter_ticket *t);
void limiter_unused(struct limiter_ticket *t);

struct limiter_stats {
	size_t entries, waiting;
	uint64_t waits, waited_ms; /* of those let through */
	uint64_t refused; /* for their max_wait_ms */
	uint64_t limited; /* answers that refused for the rate */
};
struct limiter_stats limiter_stats(const struct limiter *l);
