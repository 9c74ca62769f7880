#include "auth/access.h"
#include "auth/credentials.h"

#include "base/buf.h"
#include "data/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEY "0b3c6a52-9e0b-4d69-8a1f-3f0d4c1e2a77"

static void reads_the_authorization_header(void **state UNUSED)
{
	static const struct {
		const char *header, *key, *code;
	} cases[] = {
		{ NULL, NULL, "missing_auth_header" },
		{ "", NULL, "malformed_auth_header" },
		{ "Bearer ", NULL, "malformed_auth_header" },
		{ "Bearer", NULL, "malformed_auth_header" },
		{ "Bearer abc", NULL, "invalid_secret_key_format" },
		{ "Basic " KEY, NULL, "invalid_secret_key_format" },
		{ "Bearer " KEY, KEY, NULL },
		{ KEY, KEY, NULL },
		{ "Bearer Bearer " KEY, KEY, NULL },
		{ "Bearer 0B3C6A52-9E0B-4D69-8A1F-3F0D4C1E2A77",
			"0B3C6A52-9E0B-4D69-8A1F-3F0D4C1E2A77", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct auth_refusal refusal = { 0 };
		struct sv key = SV_NULL;
		bool ok = auth_key_of_header(sv_str(cases[i].header), &key, &refusal);
		assert_int_equal(ok, cases[i].key != NULL);
		if (ok)
			assert_true(sv_eq_str(key, cases[i].key));
		else
			assert_string_equal(refusal.code, cases[i].code);
	}
}

static void scopes_cover_by_prefix(void **state UNUSED)
{
	static const struct {
		const char *granted, *required;
		bool covered;
	} cases[] = {
		{ "[\"environment:*\"]", "environment:records:read", true },
		{ "[\"environment:records:*\"]", "environment:records:read", true },
		{ "[\"environment:records:read\"]", "environment:records:read", true },
		{ "[\"environment:records:read\"]", "environment:records:write", false },
		{ "[\"environment:record:*\"]", "environment:records:read", false },
		{ "[\"environment:proxy\", \"environment:syncs:*\"]",
			"environment:syncs:variant:create", true },
		{ "[\"account:*\"]", "environment:proxy", false },
		{ "[]", "environment:proxy", false },
		{ "broken", "environment:proxy", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(auth_scope_covers(sv_str(cases[i].granted), cases[i].required),
			cases[i].covered);
}

static void parses_each_type(void **state UNUSED)
{
	static const struct {
		const char *text, *token, *error;
		int64_t expiry_ms;
	} cases[] = {
		{ "{}", NULL, NULL },
		{ "{\"type\":\"NONE\"}", NULL, NULL },
		{ "{\"type\":\"API_KEY\",\"apiKey\":\"k\"}", NULL, NULL },
		{ "{\"type\":\"API_KEY\"}", NULL, "$.apiKey" },
		{ "{\"type\":\"BASIC\",\"username\":\"u\",\"password\":\"p\"}", NULL, NULL },
		{ "{\"type\":\"OAUTH2\",\"access_token\":\"t\",\"expires_at\":\"2026-01-01T00:00:"
		  "00Z\"}",
			"t", NULL, 1767225600000 },
		{ "{\"type\":\"OAUTH2\",\"access_token\":\"t\",\"expires_at\":1767225600}", "t",
			NULL, 1767225600000 },
		{ "{\"type\":\"OAUTH2\",\"access_token\":\"t\",\"expires_at\":1767225600000}", "t",
			NULL, 1767225600000 },
		{ "{\"type\":\"OAUTH2_CC\",\"token\":\"t\"}", "t", NULL },
		{ "{\"type\":\"KERBEROS\"}", NULL, "KERBEROS" },
		{ "[]", NULL, "no JSON object" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct credentials c = { 0 };
		struct err err = { 0 };
		int rc = credentials_parse(sv_str(cases[i].text), &c, &err);
		if (cases[i].error) {
			assert_int_equal(rc, ERR_INVALID);
			assert_non_null(strstr(err.msg, cases[i].error));
			continue;
		}
		assert_int_equal(rc, 0);
		assert_true(sv_eq_str(credentials_token(&c), cases[i].token));
		assert_int_equal(credentials_expiry_ms(&c), cases[i].expiry_ms);
		credentials_done(&c);
	}
}

static void imports_what_a_caller_gave(void **state UNUSED)
{
	own(json_unref) struct json_t *given = NULL;
	struct err err = { 0 };
	struct buf out;

	buf_init(&out, 1000);
	assert_int_equal(json_parse(SV_LIT("{\"access_token\":\"t\",\"expires_at\":1767225600}"),
				 &given, &err),
		0);
	assert_int_equal(credentials_import(AUTH_OAUTH2, given, &out, &err), 0);
	assert_string_equal(out.ptr, "{\"access_token\":\"t\",\"expires_at\":"
				     "\"2026-01-01T00:00:00.000Z\",\"type\":\"OAUTH2\"}");
	assert_int_equal(credentials_import(AUTH_API_KEY, given, &out, &err), ERR_INVALID);
	assert_string_equal(
		err.msg, "credentials of type API_KEY: $.apiKey: expected string, got nothing");
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_authorization_header),
		cmocka_unit_test(scopes_cover_by_prefix),
		cmocka_unit_test(parses_each_type),
		cmocka_unit_test(imports_what_a_caller_gave),
	};
	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
