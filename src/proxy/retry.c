#include "proxy/retry.h"

#include "base/buf.h"
#include "base/sv.h"
#include "data/json.h"
#include "http/rate_headers.h"

#include <regex.h>
#include <stdio.h>

enum { GROUPS_MAX = 10, BASE_MS = 3000 };

/* Codes that name a broken connection, not a wrong request. ENOTFOUND is not among them. */
static const char *const transient[] = { "ECONNRESET", "ETIMEDOUT", "ECONNABORTED", "ECONNREFUSED",
	"EHOSTUNREACH", "ENETUNREACH", "EAI_AGAIN", "EPIPE", "UND_ERR_SOCKET" };

/* Waits. */

int64_t retry_backoff_ms(int64_t base_ms, unsigned attempt, int64_t cap_ms, uint32_t random)
{
	unsigned doublings = attempt > 1 ? attempt - 1 : 0;
	int64_t wait = base_ms;

	while (doublings-- && wait < cap_ms)
		wait *= 2;
	if (wait > cap_ms)
		wait = cap_ms;
	/* Up to a fifth less, so that what failed together does not come back together. */
	return wait - (int64_t)((double)wait / 5 * random / UINT32_MAX);
}

/* The longest wait that the headers of `names` ask for, -1 without one. */
static int64_t wait_of_headers(const struct retry_input *in, const struct provider_names *names,
	int64_t (*read)(struct sv, int64_t))
{
	int64_t longest = -1;

	for (size_t i = 0; i < names->count; i++) {
		struct sv value =
			http_header_find(in->headers->items, in->headers->count, names->items[i]);
		int64_t wait = value.ptr ? read(value, in->now_ms) : -1;
		if (wait > longest)
			longest = wait;
	}
	return longest;
}

/*
 * JavaScript's pattern in POSIX words. A lazy dot cannot be said there; since the group we want is
 * a number, "up to the first digit" is what it means here.
 */
static bool posix_pattern(struct sv js, struct buf *out, size_t *ret_group)
{
	static const struct {
		struct sv js;
		const char *posix;
	} words[] = {
		{ SV_LIT("\\d"), "[0-9]" },
		{ SV_LIT("\\s"), "[[:space:]]" },
		{ SV_LIT("\\w"), "[[:alnum:]_]" },
		{ SV_LIT(".*?"), "[^0-9]*" },
		{ SV_LIT(".+?"), "[^0-9]+" },
		{ SV_LIT("(?:"), "(" },
	};

	bool captured = false;

	/* POSIX numbers every group, so those before the one that captures push it back. */
	for (*ret_group = 1; js.len;) {
		size_t n = js.ptr[0] == '\\' && js.len > 1 ? 2 : 1;
		struct sv piece = sv_make(js.ptr, n);
		bool plain = sv_starts(js, SV_LIT("(?:"));
		captured |= js.ptr[0] == '(' && !plain;
		*ret_group += plain && !captured;
		for (size_t k = 0; k < ARRAY_LEN(words); k++)
			if (sv_starts(js, words[k].js)) {
				piece = sv_str(words[k].posix);
				n = words[k].js.len;
			}
		buf_sv_add(out, piece);
		js = sv_from(js, n);
	}
	return buf_ok(out) && out->len > 0;
}

/* The first group of the pattern in text. */
static bool match_group(struct sv pattern, const char *text, struct sv *ret)
{
	own_in(buf_done) struct buf posix = { 0 };
	regex_t re;
	regmatch_t m[GROUPS_MAX];
	size_t group;

	buf_init(&posix, 1024);
	if (!posix_pattern(pattern, &posix, &group) || group >= GROUPS_MAX)
		return false;
	if (regcomp(&re, posix.ptr, REG_EXTENDED | REG_ICASE) != 0)
		return false;
	bool found = regexec(&re, text, GROUPS_MAX, m, 0) == 0 && m[group].rm_so >= 0;
	regfree(&re);
	if (found)
		*ret = sv_make(text + m[group].rm_so, (size_t)(m[group].rm_eo - m[group].rm_so));
	return found;
}

/* retry.in_body: a time that the provider says in its error text. */
static int64_t wait_of_body(const struct retry_input *in)
{
	const struct provider_retry *p = in->provider;
	own(json_unref) struct json_t *json = NULL;
	struct sv group;
	char text[2048];

	if (p->body_wait == PROVIDER_WAIT_NONE || json_parse(in->body, &json, NULL) < 0)
		return -1;
	struct sv found = json_sv(json_find(json, p->body_path));
	if (!found.ptr || found.len >= sizeof(text))
		return -1;
	memcpy(text, found.ptr, found.len);
	text[found.len] = 0;
	if (!match_group(p->body_pattern, text, &group))
		return -1;
	return p->body_wait == PROVIDER_WAIT_AT ? http_at_ms(group, in->now_ms)
						: http_after_ms(group, in->now_ms);
}

static struct provider_names names_in(struct sv list, struct sv items[RETRY_HEADERS_MAX])
{
	struct provider_names names = { .items = items };

	while (list.ptr && names.count < RETRY_HEADERS_MAX &&
		sv_split(&list, ',', &items[names.count]))
		names.count++;
	return names;
}

static int64_t wait_of_caller(const struct retry_input *in, const char **ret_source)
{
	struct sv at_items[RETRY_HEADERS_MAX], after_items[RETRY_HEADERS_MAX];
	struct provider_names at = names_in(in->at_header, at_items);
	struct provider_names after = names_in(in->after_header, after_items);

	int64_t wait = wait_of_headers(in, &at, http_at_ms);
	*ret_source = "custom_at";
	int64_t other = wait_of_headers(in, &after, http_after_ms);
	if (other > wait) {
		wait = other;
		*ret_source = "custom_after";
	}
	return wait;
}

static int64_t wait_of_provider(const struct retry_input *in, const char **ret_source)
{
	int64_t wait = wait_of_headers(in, &in->provider->at, http_at_ms);
	*ret_source = "preconfigured_at";
	int64_t other = wait_of_headers(in, &in->provider->after, http_after_ms);
	if (other > wait) {
		wait = other;
		*ret_source = "preconfigured_after";
	}
	if (wait < 0) {
		wait = wait_of_body(in);
		*ret_source = in->provider->body_wait == PROVIDER_WAIT_AT ? "in_body_at"
									  : "in_body_after";
	}
	return wait;
}

static int64_t told_wait(const struct retry_input *in, const char **ret_source)
{
	int64_t wait = -1;

	if (in->headers)
		wait = wait_of_caller(in, ret_source);
	if (wait < 0 && in->headers && in->provider)
		wait = wait_of_provider(in, ret_source);
	return wait;
}

int64_t retry_told_ms(const struct retry_input *in)
{
	const char *source;

	return told_wait(in, &source);
}

static void choose_wait(const struct retry_input *in, struct retry_decision *d)
{
	int64_t wait = told_wait(in, &d->source);

	if (wait < 0) {
		d->source = "backoff";
		wait = retry_backoff_ms(in->base_ms ? in->base_ms : BASE_MS, in->attempt,
			RETRY_WAIT_MAX_MS, in->random);
	}
	d->wait_ms = wait > RETRY_WAIT_MAX_MS ? RETRY_WAIT_MAX_MS : wait;
}

/* Whether. */

static bool is_transient(const char *code)
{
	for (size_t i = 0; i < ARRAY_LEN(transient); i++)
		if (strcmp(code, transient[i]) == 0)
			return true;
	return false;
}

static bool asked_for(const struct retry_input *in)
{
	for (size_t i = 0; i < in->retry_on_count; i++)
		if (in->retry_on[i] == in->status)
			return true;
	return false;
}

bool retry_quota_used_up(const struct retry_input *in)
{
	if (!in->provider || !in->provider->remaining.ptr || !in->headers)
		return false;
	struct sv left =
		http_header_find(in->headers->items, in->headers->count, in->provider->remaining);
	return left.ptr && sv_eq_str(sv_trim(left), "0");
}

/* The reason to retry this status, into out; false when there is none. */
static bool status_reason(const struct retry_input *in, char *out, size_t size)
{
	const struct provider_statuses *codes = in->provider ? &in->provider->codes : NULL;
	int s = in->status;

	for (size_t i = 0; codes && i < codes->count; i++)
		if (s >= codes->items[i].low && s <= codes->items[i].high)
			return snprintf(out, size, "provider_error_code_%d", s) > 0;
	if ((!codes || codes->count == 0) && (s >= 500 || s == 429 || s == 401))
		return snprintf(out, size, "status_code_%d", s) > 0;
	if (asked_for(in))
		return snprintf(out, size, "retry_on_%d", s) > 0;
	if (s >= 400 && retry_quota_used_up(in))
		return snprintf(out, size, "provider_remaining") > 0;
	return false;
}

static struct retry_decision stop(const char *why)
{
	struct retry_decision d = { .source = "" };

	snprintf(d.reason, sizeof(d.reason), "%s", why);
	return d;
}

struct retry_decision retry_decide(const struct retry_input *in)
{
	struct retry_decision d = { .retry = true };

	if (in->network_code) {
		if (!is_transient(in->network_code))
			return stop("not_retryable");
		snprintf(d.reason, sizeof(d.reason), "network_error");
	} else if (!status_reason(in, d.reason, sizeof(d.reason))) {
		return stop("not_retryable");
	} else if (in->status == 401 && in->same_credentials) {
		return stop("invalid_credentials");
	}
	choose_wait(in, &d);
	return d;
}
