/* The spellings of rate limits. */
#include "http/rate_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { NO = -1 };
#define NOW INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

struct said {
	int64_t limit, remaining, reset_ms, window_ms;
};

static const struct {
	const char *headers; /* "name: value\n" */
	size_t count;
	struct said first, second;
	int64_t retry_after_ms;
} cases[] = {
	{ "content-type: text/plain\n", 0, { 0 }, { 0 }, NO },
	{ "x-ratelimit-limit: 100\nx-ratelimit-remaining: 7\nx-ratelimit-reset: 30\n", 1,
		{ 100, 7, 30000, NO }, { 0 }, NO },
	/* a point in time; by the provider's clock, and with a second for its rounding */
	{ "x-ratelimit-remaining: 7\nx-ratelimit-reset: 1767225660\n", 1, { NO, 7, 61000, NO },
		{ 0 }, NO },
	{ "x-ratelimit-remaining: 7\nx-ratelimit-reset: 1767225660000\n", 1, { NO, 7, 61000, NO },
		{ 0 }, NO },
	{ "x-ratelimit-remaining: 7\nx-ratelimit-reset: 1767229260\n"
	  "date: Thu, 01 Jan 2026 01:00:00 GMT\n",
		1, { NO, 7, 61000, NO }, { 0 }, NO },
	{ "x-ratelimit-remaining: 0\nx-ratelimit-reset: 2026-01-01T00:02:00Z\n", 1,
		{ NO, 0, 121000, NO }, { 0 }, NO },
	{ "x-ratelimit-remaining: 0\nx-ratelimit-reset: 1767225000\n", 1, { NO, 0, 1000, NO },
		{ 0 }, NO },
	{ "x-rate-limit: 700\nx-rate-limit-remaining: 699\n", 1, { 700, 699, NO, NO }, { 0 }, NO },
	{ "ratelimit-limit: 100, 100;w=60\nratelimit-remaining: 5\nratelimit-reset: 1.5\n", 1,
		{ 100, 5, 1500, 60000 }, { 0 }, NO },
	{ "x-ratelimit-limit-requests: 500\nx-ratelimit-remaining-requests: 499\n"
	  "x-ratelimit-reset-requests: 6m0s\nx-ratelimit-limit-tokens: 9000\n"
	  "x-ratelimit-remaining-tokens: 8000\nx-ratelimit-reset-tokens: 20ms\n",
		2, { 500, 499, 360000, NO }, { 9000, 8000, 20, NO }, NO },
	{ "x-ratelimit-requests-limit: 1500\nx-ratelimit-requests-remaining: 1\n", 1,
		{ 1500, 1, NO, NO }, { 0 }, NO },
	{ "x-hubspot-ratelimit-max: 100\nx-hubspot-ratelimit-remaining: 9\n"
	  "x-hubspot-ratelimit-interval-milliseconds: 10000\n",
		1, { 100, 9, NO, 10000 }, { 0 }, NO },
	{ "x-ratelimit-remaining: 1\nx-ratelimit-reset: 1767225660.2\n"
	  "x-ratelimit-reset-after: 0.25\n",
		1, { NO, 1, 250, NO }, { 0 }, NO },
	{ "ratelimit: \"burst\";r=5;t=10, \"day\";r=900;t=4000\n"
	  "ratelimit-policy: \"burst\";q=10;w=60, \"day\";q=1000;w=86400\n",
		2, { 10, 5, 10000, 60000 }, { 1000, 900, 4000000, 86400000 }, NO },
	{ "ratelimit: limit=100, remaining=50, reset=30\nratelimit-policy: 100;w=60\n", 1,
		{ 100, 50, 30000, 60000 }, { 0 }, NO },
	{ "x-shopify-shop-api-call-limit: 39/40\n", 1, { 40, 1, NO, NO }, { 0 }, NO },
	{ "x-shopify-shop-api-call-limit: 41/40\n", 1, { 40, 0, NO, NO }, { 0 }, NO },
	{ "retry-after: 30\n", 0, { 0 }, { 0 }, 30000 },
	{ "retry-after: Thu, 01 Jan 2026 00:01:00 GMT\n", 0, { 0 }, { 0 }, 60000 },
	{ "retry-after-ms: 150\n", 0, { 0 }, { 0 }, 150 },
	{ "retry-after: soon\n", 0, { 0 }, { 0 }, NO },
	{ "retry-after: -1\n", 0, { 0 }, { 0 }, NO },
	/* no limit at all */
	{ "x-ratelimit-limit: -1\nx-ratelimit-remaining: -1\n", 1, { 0, NO, NO, NO }, { 0 }, NO },
	{ "x-ratelimit-limit: 0\nx-ratelimit-remaining: 0\n", 1, { 0, NO, NO, NO }, { 0 }, NO },
	/* nonsense */
	{ "x-ratelimit-remaining: many\nx-ratelimit-reset: never\nx-ratelimit-limit: \n", 1,
		{ NO, NO, NO, NO }, { 0 }, NO },
	{ "x-ratelimit-remaining: -3\nx-ratelimit-reset: nan\n", 1, { NO, 0, NO, NO }, { 0 }, NO },
	{ "x-ratelimit-remaining: 1e300\nx-ratelimit-reset: 1e300\n", 1, { NO, NO, NO, NO }, { 0 },
		NO },
	{ "x-ratelimit-resource: core\nx-ratelimit-used: 3\n", 0, { 0 }, { 0 }, NO },
	{ "ratelimit: ,;=;,\"\n", 2, { NO, NO, NO, NO }, { NO, NO, NO, NO }, NO },
};

static void read(const char *text, struct arena *a, struct rate_news *ret)
{
	struct http_headers h = { 0 };
	struct http_header one;
	struct sv rest = sv_str(text);

	while (rest.len) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		size_t n = (size_t)(end - rest.ptr);
		assert_true(http_header_line_parse(sv_make(rest.ptr, n), &one));
		http_headers_add(a, &h, one.name, one.value);
		rest = sv_from(rest, n + 1);
	}
	rate_headers_read(&h, NOW, ret);
}

static bool same(const struct rate_quota *q, const struct said *s)
{
	return q->limit == s->limit && q->remaining == s->remaining && q->reset_ms == s->reset_ms &&
	       q->window_ms == s->window_ms;
}

static void reads_the_spellings(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rate_news news;
		struct arena a = { 0 };
		read(cases[i].headers, &a, &news);
		const struct rate_quota *q = news.quotas;
		if (news.count != cases[i].count ||
			news.retry_after_ms != cases[i].retry_after_ms ||
			(news.count > 0 && !same(&q[0], &cases[i].first)) ||
			(news.count > 1 && !same(&q[1], &cases[i].second)))
			fail_msg("%s: %zu quotas, first %d/%d in %d ms, window %d; after %d",
				cases[i].headers, news.count, (int)q->remaining, (int)q->limit,
				(int)q->reset_ms, (int)q->window_ms, (int)news.retry_after_ms);
		arena_done(&a);
	}
}

static void tells_quotas_apart(void **state UNUSED)
{
	struct rate_news core, search, plain;
	struct arena a = { 0 };

	read("x-ratelimit-remaining: 1\nx-ratelimit-resource: core\n", &a, &core);
	read("x-ratelimit-remaining: 1\nx-ratelimit-resource: search\n", &a, &search);
	read("x-ratelimit-remaining: 1\n", &a, &plain);
	assert_true(core.quotas[0].id != search.quotas[0].id);
	assert_true(core.quotas[0].id != plain.quotas[0].id);
	arena_done(&a);
}

static void keeps_few_quotas(void **state UNUSED)
{
	struct rate_news news;
	struct arena a = { 0 };
	char text[4096] = "";

	for (int i = 0; i < 100; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			"x-ratelimit-remaining-%d: 1\n", i);
	read(text, &a, &news);
	assert_int_equal(news.count, RATE_QUOTAS_MAX);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_spellings),
		cmocka_unit_test(tells_quotas_apart),
		cmocka_unit_test(keeps_few_quotas),
	};
	return cmocka_run_group_tests_name("rate headers", tests, NULL, NULL);
}
