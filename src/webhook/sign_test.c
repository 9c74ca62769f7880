#include "webhook/sign.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/*
 * Expected values were made with openssl, K and B being the texts below:
 *	printf '%s%s' $K "$B" | openssl dgst -sha256 -hex
 *	printf '%s' "$B" | openssl dgst -sha256 -hmac $K -hex
 *	printf 'msg_1.1767225600.%s' "$B" | openssl dgst -sha256 -hmac $K -binary | base64
 */
#define K "0b3c6a52-9e0b-4d69-8a1f-3f0d4c1e2a77"
#define B "{\"from\":\"nango\",\"type\":\"sync\"}"
#define T 1767225600
#define T_TEXT "1767225600"

#define HMAC_HEX "d227abc8c073a13bcece401cccd256d991a3d0fb71b75074852c23be6d1cff69"
#define STANDARD "v1,ub2xQ6P7Rw6HlGxvrha4JCLqusRmbuDJE/BZ+wuv4x0="
#define T_V1 "2b3dde040710c1a44a012c0113c7854423644681b6f0a31463d618e7c9bf97fc"
#define SLACK "v0=9544a5c73240b59e52e1be6439a98125f41d8475fb83136ebc8d1396082c482e"

static void signs_as_documented(void **state UNUSED)
{
	struct buf b;

	buf_init(&b, 1000);
	sign_legacy(SV_LIT(K), SV_LIT(B), &b);
	assert_string_equal(
		b.ptr, "549fab8e6388d0606dc9012aec14416d9961ae1ba8eed7b3dd1a7bb3e3c473cb");
	buf_clear(&b);
	sign_hmac(SV_LIT(K), SV_LIT(B), &b);
	assert_string_equal(b.ptr, HMAC_HEX);
	buf_clear(&b);
	sign_standard(SV_LIT(K), SV_LIT("msg_1"), T, SV_LIT(B), &b);
	assert_string_equal(b.ptr, STANDARD);
	buf_done(&b);
}

static const struct {
	enum sign_scheme scheme;
	const char *signature;
	bool good;
	const char *body; /* NULL = B */
	int64_t later_s; /* than the signature */
	const char *secret; /* NULL = K */
} cases[] = {
	{ SIGN_HMAC256_HEX, HMAC_HEX, true },
	{ SIGN_HMAC256_HEX, "sha256=" HMAC_HEX, true },
	{ SIGN_HMAC256_HEX, "D227ABC8C073A13BCECE401CCCD256D991A3D0FB71B75074852C23BE6D1CFF69",
		true },
	{ SIGN_HMAC256_HEX, "sha256=" HMAC_HEX, false, B " " },
	{ SIGN_HMAC256_HEX, "sha256=d227", false },
	{ SIGN_HMAC256_HEX, "", false },
	{ SIGN_HMAC256_HEX, NULL, false },
	{ SIGN_HMAC256_HEX, HMAC_HEX, false, .secret = "" },
	{ SIGN_HMAC256_HEX, HMAC_HEX, false, .secret = "other" },
	{ SIGN_HMAC256_BASE64, "0ieryMBzoTvOzkAczNJW2ZGj0Ptxt1B0hSwjvm0c/2k=", true },
	{ SIGN_HMAC256_BASE64, "0ieryMBzoTvOzkAczNJW2ZGj0Ptxt1B0hSwjvm0c/2k", false },
	{ SIGN_HMAC1_BASE64, "sha1=c0yKSDso3O0q8C1HfVw65BgYmwI=", true },
	{ SIGN_HMAC1_BASE64, "sha1=d0yKSDso3O0q8C1HfVw65BgYmwI=", false },
	{ SIGN_SHA1_HEX, "daef1b7ec401dd4437f2b403aa013c18bf6283c5", true },
	{ SIGN_SHA256_HEX, "549fab8e6388d0606dc9012aec14416d9961ae1ba8eed7b3dd1a7bb3e3c473cb",
		true },
	{ SIGN_SHA256_HEX, HMAC_HEX, false },
	{ SIGN_TOKEN, K, true },
	{ SIGN_TOKEN, K "x", false },
	{ SIGN_T_V1, "t=" T_TEXT ",v1=" T_V1, true },
	{ SIGN_T_V1, "t=" T_TEXT ", v1=00, v1=" T_V1, true },
	{ SIGN_T_V1, "t=" T_TEXT ",v1=" T_V1, true, .later_s = 180 },
	{ SIGN_T_V1, "t=" T_TEXT ",v1=" T_V1, false, .later_s = 181 },
	{ SIGN_T_V1, "t=" T_TEXT ",v1=" T_V1, false, .later_s = -181 },
	{ SIGN_T_V1, "t=1767225601,v1=" T_V1, false },
	{ SIGN_T_V1, "v1=" T_V1, false },
	{ SIGN_STANDARD, STANDARD, true },
	{ SIGN_STANDARD, "v1,AAAA " STANDARD, true },
	{ SIGN_STANDARD, STANDARD, true,
		.secret = "whsec_MGIzYzZhNTItOWUwYi00ZDY5LThhMWYtM2YwZDRjMWUyYTc3" },
	{ SIGN_STANDARD, STANDARD, false, .later_s = 200 },
	{ SIGN_STANDARD, "ub2xQ6P7Rw6HlGxvrha4JCLqusRmbuDJE/BZ+wuv4x0=", false },
	{ SIGN_SLACK, SLACK, true },
	{ SIGN_SLACK, SLACK, false, B "\n" },
	{ SIGN_NONE, K, false },
};

static void verifies_by_scheme(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct sign_input in = {
			.scheme = cases[i].scheme,
			.secret = sv_str(cases[i].secret ? cases[i].secret : K),
			.signature = sv_str(cases[i].signature),
			.id = SV_LIT("msg_1"),
			.timestamp = SV_LIT(T_TEXT),
			.body = sv_str(cases[i].body ? cases[i].body : B),
			.now_ms = (T + cases[i].later_s) * 1000,
			.tolerance_ms = 180000,
		};
		if (sign_verify(&in) != cases[i].good)
			fail_msg("case %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_as_documented),
		cmocka_unit_test(verifies_by_scheme),
	};
	return cmocka_run_group_tests_name("sign", tests, NULL, NULL);
}
