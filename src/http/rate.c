#include "http/rate.h"

#include "base/base.h"

enum {
	BLIND_MS = 1000, /* how long a quota without a time is believed */
	MARGIN_MS = 20,
	MARGIN_MAX_MS = 5000,
	STALE_MS = 2000, /* of another window when its end differs by more */
	BACKOFF_MS = 1000,
	BACKOFF_MAX_MS = 60 * 1000,
	BLOCK_MAX_MS = 24 * 3600 * 1000,
	WINDOW_MAX_MS = 24 * 3600 * 1000,
	PATIENCE_MAX = 64,
	FRESH_WINDOWS = 4, /* so long what came since a refusal describes the limit */
};

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Learned limits. */

static void slots_move(struct rate_learned *l, int64_t now_ms)
{
	int64_t slot = now_ms / l->slot_ms;

	if (slot - l->newest >= RATE_SLOTS) {
		memset(l->slots, 0, sizeof(l->slots));
		l->used = 0;
		l->newest = slot;
	}
	while (l->newest < slot) {
		uint32_t *oldest = &l->slots[++l->newest % RATE_SLOTS];
		l->used -= *oldest;
		*oldest = 0;
	}
}

static void slots_add(struct rate_learned *l, int64_t at_ms, int64_t count)
{
	slots_move(l, at_ms);
	l->slots[l->newest % RATE_SLOTS] += (uint32_t)count;
	l->used += count;
}

/* When the oldest slot that counts leaves the window. */
static int64_t slots_free_ms(const struct rate_learned *l, int64_t now_ms)
{
	for (int64_t slot = most(0, l->newest - RATE_SLOTS + 1); slot <= l->newest; slot++)
		if (l->slots[slot % RATE_SLOTS])
			return (slot + RATE_SLOTS) * l->slot_ms - now_ms;
	return 0;
}

/* `count` answers came evenly from `since` until now, and no more fit into that and the wait. */
static void learn(struct rate *r, int64_t count, int64_t since_ms, int64_t now_ms, int64_t end_ms)
{
	struct rate_learned *l = &r->learned;
	int64_t window = least(most(end_ms - since_ms, 1), WINDOW_MAX_MS);
	unsigned patience = least(most(2 * (int64_t)l->patience, 4), PATIENCE_MAX);

	*l = (struct rate_learned){ .limit = most(count, 1),
		.window_ms = window,
		/* Two slots more than the window is long: nothing leaves it too early. */
		.slot_ms = (window + RATE_SLOTS - 3) / (RATE_SLOTS - 2),
		.clean_since_ms = end_ms,
		.patience = patience };
	l->newest = most(since_ms, now_ms - window) / l->slot_ms;
	for (int64_t i = 1, done = 0; i < RATE_SLOTS; i++) {
		int64_t upto = count * i / (RATE_SLOTS - 1);
		slots_add(l, since_ms + (now_ms - since_ms) * i / (RATE_SLOTS - 1), upto - done);
		done = upto;
	}
}

/* Refused although long at peace: a little less than what went through. */
static void learn_less(struct rate *r, int64_t now_ms, int64_t wait_ms)
{
	struct rate_learned *l = &r->learned;

	slots_move(l, now_ms);
	if (wait_ms > l->window_ms) {
		learn(r, most(l->used, 1), now_ms - l->window_ms, now_ms, now_ms + wait_ms);
		return;
	}
	l->limit = most(1, least(l->used, l->limit - 1));
	l->patience = least(2 * l->patience, PATIENCE_MAX);
	l->clean_since_ms = now_ms;
	l->full = false;
}

static void grow(struct rate_learned *l, int64_t now_ms)
{
	if (!l->full || now_ms - l->clean_since_ms < l->window_ms * l->patience)
		return;
	l->limit += most(1, l->limit / 16);
	l->clean_since_ms = now_ms;
	l->full = false;
}

/* Lanes. */

/* 0: not known, or none. */
static uint64_t group_of(const struct rate *r, uint64_t lane)
{
	for (size_t i = 0; i < RATE_LANES; i++)
		if (r->lanes[i].lane == lane && r->lanes[i].group)
			return r->lanes[i].group;
	return 0;
}

static uint64_t group_in(const struct rate_news *news)
{
	for (size_t i = 0; news && i < news->count; i++)
		if (news->quotas[i].group)
			return news->quotas[i].group;
	return 0;
}

static void learn_lane(struct rate *r, uint64_t lane, uint64_t group)
{
	if (!group || group_of(r, lane) == group)
		return;
	for (size_t i = 0; i < RATE_LANES; i++)
		if (r->lanes[i].lane == lane && r->lanes[i].group) {
			r->lanes[i].group = group;
			return;
		}
	r->lanes[r->lane_next++ % RATE_LANES] = (struct rate_lane){ lane, group };
}

static bool concerns(const struct rate_known *k, uint64_t group)
{
	return !k->group || !group || k->group == group;
}

/* Quotas. */

static struct rate_known *find(struct rate *r, uint64_t id)
{
	for (size_t i = 0; i < r->quota_count; i++)
		if (r->quotas[i].id == id)
			return &r->quotas[i];
	return NULL;
}

static int64_t quota_end(const struct rate *r, const struct rate_quota *q, int64_t now_ms)
{
	int64_t reset = q->reset_ms >= 0    ? q->reset_ms
			: q->window_ms >= 0 ? q->window_ms
					    : BLIND_MS;

	return now_ms + least(reset, BLOCK_MAX_MS) + MARGIN_MS + r->margin_ms;
}

/* What an answer says of a quota we know, unless something later has been said already. */
static void quota_update(struct rate *r, struct rate_known *k, const struct rate_quota *q,
	const struct rate_sent *sent, int64_t now_ms)
{
	int64_t end = quota_end(r, q, now_ms);

	if (sent->after >= k->told) {
		*k = (struct rate_known){ k->id, k->group, q->limit, q->remaining, end,
			r->answers };
	} else if (end >= k->until_ms - STALE_MS) {
		/* They overtook one another: the worse is true. */
		k->left = least(k->left, q->remaining);
		k->until_ms = most(k->until_ms, end);
		k->told = r->answers;
	}
}

static void quota_add(struct rate *r, const struct rate_quota *q, int64_t now_ms)
{
	if (r->quota_count < RATE_QUOTAS_MAX)
		r->quotas[r->quota_count++] = (struct rate_known){ q->id, q->group, q->limit,
			q->remaining, quota_end(r, q, now_ms), r->answers };
}

static bool in_news(const struct rate_news *news, uint64_t id)
{
	for (size_t i = 0; i < news->count; i++)
		if (news->quotas[i].id == id && news->quotas[i].remaining >= 0)
			return true;
	return false;
}

/* Quotas that an answer is silent about: it counts, and one that is over is forgotten. */
static void quotas_unsaid(
	struct rate *r, int64_t now_ms, const struct rate_sent *sent, const struct rate_news *news)
{
	uint64_t group = group_of(r, sent->lane);
	size_t kept = 0;

	for (size_t i = 0; i < r->quota_count; i++) {
		struct rate_known *k = &r->quotas[i];
		bool said = (news && in_news(news, k->id)) || !concerns(k, group);
		if (!said && now_ms >= k->until_ms && news)
			continue;
		k->left -= !said;
		r->quotas[kept++] = *k;
	}
	r->quota_count = kept;
}

static void quotas_said(
	struct rate *r, int64_t now_ms, const struct rate_sent *sent, const struct rate_news *news)
{
	for (size_t i = 0; i < news->count; i++) {
		const struct rate_quota *q = &news->quotas[i];
		if (q->remaining < 0)
			continue;
		struct rate_known *k = find(r, q->id);
		if (k)
			quota_update(r, k, q, sent, now_ms);
		else
			quota_add(r, q, now_ms);
	}
}

/* How long the quotas that are used up still hold; 0 = none is. */
static int64_t quotas_exhausted(const struct rate *r, int64_t now_ms, uint64_t group)
{
	int64_t wait = 0;

	for (size_t i = 0; i < r->quota_count; i++)
		if (r->quotas[i].left <= 0 && concerns(&r->quotas[i], group))
			wait = most(wait, r->quotas[i].until_ms - now_ms);
	return wait;
}

/* Asking. */

static struct rate_verdict ask_quotas(const struct rate *r, int64_t now_ms, uint64_t group)
{
	struct rate_verdict v = { RATE_FREE, 0, false };

	for (size_t i = 0; i < r->quota_count; i++) {
		const struct rate_known *k = &r->quotas[i];
		if (k->left > (int64_t)r->in_flight || !concerns(k, group))
			continue;
		if (now_ms >= k->until_ms) {
			if (r->asking && v.why == RATE_FREE)
				v = (struct rate_verdict){ RATE_ANSWER, 0, false };
		} else if (k->until_ms - now_ms > v.wait_ms) {
			v = (struct rate_verdict){ RATE_QUOTA, k->until_ms - now_ms, k->left <= 0 };
		}
	}
	return v;
}

static struct rate_verdict ask_learned(struct rate *r, int64_t now_ms)
{
	struct rate_learned *l = &r->learned;

	if (!l->limit)
		return (struct rate_verdict){ RATE_FREE, 0, false };
	slots_move(l, now_ms);
	if (l->used + r->in_flight < l->limit)
		return (struct rate_verdict){ RATE_FREE, 0, false };
	l->full = true;
	if (!l->used)
		return (struct rate_verdict){ RATE_ANSWER, 0, false };
	return (struct rate_verdict){ RATE_LEARNED, most(1, slots_free_ms(l, now_ms)),
		l->used >= l->limit };
}

struct rate_verdict rate_ask(struct rate *r, int64_t now_ms, uint64_t lane)
{
	if (now_ms < r->blocked_until_ms)
		return (struct rate_verdict){ RATE_REFUSED, r->blocked_until_ms - now_ms, true };
	struct rate_verdict q = ask_quotas(r, now_ms, group_of(r, lane)),
			    l = ask_learned(r, now_ms);
	if (q.why == RATE_FREE || (l.why != RATE_FREE && l.wait_ms > q.wait_ms))
		q = l;
	/* After a refusal: first one, then two, then four at once. */
	if (q.why == RATE_FREE && r->refused && (int64_t)r->fresh > r->accepted)
		return (struct rate_verdict){ RATE_ANSWER, 0, false };
	return q;
}

/* Sending, and what comes of it. */

static bool needs_to_ask(const struct rate *r, int64_t now_ms, uint64_t group)
{
	for (size_t i = 0; i < r->quota_count; i++)
		if (r->quotas[i].left <= (int64_t)r->in_flight && now_ms >= r->quotas[i].until_ms &&
			concerns(&r->quotas[i], group))
			return true;
	return false;
}

struct rate_sent rate_send(struct rate *r, int64_t now_ms, uint64_t lane)
{
	struct rate_sent sent = { .after = r->answers,
		.lane = lane,
		.asks = needs_to_ask(r, now_ms, group_of(r, lane)) };

	r->asking |= sent.asks;
	r->in_flight++;
	r->fresh++;
	if (!r->begun) {
		r->begun = true;
		r->since_ms = now_ms;
		r->accepted = 0;
	}
	return sent;
}

bool rate_is_refusal(int status, const struct rate_news *news)
{
	return status == 429 || ((status == 403 || status == 503) && news->retry_after_ms >= 0);
}

static void take_in(struct rate *r, int64_t now_ms, int64_t wait_ms, bool said)
{
	struct rate_learned *l = &r->learned;
	bool fresh = !l->limit || now_ms - r->since_ms < FRESH_WINDOWS * l->window_ms;

	if (!said && fresh) {
		r->pending = r->accepted ? r->accepted : 1;
		r->pending_since_ms = r->since_ms;
	} else if (fresh) {
		learn(r, r->accepted, r->since_ms, now_ms, now_ms + wait_ms);
	} else {
		learn_less(r, now_ms, wait_ms);
	}
}

/*
 * A refusal. Those that were on their way when another came say nothing new. One that a quota
 * explains teaches no limit, but if it was sent to ask, the quota's end had been taken too early.
 */
static void refused(
	struct rate *r, int64_t now_ms, const struct rate_sent *sent, const struct rate_news *news)
{
	bool news_to_us = !r->refused || sent->after >= r->refused,
	     said = news->retry_after_ms >= 0;
	int64_t quota = quotas_exhausted(r, now_ms, group_of(r, sent->lane));
	int64_t wait = least(most(news->retry_after_ms, quota), BLOCK_MAX_MS);

	if (!said && !quota) {
		r->refusals += news_to_us && r->refusals < 16;
		wait = least(
			BACKOFF_MAX_MS, (int64_t)BACKOFF_MS << (r->refusals ? r->refusals - 1 : 0));
	}
	if (news_to_us && !quota && r->begun && !r->pending)
		take_in(r, now_ms, wait, said);
	else if (news_to_us && sent->asks)
		r->margin_ms = least(MARGIN_MAX_MS, most(500, 2 * r->margin_ms));
	if (news_to_us) {
		r->refused = r->answers;
		r->begun = false;
		r->accepted = 0;
		r->fresh = 0;
	}
	r->blocked_until_ms = most(r->blocked_until_ms, now_ms + wait + MARGIN_MS);
}

static void accepted(struct rate *r, int64_t now_ms, const struct rate_sent *sent)
{
	r->accepted += !r->refused || sent->after >= r->refused;
	if (r->pending && sent->after >= r->refused) {
		learn(r, r->pending, r->pending_since_ms, r->pending_since_ms, now_ms);
		r->pending = 0;
	}
	r->refusals = 0;
	if (!r->learned.limit)
		return;
	slots_add(&r->learned, now_ms, 1);
	grow(&r->learned, now_ms);
}

static void ended(struct rate *r, const struct rate_sent *sent)
{
	assert(r->in_flight > 0);
	r->in_flight--;
	r->fresh -= sent->after >= r->refused;
	if (sent->asks)
		r->asking = false;
}

void rate_answer(struct rate *r, int64_t now_ms, const struct rate_sent *sent, int status,
	const struct rate_news *news)
{
	ended(r, sent);
	r->answers++;
	learn_lane(r, sent->lane, group_in(news));
	quotas_unsaid(r, now_ms, sent, news);
	quotas_said(r, now_ms, sent, news);
	if (rate_is_refusal(status, news))
		refused(r, now_ms, sent, news);
	else
		accepted(r, now_ms, sent);
}

void rate_lose(struct rate *r, int64_t now_ms, const struct rate_sent *sent)
{
	ended(r, sent);
	r->answers++;
	quotas_unsaid(r, now_ms, sent, NULL);
	if (r->learned.limit)
		slots_add(&r->learned, now_ms, 1);
}

void rate_withdraw(struct rate *r, const struct rate_sent *sent)
{
	ended(r, sent);
}

bool rate_knows(const struct rate *r, int64_t now_ms)
{
	if (r->in_flight || r->learned.limit || r->pending || now_ms < r->blocked_until_ms)
		return true;
	for (size_t i = 0; i < r->quota_count; i++)
		if (now_ms < r->quotas[i].until_ms)
			return true;
	return false;
}
