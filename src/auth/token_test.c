/* When a token is due, and what is made of answers. */
#include "auth/grant.h"
#include "auth/token.h"
#include "base/clock.h"
#include "data/json.h"
#include "model/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* 2026-01-01T00:00:00Z */
#define NOW 1767225600000

static const char catalogue[] =
	"crm: { auth_mode: OAUTH2, token_url: 'https://x/t' }\n"
	"slow: { alias: crm, token_expiration_buffer: 60 }\n"
	"bare: { auth_mode: OAUTH2 }\n"
	"keys: { auth_mode: API_KEY }\n"
	"host: { alias: crm, token_url: "
	"'https://${connectionConfig.host}/${connectionConfig.t}?a=1' }\n"
	"whole: { alias: crm, token_url: '${connectionConfig.base}/token' }\n"
	"map: { alias: crm, token_url: { OAUTH2: 'https://x/o', APP: 'https://x/a' } }\n";

static void knows_when_a_token_is_due(void **state UNUSED)
{
	static const struct {
		const char *provider, *credentials;
		enum token_state want;
	} cases[] = {
#define TOKEN "{\"type\":\"OAUTH2\",\"access_token\":\"a\",\"refresh_token\":\"r\""
		{ "crm", TOKEN "}", TOKEN_FRESH },
		{ "crm", TOKEN ",\"expires_at\":\"2026-01-01T00:16:00Z\"}", TOKEN_FRESH },
		{ "crm", TOKEN ",\"expires_at\":\"2026-01-01T00:14:00Z\"}", TOKEN_DUE },
		{ "crm", TOKEN ",\"expires_at\":\"2026-01-01T00:00:00Z\"}", TOKEN_EXPIRED },
		{ "slow", TOKEN ",\"expires_at\":\"2026-01-01T00:02:00Z\"}", TOKEN_FRESH },
		{ "slow", TOKEN ",\"expires_at\":\"2026-01-01T00:00:59Z\"}", TOKEN_DUE },
		{ "crm",
			TOKEN
			",\"expires_at\":\"2026-01-01T00:03:00Z\",\"raw\":{\"expires_in\":300}}",
			TOKEN_FRESH },
		{ "crm",
			TOKEN ",\"expires_at\":\"2026-01-01T00:02:00Z\",\"raw\":{\"expires_in\":"
			      "\"300\"}}",
			TOKEN_DUE },
		{ "crm",
			TOKEN ",\"expires_at\":\"2026-01-01T00:03:00Z\",\"issued_at\":\"2025-12-"
			      "31T23:58:00Z\"}",
			TOKEN_FRESH },
		/* Nothing to renew it with. */
		{ "bare", TOKEN ",\"expires_at\":\"2026-01-01T00:00:00Z\"}", TOKEN_FRESH },
		{ "crm", "{\"type\":\"OAUTH2\",\"access_token\":\"a\",\"expires_at\":1}",
			TOKEN_FRESH },
		{ "keys", "{\"type\":\"API_KEY\",\"apiKey\":\"k\"}", TOKEN_FRESH },
		{ "crm", "{\"type\":\"OAUTH2_CC\",\"client_id\":\"i\"}", TOKEN_EXPIRED },
#undef TOKEN
	};
	struct providers *providers;
	struct err err = { 0 };

	if (providers_parse(sv_str(catalogue), &providers, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct provider *p = provider_find(providers, sv_str(cases[i].provider));
		struct credentials c;
		if (credentials_parse(sv_str(cases[i].credentials), &c, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		enum token_state is = token_state(p, &c, NOW);
		if (is != cases[i].want)
			fail_msg("row %zu: %d", i, (int)is);
		credentials_done(&c);
	}
	providers_close(providers);
}

static void believes_no_end_that_is_over(void **state UNUSED)
{
	static const struct {
		const char *answer;
		int64_t otherwise_ms, want_ms;
	} cases[] = {
		{ "{\"expires_at\":\"2026-01-01T01:00:00Z\"}", 5000, 3600000 },
		{ "{\"expires_at\":\"2025-12-31T23:59:00Z\"}", 5000, 5000 },
		{ "{\"expires_at\":\"2025-12-31T23:59:00Z\",\"expires_in\":60}", 5000, 60000 },
		{ "{\"expires_at\":1,\"expires_in\":-1}", 0, 0 },
		{ "{\"expires_at\":\"soon\",\"expires_in\":\"600\"}", 0, 600000 },
		{ "{\"expires_at\":[],\"expires_in\":{}}", 5000, 5000 },
		{ "{\"expires_in\":1e300}", 0, INT64_C(3155760000000) },
		{ "{\"expires_at\":\"1767229200\"}", 5000, 3600000 },
		{ "{\"expires_at\":1767229200000.7}", 5000, 3600000 },
		{ "{\"expires_at\":1e300}", 5000, 5000 },
		{ "{\"expires_at\":-1e300,\"expires_in\":-1e300}", 5000, 5000 },
		{ "[]", 5000, 5000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(json_unref) struct json_t *answer = NULL, *next = json_new_obj();
		struct grant g = { .now_ms = NOW, .next = next };
		struct err err = { 0 };
		assert_int_equal(json_parse(sv_str(cases[i].answer), &answer, &err), 0);
		grant_set_expiry(&g, answer, cases[i].otherwise_ms);
		int64_t got = credentials_expiry_ms(&(struct credentials){ .json = next });
		if (got != (cases[i].want_ms ? NOW + cases[i].want_ms : 0))
			fail_msg("%s: %lld", cases[i].answer, (long long)(got - NOW));
	}
}

static void keeps_urls_where_they_should_lead(void **state UNUSED)
{
	static const struct {
		const char *provider, *config, *want; /* NULL: refused */
	} cases[] = {
		{ "host", "{\"host\":\"a.example:8443\",\"t\":\"x/../y ?#\"}",
			"https://a.example:8443/x%2F..%2Fy%20%3F%23?a=1" },
		{ "host", "{\"host\":\"a.example\",\"t\":7}", "https://a.example/7?a=1" },
		{ "host", "{\"host\":\"evil@a.example\",\"t\":\"x\"}", NULL },
		{ "host", "{\"host\":\"evil?\",\"t\":\"x\"}", NULL },
		{ "host", "{\"host\":\"evil#\",\"t\":\"x\"}", NULL },
		{ "host", "{\"host\":\"evil\\\\\",\"t\":\"x\"}", NULL },
		{ "host", "{\"t\":\"x\"}", NULL },
		{ "whole", "{\"base\":\"https://a.example/v1\"}", "https://a.example/v1/token" },
		{ "map", "{}", "https://x/o" },
	};
	struct providers *providers;
	struct err err = { 0 };

	assert_int_equal(providers_parse(sv_str(catalogue), &providers, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena a = { 0 };
		own(json_unref) struct json_t *config = NULL, *credentials = json_new_obj();
		assert_int_equal(json_parse(sv_str(cases[i].config), &config, &err), 0);
		const struct grant g = { .type = AUTH_OAUTH2,
			.provider = provider_find(providers, sv_str(cases[i].provider)),
			.arena = &a,
			.credentials = credentials,
			.config = config };
		struct sv url = SV_NULL;
		int rc = grant_url(&g, "token_url", &url, &err);
		if (cases[i].want ? rc < 0 || !sv_eq_str(url, cases[i].want) : rc != ERR_INVALID)
			fail_msg("row %zu: %d %.*s %s", i, rc, SV(url), err.msg);
		arena_done(&a);
	}
	providers_close(providers);
}

struct answered {
	int rc;
	struct grant_refusal refusal;
	struct err err;
};

static struct answered answer(int status, const char *type, const char *body)
{
	struct arena a = { 0 };
	own(json_unref) struct json_t *credentials = NULL, *ret = NULL;
	struct answered out = { 0 };
	struct http_response res;

	json_parse(SV_LIT("{\"type\":\"OAUTH2\",\"refresh_token\":\"secret-token\"}"), &credentials,
		NULL);
	const struct grant g = { .arena = &a, .credentials = credentials };
	http_response_init(&res);
	res.status = status;
	http_headers_add(&a, &res.headers, SV_LIT("content-type"), sv_str(type));
	buf_init(&res.body, 1000);
	buf_str(&res.body, body);
	out.rc = grant_answer(&g, SV_LIT("https://auth.example/token?k=secret"), &res, &ret,
		&out.refusal, &out.err);
	http_response_done(&res);
	arena_done(&a);
	return out;
}

static void reads_refusals(void **state UNUSED)
{
	static const struct {
		int status;
		const char *type, *body, *code;
		bool final;
	} cases[] = {
		{ 200, "application/json", "{\"access_token\":\"a\"}", NULL, false },
		{ 200, "application/x-www-form-urlencoded", "access_token=a&scope=", NULL, false },
		{ 200, "text/html", "<html>", "invalid_answer", false },
		{ 200, "application/json", "", "invalid_answer", false },
		{ 400, "application/json", "{\"error\":\"invalid_grant\"}", "invalid_grant", true },
		{ 401, "application/json", "{\"error\":{\"code\":\"invalid_grant\"}}",
			"invalid_grant", true },
		{ 200, "application/x-www-form-urlencoded", "error=bad_refresh_token",
			"bad_refresh_token", true },
		{ 200, "application/json", "{\"ok\":false}", "http_200", false },
		{ 503, "application/json", "{\"error\":\"invalid_grant\"}", "invalid_grant",
			false },
		{ 429, "text/plain", "slow down", "http_429", false },
		{ 400, "application/json", "{\"error\":\"secret-token\"}", "http_400", false },
		{ 400, "application/json", "{\"error\":\"<b>\"}", "http_400", false },
		{ 400, "application/json",
			"{\"error\":\"invalid_grant\",\"error_description\":\"secret-token is "
			"bad\"}",
			"invalid_grant", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct answered a = answer(cases[i].status, cases[i].type, cases[i].body);
		if (!cases[i].code) {
			assert_int_equal(a.rc, 0);
			continue;
		}
		if (a.rc != ERR_UPSTREAM || strcmp(a.refusal.code, cases[i].code) != 0 ||
			a.refusal.final != cases[i].final)
			fail_msg("row %zu: %d %s %s", i, a.rc, a.refusal.code, a.err.msg);
		assert_non_null(strstr(a.err.msg, "auth.example answered"));
		assert_null(strstr(a.err.msg, "secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_when_a_token_is_due),
		cmocka_unit_test(believes_no_end_that_is_over),
		cmocka_unit_test(keeps_urls_where_they_should_lead),
		cmocka_unit_test(reads_refusals),
	};
	return cmocka_run_group_tests_name("auth tokens", tests, NULL, NULL);
}
