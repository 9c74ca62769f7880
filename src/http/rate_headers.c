#include "http/rate_headers.h"

#include "base/clock.h"
#include "base/fnv.h"
#include "base/sv.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { YEAR_1972_S = 63072000, NAME_MAX_LEN = 80, EPOCH_SLACK_MS = 1000 };

/* Values. */

static bool parse_number(struct sv s, double *ret)
{
	char text[40], *end;

	s = sv_trim(s);
	if (s.len == 0 || s.len >= sizeof(text))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = 0;
	/* strtod alone would take "inf", "nan" and hexadecimal. */
	if (strspn(text, "0123456789.-+eE") != s.len)
		return false;
	*ret = strtod(text, &end);
	return *end == 0 && isfinite(*ret);
}

/* "Wed, 21 Oct 2026 07:28:00 GMT" or an ISO date, in ms. */
static bool parse_date(struct sv s, int64_t *ret)
{
	char text[64];
	struct tm tm = { 0 };

	s = sv_trim(s);
	if (clock_parse_iso(s, ret)) {
		*ret /= 1000;
		return true;
	}
	if (s.len == 0 || s.len >= sizeof(text))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = 0;
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end)
		return false;
	*ret = (int64_t)timegm(&tm) * 1000;
	return true;
}

int64_t http_after_ms(struct sv value, int64_t now_ms)
{
	double seconds;
	int64_t date;

	if (parse_number(value, &seconds))
		return seconds < 0 || seconds > 1e9 ? -1 : (int64_t)ceil(seconds * 1000);
	if (!parse_date(value, &date))
		return -1;
	return date > now_ms ? date - now_ms : 0;
}

int64_t http_at_ms(struct sv value, int64_t now_ms)
{
	double number;
	int64_t date;

	if (parse_number(value, &number)) {
		if (number <= 0 || number > 1e15)
			return -1;
		/* Taken as seconds it would be far off: then it is milliseconds already. */
		bool is_ms = number / 1000 > YEAR_1972_S;
		date = (int64_t)(is_ms ? number : number * 1000);
	} else if (!parse_date(value, &date)) {
		return -1;
	}
	return date > now_ms ? date - now_ms : -1;
}

/* "1s", "6m0s", "1h2m", "20ms": the whole text, or -1. */
static int64_t parse_duration(struct sv s)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ms", 1 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 36e5 }, { "d", 864e5 } };
	double total = 0, n;

	s = sv_trim(s);
	while (s.len) {
		size_t digits = 0, k = 0, letters;
		while (digits < s.len &&
			(isdigit((unsigned char)s.ptr[digits]) || s.ptr[digits] == '.'))
			digits++;
		for (letters = digits; letters < s.len && isalpha((unsigned char)s.ptr[letters]);)
			letters++;
		struct sv unit = sv_make(s.ptr + digits, letters - digits);
		while (k < ARRAY_LEN(units) && !sv_eq_str(unit, units[k].unit))
			k++;
		if (k == ARRAY_LEN(units) || !parse_number(sv_make(s.ptr, digits), &n))
			return -1;
		total += n * units[k].ms;
		s = sv_from(s, letters);
	}
	return total > 0 && total < 1e12 ? (int64_t)ceil(total) : -1;
}

/*
 * Until a reset. Numbers up to a year are what remains, larger ones points in time; whole seconds
 * of a clock may be rounded either way, and a second more is cheaper than a refusal.
 */
static int64_t parse_reset(struct sv value, int64_t now_ms)
{
	double number;

	if (!parse_number(value, &number)) {
		int64_t at = http_at_ms(value, now_ms), span = parse_duration(value);
		return span >= 0 ? span : at >= 0 ? at + EPOCH_SLACK_MS : -1;
	}
	if (number < 0 || number > 1e15)
		return -1;
	if (number <= YEAR_1972_S / 2)
		return (int64_t)ceil(number * 1000);
	int64_t at = http_at_ms(value, now_ms);
	return (at < 0 ? 0 : at) + EPOCH_SLACK_MS;
}

static int64_t parse_count(struct sv value)
{
	double n;
	size_t end = 0;

	value = sv_trim(value);
	while (end < value.len && value.ptr[end] && !strchr(",; ", value.ptr[end]))
		end++;
	if (!parse_number(sv_make(value.ptr, end), &n) || n < -1e9 || n > 1e15)
		return -1;
	return n < 0 ? 0 : (int64_t)n;
}

/* Quotas by name. */

static struct rate_quota *quota_for(struct rate_news *news, uint64_t id)
{
	for (size_t i = 0; i < news->count; i++)
		if (news->quotas[i].id == id)
			return &news->quotas[i];
	if (news->count == RATE_QUOTAS_MAX)
		return NULL;
	news->quotas[news->count] = (struct rate_quota){ id, 0, -1, -1, -1, -1 };
	return &news->quotas[news->count++];
}

/* Families: <prefix>limit<suffix>, <prefix>remaining<suffix>, <prefix>reset<suffix>. */

enum word { WORD_LIMIT, WORD_REMAINING, WORD_RESET, WORD_INTERVAL_MS, WORD_NONE };

static const struct {
	struct sv text;
	enum word word;
} words[] = {
	{ SV_LIT("interval-milliseconds"), WORD_INTERVAL_MS },
	{ SV_LIT("remaining"), WORD_REMAINING },
	{ SV_LIT("reset-after"), WORD_RESET },
	{ SV_LIT("reset-in"), WORD_RESET },
	{ SV_LIT("reset"), WORD_RESET },
	{ SV_LIT("limit"), WORD_LIMIT },
	{ SV_LIT("max"), WORD_LIMIT },
};

/* Behind "ratelimit" or "rate-limit" in a header's name; -1 when it has neither. */
static ptrdiff_t behind_ratelimit(struct sv name)
{
	ptrdiff_t at = sv_find(name, SV_LIT("ratelimit"));

	if (at >= 0)
		return at + 9;
	at = sv_find(name, SV_LIT("rate-limit"));
	return at < 0 ? -1 : at + 10;
}

/* The word that says what a header of a family is; *ret_id is the family without it. */
static enum word word_of(struct sv name, uint64_t *ret_id)
{
	ptrdiff_t start = behind_ratelimit(name);

	if (start < 0)
		return WORD_NONE;
	struct sv tail = sv_from(name, (size_t)start), head = sv_make(name.ptr, (size_t)start);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		ptrdiff_t at = sv_find(tail, words[i].text);
		if (at <= 0 || tail.ptr[at - 1] != '-')
			continue;
		struct sv rest = sv_from(tail, (size_t)at + words[i].text.len);
		*ret_id = fnv_more(fnv_more(1, head), sv_make(tail.ptr, (size_t)at - 1));
		*ret_id = fnv_more(*ret_id, rest);
		return words[i].word;
	}
	/* "X-Rate-Limit: 700" next to "X-Rate-Limit-Remaining". */
	*ret_id = fnv_more(fnv_more(fnv_more(1, head), SV_LIT("")), SV_LIT(""));
	return tail.len || sv_eq_str(name, "ratelimit") ? WORD_NONE : WORD_LIMIT;
}

/* w= of "100;w=60", the first of a list. */
static int64_t window_in(struct sv value)
{
	ptrdiff_t at = sv_find(value, SV_LIT(";w="));
	int64_t n = at < 0 ? -1 : parse_count(sv_from(value, (size_t)at + 3));

	return n < 0 || n > YEAR_1972_S ? -1 : n * 1000;
}

static void read_family(const struct http_header *h, int64_t now_ms, struct rate_news *news)
{
	uint64_t id;
	enum word word = word_of(h->name, &id);
	struct rate_quota *q = word == WORD_NONE ? NULL : quota_for(news, id);

	if (!q)
		return;
	if (word == WORD_LIMIT) {
		q->limit = parse_count(h->value);
		q->window_ms = window_in(h->value);
	} else if (word == WORD_REMAINING) {
		q->remaining = parse_count(h->value);
	} else if (word == WORD_INTERVAL_MS) {
		q->window_ms = parse_count(h->value);
	} else {
		int64_t reset = parse_reset(h->value, now_ms);
		/* Said twice, in two ways: the nearer is the more exact. */
		if (q->reset_ms < 0 || (reset >= 0 && reset < q->reset_ms))
			q->reset_ms = reset;
	}
}

/* Structured fields of the IETF drafts. */

/* One `key=value` of a structured field, into q. */
static void read_param(struct sv param, int64_t now_ms, struct rate_quota *q)
{
	ptrdiff_t eq = sv_find_char(param, '=');

	if (eq <= 0)
		return;
	struct sv key = sv_trim(sv_make(param.ptr, (size_t)eq));
	struct sv value = sv_trim(sv_from(param, (size_t)eq + 1));
	if (sv_eq_str(key, "r") || sv_eq_str(key, "remaining"))
		q->remaining = parse_count(value);
	else if (sv_eq_str(key, "t") || sv_eq_str(key, "reset"))
		q->reset_ms = parse_reset(value, now_ms);
	else if (sv_eq_str(key, "q") || sv_eq_str(key, "limit"))
		q->limit = parse_count(value);
	else if (sv_eq_str(key, "w"))
		q->window_ms = parse_count(value) < 0 ? -1 : parse_count(value) * 1000;
}

/* `"name";r=50;t=30`, or `remaining=50`, or `100;w=60`. */
static void read_item(struct sv item, int64_t now_ms, struct rate_news *news)
{
	struct sv rest = item, head = SV_NULL, param;

	if (!sv_split(&rest, ';', &head))
		return;
	head = sv_trim(head);
	bool named = head.len && (head.ptr[0] == '"' || isalpha((unsigned char)head.ptr[0])) &&
		     sv_find_char(head, '=') < 0;
	struct rate_quota *q = quota_for(news, named ? fnv_more(2, head) : 3);
	if (!q)
		return;
	read_param(head, now_ms, q);
	if (!named && head.len && isdigit((unsigned char)head.ptr[0]))
		q->limit = parse_count(head);
	while (sv_split(&rest, ';', &param))
		read_param(param, now_ms, q);
}

static void read_structured(struct sv value, int64_t now_ms, struct rate_news *news)
{
	struct sv item;

	while (value.ptr && sv_split(&value, ',', &item))
		read_item(item, now_ms, news);
}

/* "32/40": used of all. */
static void read_used(struct sv name, struct sv value, struct rate_news *news)
{
	ptrdiff_t slash = sv_find_char(value, '/');
	struct rate_quota *q = slash > 0 ? quota_for(news, fnv_more(4, name)) : NULL;

	if (!q)
		return;
	int64_t used = parse_count(sv_make(value.ptr, (size_t)slash));
	q->limit = parse_count(sv_from(value, (size_t)slash + 1));
	if (used >= 0 && q->limit >= 0)
		q->remaining = used > q->limit ? 0 : q->limit - used;
}

static void read_header(const struct http_header *h, int64_t now_ms, struct rate_news *news)
{
	double n;

	if (sv_eq_nocase(h->name, SV_LIT("ratelimit")) ||
		sv_eq_nocase(h->name, SV_LIT("ratelimit-policy")))
		read_structured(h->value, now_ms, news);
	else if (sv_eq_nocase(h->name, SV_LIT("x-shopify-shop-api-call-limit")))
		read_used(h->name, h->value, news);
	else if (sv_eq_nocase(h->name, SV_LIT("retry-after")))
		news->retry_after_ms = http_after_ms(h->value, now_ms);
	else if (sv_eq_nocase(h->name, SV_LIT("retry-after-ms")) && parse_number(h->value, &n))
		news->retry_after_ms = n < 0 || n > 1e12 ? -1 : (int64_t)ceil(n);
	else if (h->name.len < NAME_MAX_LEN)
		read_family(h, now_ms, news);
}

void rate_headers_read(const struct http_headers *h, int64_t now_ms, struct rate_news *ret)
{
	int64_t server_ms;

	*ret = (struct rate_news){ .retry_after_ms = -1 };
	if (parse_date(http_headers_get(h, "date"), &server_ms))
		now_ms = server_ms;
	for (size_t i = 0; i < h->count; i++)
		read_header(&h->items[i], now_ms, ret);
	/* GitHub's core and search, Discord's buckets: one spelling, several quotas. */
	struct sv which = http_headers_get(h, "x-ratelimit-resource");
	if (!which.ptr)
		which = http_headers_get(h, "x-ratelimit-bucket");
	for (size_t i = 0; which.ptr && i < ret->count; i++) {
		ret->quotas[i].id = fnv_more(ret->quotas[i].id, which);
		ret->quotas[i].group = fnv_more(1, which);
	}
	/* "Unlimited", in the words of some. */
	for (size_t i = 0; i < ret->count; i++)
		if (ret->quotas[i].limit == 0)
			ret->quotas[i].remaining = -1;
}
