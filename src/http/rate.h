/*
 * What is known about a provider's rate limit, and when the next request may go: a pure function
 * of what was sent and answered. No clock, no I/O; times are milliseconds of one clock that never
 * goes back.
 *
 * Two sources. Quotas are what the provider says in its headers (rate_headers.h): so many are
 * left until then. A limit is what refusals (429) taught: so many were let through in such a time;
 * it grows again, carefully, while nothing is refused. Both count requests still in flight as
 * used. When a quota is used up and its time has passed, one request asks how it stands now,
 * since a window may have moved rather than begun anew.
 */
#pragma once

#include "base/base.h"

enum { RATE_QUOTAS_MAX = 6, RATE_SLOTS = 66, RATE_LANES = 16 };

/* One quota as an answer tells it; -1 = not said. */
struct rate_quota {
	uint64_t id; /* which of several: a hash of its name */
	uint64_t group; /* of requests it is for; 0: all */
	int64_t limit, remaining;
	int64_t reset_ms; /* from now on */
	int64_t window_ms;
};

/* What an answer says about rates. */
struct rate_news {
	struct rate_quota quotas[RATE_QUOTAS_MAX];
	size_t count;
	int64_t retry_after_ms; /* -1 = not said */
};

/* A quota that holds until a time; `left` does not know of what is in flight. */
struct rate_known {
	uint64_t id, group;
	int64_t limit, left, until_ms;
	uint64_t told; /* number of the answer that said so */
};

/* So many answers in any window; slots count them by the time they came. */
struct rate_learned {
	int64_t limit, window_ms, slot_ms; /* limit 0: nothing learned */
	int64_t newest; /* number of the newest slot */
	int64_t used; /* sum of the slots */
	uint32_t slots[RATE_SLOTS];
	int64_t clean_since_ms; /* nothing was refused since, nor the limit raised */
	unsigned patience; /* clean windows before the limit is raised */
	bool full; /* it held somebody back meanwhile */
};

/* Requests that go the same way (a lane: the beginning of the path) belong to one group. */
struct rate_lane {
	uint64_t lane, group;
};

struct rate {
	struct rate_known quotas[RATE_QUOTAS_MAX];
	size_t quota_count;
	struct rate_lane lanes[RATE_LANES]; /* as learned; the oldest gives way */
	size_t lane_next;
	unsigned in_flight, fresh; /* fresh: of these, sent since the last refusal */
	bool asking; /* a request is out to learn how a used-up quota stands */
	uint64_t answers;
	int64_t blocked_until_ms;
	unsigned refusals; /* in a row */
	uint64_t refused; /* number of the answer that was the last refusal taken into account */
	/* Since the last refusal was over, or the beginning. */
	bool begun;
	int64_t since_ms;
	int64_t accepted;
	/* A refusal that did not say for how long: learned from once a request gets through. */
	int64_t pending, pending_since_ms;
	int64_t margin_ms; /* added to resets: grows when a quota's clock runs ahead of its word */
	struct rate_learned learned;
};

/* A request that went out; the caller keeps it until the answer. */
struct rate_sent {
	uint64_t after; /* answers there were when it went */
	uint64_t lane;
	bool asks;
};

enum rate_why { RATE_FREE, RATE_REFUSED, RATE_QUOTA, RATE_LEARNED, RATE_ANSWER };

struct rate_verdict {
	enum rate_why why; /* RATE_FREE: now */
	int64_t wait_ms; /* at most so long; RATE_ANSWER: until an answer comes */
	bool certain; /* and no sooner, whatever is answered meanwhile */
};

/*
 * A zeroed rate knows nothing and lets everything through. Quotas of another group than the
 * lane's do not hold it back; as long as the lane's group is not known, all do.
 */
struct rate_verdict rate_ask(struct rate *r, int64_t now_ms, uint64_t lane);
/* The request that rate_ask let through goes now. */
struct rate_sent rate_send(struct rate *r, int64_t now_ms, uint64_t lane);
/* It was answered. */
void rate_answer(struct rate *r, int64_t now_ms, const struct rate_sent *sent, int status,
	const struct rate_news *news);
/* It was not: whether the provider counted it is unknown, so it counts. */
void rate_lose(struct rate *r, int64_t now_ms, const struct rate_sent *sent);
/* It never went out. */
void rate_withdraw(struct rate *r, const struct rate_sent *sent);

/* Whether forgetting r would lose anything at that time. */
bool rate_knows(const struct rate *r, int64_t now_ms);
/* Whether this answer refuses for its rate: 429, or 403 and 503 that say when to come again. */
bool rate_is_refusal(int status, const struct rate_news *news);
