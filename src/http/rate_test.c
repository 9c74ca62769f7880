/* What is learned from answers, on a clock of the test's own; and simulated providers. */
#include "http/rate.h"

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Cases: one event a line; a request that is let through is answered in the order sent. */

enum { ASK = 1, SEND, ANSWER, LOSE, UNUSED_ONE };

struct event {
	int64_t at_ms;
	int what;
	int status; /* of ANSWER */
	int64_t remaining, reset_ms, retry_after_ms; /* of ANSWER; -1: not said */
	enum rate_why why; /* expected of ASK */
	int64_t wait_ms; /* expected of ASK, within 100 ms; 0: not looked at */
	uint64_t lane, group; /* group: of ANSWER's quota */
};

#define FREE(at)                         \
	{                                \
		.at_ms = at, .what = ASK \
	}
#define HELD(at, y, w)                                             \
	{                                                          \
		.at_ms = at, .what = ASK, .why = y, .wait_ms = (w) \
	}
#define GO(at)                            \
	{                                 \
		.at_ms = at, .what = SEND \
	}
#define GOT(at, st, left, reset, after)                                                          \
	{                                                                                        \
		.at_ms = at, .what = ANSWER, .status = st, .remaining = left, .reset_ms = reset, \
		.retry_after_ms = after                                                          \
	}

static const struct {
	const char *name;
	struct event events[16];
} cases[] = {
	{ "knows nothing, holds nothing",
		{ GO(0), GO(0), GO(0), FREE(0), GOT(9, 200, -1, -1, -1), FREE(9) } },
	{ "a quota counts what is in flight",
		{ GO(0), GOT(10, 200, 2, 5000, -1), GO(20), GO(20), HELD(20, RATE_QUOTA, 4990),
			GOT(30, 200, 1, 4990, -1), HELD(30, RATE_QUOTA, 4990),
			GOT(40, 200, 0, 4980, -1), HELD(40, RATE_QUOTA, 4980) } },
	{ "answers without word of a quota count too",
		{ GO(0), GOT(10, 200, 1, 5000, -1), GO(20), GOT(30, 200, -1, -1, -1),
			HELD(40, RATE_QUOTA, 4970) } },
	{ "so do requests without an answer",
		{ GO(0), GOT(10, 200, 1, 5000, -1), GO(20), { .at_ms = 30, .what = LOSE },
			HELD(40, RATE_QUOTA, 4970) } },
	{ "but not those that never went",
		{ GO(0), GOT(10, 200, 1, 5000, -1), GO(20), { .at_ms = 30, .what = UNUSED_ONE },
			FREE(40) } },
	{ "after the reset one asks, and the others wait for what it learns",
		{ GO(0), GOT(10, 200, 0, 1000, -1), HELD(500, RATE_QUOTA, 510), FREE(1100),
			GO(1100), HELD(1100, RATE_ANSWER, 0), GOT(1200, 200, 9, 1000, -1),
			FREE(1200) } },
	{ "a quota that is over and not mentioned any more is forgotten",
		{ GO(0), GOT(10, 200, 0, 1000, -1), GO(1100), GOT(1200, 200, -1, -1, -1), GO(1200),
			GO(1200), FREE(1200) } },
	{ "an answer of the window before says nothing of this one",
		{ GO(0), GOT(10, 200, 1, 1000, -1), GO(20), GO(5000), GOT(5010, 200, 99, 60000, -1),
			GOT(5020, 200, 0, 0, -1), FREE(5030) } },
	{ "answers that overtook each other: the lower one is true",
		{ GO(0), GO(0), GOT(10, 200, 1, 9000, -1), GOT(20, 200, 2, 9000, -1), GO(30),
			HELD(40, RATE_QUOTA, 8990) } },
	{ "a quota without a time is believed for a second",
		{ GO(0), GOT(10, 200, 0, -1, -1), HELD(20, RATE_QUOTA, 990), FREE(1100) } },
	{ "429 with Retry-After holds all back that long",
		{ GO(0), GO(0), GOT(10, 429, -1, -1, 3000), HELD(10, RATE_REFUSED, 3000),
			GOT(20, 200, -1, -1, -1), HELD(2900, RATE_REFUSED, 110), FREE(3300) } },
	{ "503 and 403 do so only when they say when",
		{ GO(0), GOT(10, 503, -1, -1, -1), FREE(10), GO(10), GOT(20, 503, -1, -1, 2000),
			HELD(30, RATE_REFUSED, 1990) } },
	{ "429 that says nothing: a second, then two",
		{ GO(0), GOT(10, 429, -1, -1, -1), HELD(10, RATE_REFUSED, 1000), GO(1100),
			GOT(1110, 429, -1, -1, -1), HELD(1110, RATE_REFUSED, 2000) } },
	{ "429 of a used-up quota waits for its reset",
		{ GO(0), GOT(10, 429, 0, 7000, -1), HELD(10, RATE_REFUSED, 7000), FREE(7100) } },
	{ "a refused burst comes back one by one, then two by two",
		{ GO(0), GO(0), GO(0), GOT(10, 429, -1, -1, 500), GOT(10, 429, -1, -1, 500),
			GOT(10, 429, -1, -1, 500), GO(600), HELD(600, RATE_ANSWER, 0),
			GOT(610, 200, -1, -1, -1) } },
};

#define ON(l, g, ...)                                  \
	{                                              \
		.lane = (l), .group = (g), __VA_ARGS__ \
	}

/* GitHub's way: what searches have left is none of the other requests' business. */
static const struct event lanes[] = {
	ON(1, 0, .at_ms = 0, .what = SEND),
	ON(1, 5, .at_ms = 10, .what = ANSWER, .status = 200, .remaining = 0, .reset_ms = 9000,
		.retry_after_ms = -1),
	ON(1, 0, .at_ms = 20, .what = ASK, .why = RATE_QUOTA, .wait_ms = 9010),
	/* Whose the second lane is, is not known yet. */
	ON(2, 0, .at_ms = 20, .what = ASK, .why = RATE_QUOTA, .wait_ms = 9010),
	ON(2, 0, .at_ms = 9100, .what = SEND),
	ON(2, 6, .at_ms = 9110, .what = ANSWER, .status = 200, .remaining = 50, .reset_ms = 60000,
		.retry_after_ms = -1),
	ON(1, 0, .at_ms = 9120, .what = SEND),
	ON(1, 5, .at_ms = 9130, .what = ANSWER, .status = 200, .remaining = 0, .reset_ms = 9000,
		.retry_after_ms = -1),
	ON(1, 0, .at_ms = 9140, .what = ASK, .why = RATE_QUOTA, .wait_ms = 9010),
	ON(2, 0, .at_ms = 9140, .what = ASK, .why = RATE_FREE),
	{ .what = 0 },
};

static void run_event(struct rate *r, const struct event *e, struct rate_sent *queue, size_t *first,
	size_t *end, const char *name)
{
	struct rate_news news = { .retry_after_ms = e->retry_after_ms };
	struct rate_verdict v = rate_ask(r, e->at_ms, e->lane);

	if (e->remaining >= 0 && e->what == ANSWER)
		news.quotas[news.count++] = (struct rate_quota){ 7 + e->group, e->group, -1,
			e->remaining, e->reset_ms, -1 };
	switch (e->what) {
	case ASK:
		if (v.why != e->why || (e->wait_ms && labs((long)(v.wait_ms - e->wait_ms)) > 100))
			fail_msg(
				"%s: at %d: %d, %d ms", name, (int)e->at_ms, v.why, (int)v.wait_ms);
		break;
	case SEND:
		if (v.why != RATE_FREE)
			fail_msg("%s: at %d: held back (%d)", name, (int)e->at_ms, v.why);
		queue[(*end)++] = rate_send(r, e->at_ms, e->lane);
		break;
	case ANSWER: rate_answer(r, e->at_ms, &queue[(*first)++], e->status, &news); break;
	case LOSE: rate_lose(r, e->at_ms, &queue[(*first)++]); break;
	case UNUSED_ONE: rate_withdraw(r, &queue[(*first)++]); break;
	}
}

static void decides_by_what_was_answered(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rate r = { 0 };
		struct rate_sent queue[16];
		size_t first = 0, end = 0;

		for (const struct event *e = cases[i].events; e->what; e++)
			run_event(&r, e, queue, &first, &end, cases[i].name);
	}
}

static void keeps_groups_apart(void **state UNUSED)
{
	struct rate r = { 0 };
	struct rate_sent queue[16];
	size_t first = 0, end = 0;

	for (const struct event *e = lanes; e->what; e++)
		run_event(&r, e, queue, &first, &end, "groups");
}

static void forgets(void **state UNUSED)
{
	struct rate r = { 0 };
	struct rate_news news = {
		.quotas = { { 7, 0, -1, 0, 1000, -1 } }, .count = 1, .retry_after_ms = -1
	};

	struct rate_sent sent = rate_send(&r, 0, 0);
	assert_true(rate_knows(&r, 0));
	rate_answer(&r, 10, &sent, 200, &news);
	assert_true(rate_knows(&r, 900));
	assert_false(rate_knows(&r, 1200));
}

/* Simulated providers. */

enum kind { FIXED, SLIDING, BUCKET };
enum says { SAYS_ALL, SAYS_CEIL, SAYS_FLOOR, SAYS_WHEN, SAYS_NOTHING };

enum { LOG_MAX = 4096, CLIENTS = 12, FLIGHT_MAX = 64 };

struct provider {
	enum kind kind;
	enum says says;
	int limit;
	int64_t window_ms;
	/* Its state. */
	int64_t window, count;
	int64_t log[LOG_MAX]; /* ring of accepted arrivals */
	size_t log_at;
	double tokens;
	int64_t filled_ms;
};

struct judged {
	bool ok;
	int64_t remaining, full_ms, next_ms;
};

static struct judged judge_fixed(struct provider *p, int64_t now)
{
	int64_t window = now / p->window_ms, left = (window + 1) * p->window_ms - now;

	if (window != p->window)
		p->window = window, p->count = 0;
	bool ok = p->count < p->limit;
	p->count += ok;
	return (struct judged){ ok, p->limit - p->count, left, left };
}

static struct judged judge_sliding(struct provider *p, int64_t now)
{
	size_t n = (size_t)p->limit;
	/* The oldest of the last n: while it is in the window, there is no room. */
	int64_t oldest = p->log_at >= n ? p->log[(p->log_at - n) % LOG_MAX] : -p->window_ms;
	bool ok = oldest + p->window_ms <= now;
	int64_t used = 0, first = now;

	if (ok)
		p->log[p->log_at++ % LOG_MAX] = now;
	for (size_t i = 1; i <= n && i <= p->log_at; i++) {
		int64_t at = p->log[(p->log_at - i) % LOG_MAX];
		if (at + p->window_ms > now)
			used++, first = at;
	}
	int64_t left = first + p->window_ms - now;
	return (struct judged){ ok, p->limit - used, left, left };
}

static struct judged judge_bucket(struct provider *p, int64_t now)
{
	double rate = (double)p->limit / (double)p->window_ms;

	p->tokens += (double)(now - p->filled_ms) * rate;
	if (p->tokens > p->limit)
		p->tokens = p->limit;
	p->filled_ms = now;
	bool ok = p->tokens >= 1;
	p->tokens -= ok;
	double next = p->tokens >= 1 ? 0 : (1 - p->tokens) / rate;
	return (struct judged){ ok, (int64_t)p->tokens,
		(int64_t)((p->limit - p->tokens) / rate) + 1, (int64_t)next + 1 };
}

static struct judged judge(struct provider *p, int64_t now)
{
	switch (p->kind) {
	case FIXED: return judge_fixed(p, now);
	case SLIDING: return judge_sliding(p, now);
	case BUCKET: return judge_bucket(p, now);
	}
	abort();
}

static struct rate_news says(const struct provider *p, const struct judged *j)
{
	struct rate_news news = { .retry_after_ms = -1 };
	struct rate_quota q = { 1, 0, p->limit, j->remaining, j->full_ms, -1 };

	if (p->says == SAYS_CEIL)
		q.reset_ms = (q.reset_ms + 999) / 1000 * 1000;
	if (p->says == SAYS_FLOOR)
		q.reset_ms = q.reset_ms / 1000 * 1000;
	if (p->says <= SAYS_FLOOR)
		news.quotas[news.count++] = q;
	if (p->says == SAYS_WHEN && !j->ok)
		news.retry_after_ms = (j->next_ms + 999) / 1000 * 1000;
	return news;
}

struct flight {
	int64_t arrives_ms, answered_ms; /* 0: none */
	struct rate_sent sent;
	bool judged;
	struct judged verdict;
};

struct world {
	struct rate rate;
	struct provider provider;
	struct flight flights[CLIENTS];
	uint32_t seed;
	int64_t quiet_ms; /* refusals before it are learning */
	int sent, refused, refused_late;
};

static int64_t latency(struct world *w)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return 2 + (w->seed >> 16) % 90;
}

static void advance(struct world *w, struct flight *f, int64_t now)
{
	if (f->answered_ms && !f->judged && now >= f->arrives_ms) {
		f->judged = true;
		f->verdict = judge(&w->provider, now);
	}
	if (!f->answered_ms || now < f->answered_ms)
		return;
	struct rate_news news = says(&w->provider, &f->verdict);
	rate_answer(&w->rate, now, &f->sent, f->verdict.ok ? 200 : 429, &news);
	w->refused += !f->verdict.ok;
	w->refused_late += !f->verdict.ok && now > w->quiet_ms;
	f->answered_ms = 0;
}

/* Every client sends again as soon as it may. Clients take part in turns of `idle_ms`, if set. */
static void simulate(struct world *w, int64_t until_ms, int64_t idle_ms)
{
	for (int64_t now = 1000; now < until_ms; now++) {
		bool active = !idle_ms || now / idle_ms % 3 != 1;
		for (size_t i = 0; i < CLIENTS; i++)
			advance(w, &w->flights[i], now);
		for (size_t i = 0; active && i < CLIENTS; i++) {
			struct flight *f = &w->flights[i];
			if (f->answered_ms)
				continue;
			if (rate_ask(&w->rate, now, 0).why != RATE_FREE)
				break;
			*f = (struct flight){ .sent = rate_send(&w->rate, now, 0),
				.arrives_ms = now + latency(w) };
			f->answered_ms = f->arrives_ms + latency(w);
			w->sent++;
		}
	}
}

static const struct sim {
	struct provider provider;
	int late; /* refusals allowed once the first five windows are over */
	int use; /* percent of what the provider would let through that must be used */
} sims[] = {
	{ { FIXED, SAYS_ALL, .limit = 100, .window_ms = 10000 }, 0, 90 },
	{ { FIXED, SAYS_CEIL, .limit = 100, .window_ms = 10000 }, 0, 80 },
	{ { FIXED, SAYS_FLOOR, .limit = 100, .window_ms = 10000 }, 1, 80 },
	{ { FIXED, SAYS_ALL, .limit = 3, .window_ms = 1000 }, 0, 60 },
	{ { FIXED, SAYS_CEIL, .limit = 20, .window_ms = 15000 }, 0, 90 },
	{ { SLIDING, SAYS_ALL, .limit = 50, .window_ms = 10000 }, 0, 80 },
	{ { SLIDING, SAYS_CEIL, .limit = 50, .window_ms = 10000 }, 0, 60 },
	{ { BUCKET, SAYS_ALL, .limit = 40, .window_ms = 20000 }, 0, 80 },
	{ { BUCKET, SAYS_CEIL, .limit = 40, .window_ms = 20000 }, 0, 80 },
	/* Learned from refusals alone: now and then it is tried whether there is more. */
	{ { FIXED, SAYS_WHEN, .limit = 100, .window_ms = 10000 }, 20, 80 },
	{ { SLIDING, SAYS_WHEN, .limit = 100, .window_ms = 10000 }, 20, 75 },
	{ { BUCKET, SAYS_WHEN, .limit = 40, .window_ms = 20000 }, 15, 80 },
	{ { FIXED, SAYS_NOTHING, .limit = 50, .window_ms = 10000 }, 15, 40 },
	{ { SLIDING, SAYS_NOTHING, .limit = 50, .window_ms = 10000 }, 15, 40 },
};

static void run_sim(const struct sim *sim, uint32_t seed, int64_t idle_ms)
{
	struct world *w = calloc(1, sizeof(*w));
	const int64_t windows = 40;
	int64_t end = 1000 + windows * sim->provider.window_ms;

	w->provider = sim->provider;
	w->provider.tokens = sim->provider.limit;
	w->provider.filled_ms = 1000;
	w->seed = seed;
	w->quiet_ms = 1000 + 5 * sim->provider.window_ms;
	simulate(w, end, idle_ms);
	int use = (w->sent - w->refused) * 100 / (int)(windows * sim->provider.limit);
	if (getenv("RATE_TEST_SHOW"))
		printf("kind %d says %d: %d sent, %d refused, %d late, use %d%%, learned %d in %d "
		       "ms\n",
			sim->provider.kind, sim->provider.says, w->sent, w->refused,
			w->refused_late, use, (int)w->rate.learned.limit,
			(int)w->rate.learned.window_ms);
	if (w->refused_late > sim->late || (!idle_ms && use < sim->use))
		fail_msg("provider %d saying %d, seed %u: %d sent, %d refused, %d late, use %d%%",
			sim->provider.kind, sim->provider.says, seed, w->sent, w->refused,
			w->refused_late, use);
	free(w);
}

static void keeps_to_what_simulated_providers_allow(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(sims); i++)
		for (uint32_t seed = 1; seed <= 2; seed++) {
			run_sim(&sims[i], seed, 0);
			run_sim(&sims[i], seed, 7700);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_by_what_was_answered),
		cmocka_unit_test(keeps_groups_apart),
		cmocka_unit_test(forgets),
		cmocka_unit_test(keeps_to_what_simulated_providers_allow),
	};
	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
