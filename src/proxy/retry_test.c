#include "proxy/retry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW 1767225600000 /* 2026-01-01T00:00:00Z */

static const struct sv acme_at[] = { SV_LIT("x-reset"), SV_LIT("x-reset-2") };
static const struct sv acme_after[] = { SV_LIT("retry-after") };
static const struct provider_status only_503[] = { { 503, 503 }, { 420, 429 } };

static const struct provider_retry plain = { 0 };
static const struct provider_retry acme = {
	.at = { acme_at, 2 },
	.after = { acme_after, 1 },
	.remaining = SV_LIT("x-left"),
};
static const struct provider_retry strict = { .codes = { only_503, 2 } };
static const struct provider_retry talkative = {
	.body_path = SV_LIT("error.message"),
	.body_pattern = SV_LIT("(?:again|later) in (\\d+(?:\\.\\d+)?) s"),
	.body_wait = PROVIDER_WAIT_AFTER,
};
static const struct provider_retry wordy = {
	.body_path = SV_LIT("error.message"),
	.body_pattern = SV_LIT("in .*?(\\d+)\\s*seconds"),
	.body_wait = PROVIDER_WAIT_AFTER,
};

/* attempt 1 and no randomness unless said; header: "name: value" or NULL */
static const struct row {
	const char *network;
	int status;
	const struct provider_retry *provider;
	int retry_on;
	const char *name, *value, *body;
	unsigned attempt;
	bool same_credentials;
	bool retry;
	const char *reason, *source;
	int64_t wait_ms;
} rows[] = {
	/* network codes */
	{ "ECONNRESET", .retry = true, .reason = "network_error", .source = "backoff",
		.wait_ms = 3000 },
	{ "ETIMEDOUT", .retry = true, .reason = "network_error", .source = "backoff",
		.wait_ms = 3000 },
	{ "EAI_AGAIN", .attempt = 3, .retry = true, .reason = "network_error", .source = "backoff",
		.wait_ms = 12000 },
	{ "ENOTFOUND", .reason = "not_retryable" },
	{ "denied_ip", .reason = "not_retryable" },
	{ "ERR_FR_TOO_MANY_REDIRECTS", .reason = "not_retryable" },
	/* statuses */
	{ .status = 500,
		.retry = true,
		.reason = "status_code_500",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 503,
		.attempt = 2,
		.retry = true,
		.reason = "status_code_503",
		.source = "backoff",
		.wait_ms = 6000 },
	{ .status = 599,
		.attempt = 30,
		.retry = true,
		.reason = "status_code_599",
		.source = "backoff",
		.wait_ms = 600000 },
	{ .status = 429,
		.retry = true,
		.reason = "status_code_429",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 400, .reason = "not_retryable" },
	{ .status = 404, .reason = "not_retryable" },
	{ .status = 304, .reason = "not_retryable" },
	{ .status = 409,
		.retry_on = 409,
		.retry = true,
		.reason = "retry_on_409",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 401,
		.retry = true,
		.reason = "status_code_401",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 401, .same_credentials = true, .reason = "invalid_credentials" },
	{ .status = 500,
		.same_credentials = true,
		.retry = true,
		.reason = "status_code_500",
		.source = "backoff",
		.wait_ms = 3000 },
	/* the provider's own list replaces the default */
	{ .status = 503,
		.provider = &strict,
		.retry = true,
		.reason = "provider_error_code_503",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 425,
		.provider = &strict,
		.retry = true,
		.reason = "provider_error_code_425",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 500, .provider = &strict, .reason = "not_retryable" },
	{ .status = 500,
		.provider = &strict,
		.retry_on = 500,
		.retry = true,
		.reason = "retry_on_500",
		.source = "backoff",
		.wait_ms = 3000 },
	/* quota */
	{ .status = 403,
		.provider = &acme,
		.name = "x-left",
		.value = "0",
		.retry = true,
		.reason = "provider_remaining",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 403,
		.provider = &acme,
		.name = "x-left",
		.value = "1",
		.reason = "not_retryable" },
	/* after */
	{ .status = 429,
		.provider = &acme,
		.name = "retry-after",
		.value = "7",
		.retry = true,
		.reason = "status_code_429",
		.source = "preconfigured_after",
		.wait_ms = 7000 },
	{ .status = 429,
		.provider = &acme,
		.name = "retry-after",
		.value = "0",
		.retry = true,
		.reason = "status_code_429",
		.source = "preconfigured_after",
		.wait_ms = 0 },
	{ .status = 429,
		.provider = &acme,
		.name = "retry-after",
		.value = "0.5",
		.retry = true,
		.reason = "status_code_429",
		.source = "preconfigured_after",
		.wait_ms = 500 },
	{ .status = 429,
		.provider = &acme,
		.name = "retry-after",
		.value = "86400",
		.retry = true,
		.reason = "status_code_429",
		.source = "preconfigured_after",
		.wait_ms = 600000 },
	{ .status = 429,
		.provider = &acme,
		.name = "retry-after",
		.value = "-1",
		.retry = true,
		.reason = "status_code_429",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 429,
		.provider = &acme,
		.name = "retry-after",
		.value = "soon",
		.retry = true,
		.reason = "status_code_429",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 429,
		.provider = &acme,
		.name = "retry-after",
		.value = "Thu, 01 Jan 2026 00:01:00 GMT",
		.retry = true,
		.reason = "status_code_429",
		.source = "preconfigured_after",
		.wait_ms = 60000 },
	{ .status = 429,
		.provider = &plain,
		.name = "retry-after",
		.value = "7",
		.retry = true,
		.reason = "status_code_429",
		.source = "backoff",
		.wait_ms = 3000 },
	/* at */
	{ .status = 429,
		.provider = &acme,
		.name = "x-reset",
		.value = "1767225630",
		.retry = true,
		.reason = "status_code_429",
		.source = "preconfigured_at",
		.wait_ms = 30000 },
	{ .status = 429,
		.provider = &acme,
		.name = "x-reset-2",
		.value = "1767225630500",
		.retry = true,
		.reason = "status_code_429",
		.source = "preconfigured_at",
		.wait_ms = 30500 },
	{ .status = 429,
		.provider = &acme,
		.name = "x-reset",
		.value = "2026-01-01T00:00:20Z",
		.retry = true,
		.reason = "status_code_429",
		.source = "preconfigured_at",
		.wait_ms = 20000 },
	{ .status = 429,
		.provider = &acme,
		.name = "x-reset",
		.value = "1767225599",
		.retry = true,
		.reason = "status_code_429",
		.source = "backoff",
		.wait_ms = 3000 },
	/* the caller's header beats the provider's */
	{ .status = 429,
		.provider = &acme,
		.name = "x-mine",
		.value = "2",
		.retry = true,
		.reason = "status_code_429",
		.source = "custom_after",
		.wait_ms = 2000 },
	{ .status = 429,
		.provider = &acme,
		.name = "x-my-date",
		.value = "1767225601",
		.retry = true,
		.reason = "status_code_429",
		.source = "custom_at",
		.wait_ms = 1000 },
	/* in the body */
	{ .status = 429,
		.provider = &wordy,
		.body = "{\"error\":{\"message\":\"try in about 42 seconds\"}}",
		.retry = true,
		.reason = "status_code_429",
		.source = "in_body_after",
		.wait_ms = 42000 },
	{ .status = 429,
		.provider = &wordy,
		.body = "{\"error\":{\"message\":\"no\"}}",
		.retry = true,
		.reason = "status_code_429",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 429,
		.provider = &wordy,
		.body = "<html>",
		.retry = true,
		.reason = "status_code_429",
		.source = "backoff",
		.wait_ms = 3000 },
	{ .status = 429,
		.provider = &talkative,
		.body = "{\"error\":{\"message\":\"again in 3 s\"}}",
		.retry = true,
		.reason = "status_code_429",
		.source = "in_body_after",
		.wait_ms = 3000 },
};

static void check(size_t i, const struct row *r)
{
	struct http_header item = { sv_str(r->name), sv_str(r->value) };
	struct http_headers headers = { .items = &item, .count = r->name != NULL };
	struct retry_input in = {
		.network_code = r->network,
		.status = r->status,
		.headers = r->network ? NULL : &headers,
		.body = sv_str(r->body),
		.provider = r->provider,
		.retry_on = &r->retry_on,
		.retry_on_count = r->retry_on != 0,
		.at_header = SV_LIT("x-none,X-My-Date"),
		.after_header = SV_LIT("x-none,x-mine,x-nothing"),
		.attempt = r->attempt ? r->attempt : 1,
		.same_credentials = r->same_credentials,
		.now_ms = NOW,
	};
	struct retry_decision d = retry_decide(&in);

	if (d.retry != r->retry || strcmp(d.reason, r->reason) != 0 || d.wait_ms != r->wait_ms ||
		(r->source && strcmp(d.source, r->source) != 0))
		fail_msg("row %zu: retry %d, %s, %s, %lld ms", i, d.retry, d.reason, d.source,
			(long long)d.wait_ms);
}

static void decides_by_table(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(i, &rows[i]);
}

static void backs_off_with_jitter(void **state UNUSED)
{
	assert_int_equal(retry_backoff_ms(3000, 1, 600000, 0), 3000);
	assert_int_equal(retry_backoff_ms(3000, 2, 600000, 0), 6000);
	assert_int_equal(retry_backoff_ms(3000, 8, 600000, 0), 384000);
	assert_int_equal(retry_backoff_ms(3000, 9, 600000, 0), 600000);
	assert_int_equal(retry_backoff_ms(3000, 4000000000, 600000, 0), 600000);
	assert_int_equal(retry_backoff_ms(3000, 1, 600000, UINT32_MAX), 2400);
	assert_in_range(retry_backoff_ms(3000, 1, 600000, UINT32_MAX / 2), 2699, 2701);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_by_table),
		cmocka_unit_test(backs_off_with_jitter),
	};
	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
