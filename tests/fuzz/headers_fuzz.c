/* Header lines of responses, what they say about rate limits, and what the limiter makes of it. */
#include "base/sv.h"
#include "fuzz.h"
#include "http/rate_headers.h"

enum { FLIGHTS = 16 };

static void read_lines(struct sv text, struct arena *a, struct http_headers *h)
{
	struct sv line, reason;
	struct http_header one;
	int status;

	while (text.ptr && sv_split(&text, '\n', &line)) {
		if (http_status_line_parse(line, &status, &reason))
			CHECK(status >= 0 && status <= 999);
		if (!http_header_line_parse(line, &one))
			continue;
		CHECK(one.name.len > 0 && one.name.len + one.value.len < line.len);
		http_headers_add(a, h, one.name, one.value);
		http_token_ok(one.name);
		http_header_value_ok(one.value);
	}
}

static void check_news(const struct rate_news *news)
{
	CHECK(news->count <= RATE_QUOTAS_MAX && news->retry_after_ms >= -1);
	for (size_t i = 0; i < news->count; i++) {
		const struct rate_quota *q = &news->quotas[i];
		CHECK(q->limit >= -1 && q->remaining >= -1 && q->reset_ms >= -1 &&
			q->window_ms >= -1);
	}
}

/* The bytes as a history: requests that go, are answered, get lost; time that passes. */
static void live(const uint8_t *data, size_t size, const struct rate_news *news)
{
	const struct rate_news none = { .retry_after_ms = -1 };
	struct rate rate = { 0 };
	struct rate_sent sent[FLIGHTS];
	unsigned out = 0;
	int64_t now = 1000;

	for (size_t i = 0; i < size; i++) {
		const struct rate_news *n = data[i] & 8 ? news : &none;
		now += (int64_t)(data[i] >> 4) * (data[i] >> 4) * 100;
		struct rate_verdict v = rate_ask(&rate, now, data[i] >> 6);
		CHECK(v.wait_ms >= 0 && (v.why != RATE_FREE || v.wait_ms == 0));
		if ((data[i] & 3) < 2 && out < FLIGHTS && v.why == RATE_FREE)
			sent[out++] = rate_send(&rate, now, data[i] >> 6);
		else if (out && (data[i] & 3) == 2)
			rate_answer(&rate, now, &sent[--out], data[i] & 4 ? 429 : 200, n);
		else if (out && data[i] & 4)
			rate_lose(&rate, now, &sent[--out]);
		else if (out)
			rate_withdraw(&rate, &sent[--out]);
		CHECK(rate.in_flight == out && rate.fresh <= out);
		CHECK(rate.quota_count <= RATE_QUOTAS_MAX && rate.learned.used >= 0);
	}
	while (out)
		rate_lose(&rate, now, &sent[--out]);
	/* Whatever was said, a day later somebody may ask again. */
	now += 2 * 24 * 3600 * 1000LL;
	CHECK(rate_ask(&rate, now, 1).why == RATE_FREE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_headers h = { 0 };
	struct rate_news news;
	struct arena a = { 0 };

	if (size > 1 << 14)
		return 0;
	read_lines(sv_make((const char *)data, size), &a, &h);
	rate_headers_read(&h, 1767225600000, &news);
	check_news(&news);
	live(data, size, &news);
	arena_done(&a);
	return 0;
}
