/* Signatures against the examples of their standards. */
#include "auth/authorize.h"
#include "auth/functions.h"
#include "auth/jwt.h"
#include "auth/oauth1.h"
#include "auth/sigv4.h"
#include "crypto/sign.h"
#include "data/enc.h"
#include "data/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* RFC 5849, 1.2: the request for the photos. */
static void signs_the_example_of_rfc_5849(void **state UNUSED)
{
	struct arena a = { 0 };
	const struct oauth1 o = {
		.method = OAUTH1_HMAC_SHA1,
		.consumer_key = SV_LIT("dpf43f3p2l4k3l03"),
		.consumer_secret = SV_LIT("kd94hf93k423kf44"),
		.token = SV_LIT("nnch734d00sl2jdk"),
		.token_secret = SV_LIT("pfkkdhi9sl3r4s00"),
		.realm = SV_LIT("Photos"),
		.nonce = SV_LIT("chapoH"),
		.timestamp = 137131202,
		.http_method = SV_LIT("GET"),
		.url = SV_LIT("http://photos.example.net/photos"),
		.query = SV_LIT("file=vacation.jpg&size=original"),
		.no_version = true,
	};

	struct sv header = oauth1_header(&o, &a);
	assert_non_null(strstr(header.ptr, "OAuth realm=\"Photos\", oauth_consumer_key=\"dpf43"));
	assert_non_null(strstr(header.ptr, "oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\""));
	arena_done(&a);
}

/* RFC 5849, 3.4.1.1: repeated, empty and encoded parameters of query and body. */
static void normalises_parameters_as_rfc_5849_does(void **state UNUSED)
{
	struct arena a = { 0 };
	const struct oauth1 o = {
		.method = OAUTH1_HMAC_SHA1,
		.consumer_key = SV_LIT("9djdj82h48djs9d2"),
		.token = SV_LIT("kkk9d7dh3k39sjv7"),
		.nonce = SV_LIT("7d8f3e4a"),
		.timestamp = 137131201,
		.http_method = SV_LIT("post"),
		.url = SV_LIT("http://example.com/request"),
		.query = SV_LIT("b5=%3D%253D&a3=a&c%40=&a2=r%20b"),
		.form = SV_LIT("c2&a3=2+q"),
		.no_version = true,
	};

	assert_string_equal(oauth1_base_string(&o, &a).ptr,
		"POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5"
		"%3D%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oaut"
		"h_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D13713"
		"1201%26oauth_token%3Dkkk9d7dh3k39sjv7");
	arena_done(&a);
}

static void plaintext_is_the_key(void **state UNUSED)
{
	struct arena a = { 0 };
	const struct oauth1 o = { .method = oauth1_method(SV_LIT("PlainText")),
		.consumer_secret = SV_LIT("djr9rjt0jd78jf88"),
		.token_secret = SV_LIT("jjd999tj88uiths3"),
		.http_method = SV_LIT("GET") };

	/* RFC 5849, 3.4.4 */
	assert_non_null(strstr(oauth1_header(&o, &a).ptr,
		"oauth_signature=\"djr9rjt0jd78jf88%26jjd999tj88uiths3\""));
	arena_done(&a);
}

static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBALXdYFabBccNLs4B\n"
			  "gT77PwEgZMAg+h2+Iq7HhOZ00ENR0BlMUJp7rKZzfmOjAxQ2VaXTQQoCdZhH0cKM\n"
			  "2jg4bgv8WAh26kKFD+gFgo+CfROo7+WQ/4PIWVgbDQYhP23Nl83qIRYcFaV4L+5v\n"
			  "hBpoI5FQmwxxexU1w75GGwSB3LajAgMBAAECgYA1mg3u+Ln3NRd6eE8TtRGYz2di\n"
			  "iVWutn+abAvrsLpBXTesfSW0oob8eEXkMAOUTX9o5J7iyF7Ih0J3yPP4Zglo15lq\n"
			  "OrqnCLDnmQ4OVRvwJQ6YpLDrvcW60PIc80TpQwlQ8nFPZtRBYxCF0ObGYh6bLIa4\n"
			  "2W1RmPM/YkVRs+Wh4QJBAOLRkGSI3wDwVPXC1WuKI+7fFwFlEZ9CWbWS+ipOSTne\n"
			  "1dvPy68BMZSWmXDsfKcwZwJLDtc4Lpl3dEWTcydrKeUCQQDNQzlokWUrD+6JO6Bj\n"
			  "rohxuDMVSA7U1STLnt2c5rE4qjtHmEAxVrdUpoVFQDUKhNP1iyKM+rXBZVwcxrTo\n"
			  "r7XnAkEAsUaFim4Hjd5JKQQsdi6zwwEOJALwcP8Uynujluk1BkwJ7hFM6u0N6UqD\n"
			  "huTu0GVePUaYxNGeakgY0kBaYla5mQJBALiTXqg9NjAG34Tf7VY1t9QqwyS76zpP\n"
			  "gArqDHXurCY8TZoPuomjZK/mHaksF4Yh80e1mZgUSiRiNPZbaIpklrkCQQCO8vgc\n"
			  "A9OgnqTXlyiMJbQhmvh32KnXzG//OyNzm//qfDaOk1SgGd7eFmmG/MtEYSf4q0MP\n"
			  "BpScnhmjE6WW4jhJ\n"
			  "-----END PRIVATE KEY-----\n";

static void expect_signature(const char *key)
{
	static const char want[] =
		"K/"
		"+xcWGF4dGkYIjZbz4MPrD2VT6oHYAs9BJBdaqnYkfVi7OafVAbl3QoXKS6mEMfMxCq+"
		"IsIWWHfDWdHF31BQ34Fq1nn+"
		"OelkJnuwD3v5CEyGmWWa2exxLrWqLy85tLFkg1vqKKyeZcKhPVQeuQJ8TsIuYMO8Z5Q9Kk4RNoaNBU=";
	own_in(buf_done) struct buf sig = { 0 }, text = { 0 };
	struct err err = { 0 };

	buf_init(&sig, 4096);
	buf_init(&text, 4096);
	if (sign_bytes(SIGN_RS256, sv_str(key), SV_LIT("hello"), &sig, &err) < 0)
		fail_msg("%s", err.msg);
	enc_base64(&text, buf_sv(&sig));
	assert_string_equal(text.ptr, want);
}

/* As openssl dgst -sha256 -sign does; from a key as people paste it. */
static void signs_with_rsa_however_the_key_is_pasted(void **state UNUSED)
{
	own_in(buf_done) struct buf line = { 0 }, escaped = { 0 }, base64 = { 0 };

	buf_init(&line, 8192);
	buf_init(&escaped, 8192);
	buf_init(&base64, 8192);
	for (const char *at = pem; *at; at++) {
		buf_char(&line, *at == '\n' ? ' ' : *at);
		if (*at == '\n')
			buf_str(&escaped, "\\n");
		else
			buf_char(&escaped, *at);
	}
	enc_base64(&base64, sv_str(pem));
	expect_signature(pem);
	expect_signature(line.ptr);
	expect_signature(escaped.ptr);
	expect_signature(base64.ptr);
}

static void refuses_what_is_no_key(void **state UNUSED)
{
	static const char *const keys[] = { "", "x", "-----BEGIN PRIVATE KEY-----",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
		"-----END PRIVATE KEY----------BEGIN PRIVATE KEY-----", "AAAA" };
	own_in(buf_done) struct buf sig = { 0 };
	struct err err = { 0 };

	buf_init(&sig, 4096);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_int_equal(sign_bytes(SIGN_RS256, sv_str(keys[i]), SV_LIT("x"), &sig, &err),
			ERR_INVALID);
	/* An RSA key cannot do what an EC key does. */
	assert_int_equal(sign_bytes(SIGN_ES256, sv_str(pem), SV_LIT("x"), &sig, &err), ERR_INVALID);
	assert_null(strstr(err.msg, "BEGIN"));
}

static int sign_text(const char *header, const char *payload, const char *key, struct buf *out)
{
	own(json_unref) struct json_t *h = NULL, *p = NULL;
	struct err err = { 0 };

	buf_init(out, 8192);
	assert_int_equal(json_parse(sv_str(header), &h, &err), 0);
	assert_int_equal(json_parse(sv_str(payload), &p, &err), 0);
	return jwt_sign(h, p, sv_str(key), out, &err);
}

static void makes_tokens(void **state UNUSED)
{
	own_in(buf_done) struct buf out = { 0 }, other = { 0 };

	/* The example that jwt.io shows. */
	assert_int_equal(
		sign_text("{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
			"{\"sub\":\"1234567890\",\"name\":\"John Doe\",\"iat\":1516239022}",
			"your-256-bit-secret", &out),
		0);
	assert_string_equal(out.ptr,
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
		"eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
		"SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c");
	assert_int_equal(sign_text("{\"alg\":\"none\"}", "{}", "k", &other), ERR_INVALID);
	buf_done(&other);
	assert_int_equal(sign_text("{}", "{}", "k", &other), ERR_INVALID);
}

static void reads_expiries(void **state UNUSED)
{
	static const struct {
		const char *token;
		int64_t ms;
	} cases[] = {
		{ "e30.eyJleHAiOjE3MDAwMDAwMDB9.x", 1700000000000 },
		{ "e30.eyJleHAiOi0xfQ.x", 0 },
		{ "e30.e30.x", 0 },
		{ "opaque", 0 },
		{ "a.b", 0 },
		{ "a.!!.c", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(jwt_expiry_ms(sv_str(cases[i].token)), cases[i].ms);
}

/* RFC 7636, appendix B. */
static void challenges_with_a_hash_of_the_verifier(void **state UNUSED)
{
	char challenge[PKCE_SIZE], one[PKCE_SIZE], other[PKCE_SIZE];

	pkce_challenge(SV_LIT("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), challenge);
	assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	pkce_verifier(one);
	pkce_verifier(other);
	assert_int_equal(strlen(one), 43);
	assert_string_not_equal(one, other);
}

/* The key of Amazon's examples: for IAM and its test suite, and for S3. */
#define AWS_KEY                                 \
	.access_key_id = SV_LIT("AKIDEXAMPLE"), \
	.secret_access_key = SV_LIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
#define S3_KEY                                           \
	.access_key_id = SV_LIT("AKIAIOSFODNN7EXAMPLE"), \
	.secret_access_key = SV_LIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
#define NO_BODY SV_LIT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
#define HEADERS(...)                                            \
	.headers = (const struct http_header[]){ __VA_ARGS__ }, \
	.header_count =                                         \
		sizeof((const struct http_header[]){ __VA_ARGS__ }) / sizeof(struct http_header)
#define H(name, value)                      \
	{                                   \
		SV_LIT(name), SV_LIT(value) \
	}

static void expect_sigv4(const struct sigv4 *s, const char *names, const char *signature)
{
	struct arena a = { 0 };
	const char *got = sigv4_authorization(s, &a).ptr;

	if (!strstr(got, names) || !strstr(got, signature))
		fail_msg("%s\n%s", got, sigv4_canonical_request(s, &a).ptr);
	arena_done(&a);
}

/* "Create a signed AWS API request": ListUsers of IAM; and two of Amazon's test suite. */
static void signs_the_examples_of_aws(void **state UNUSED)
{
	const struct sigv4 iam = { AWS_KEY, .region = SV_LIT("us-east-1"), .service = SV_LIT("iam"),
		.date = SV_LIT("20150830T123600Z"), .method = SV_LIT("GET"), .path = SV_LIT("/"),
		.query = SV_LIT("Action=ListUsers&Version=2010-05-08"),
		HEADERS(H("X-Amz-Date", "20150830T123600Z"), H("Host", "iam.amazonaws.com"),
			H("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")),
		.payload_hash = NO_BODY };
	const struct sigv4 vanilla = { AWS_KEY, .region = SV_LIT("us-east-1"),
		.service = SV_LIT("service"), .date = SV_LIT("20150830T123600Z"),
		.method = SV_LIT("GET"), .path = SV_LIT("/"), .query = SV_LIT(""),
		HEADERS(H("Host", "example.amazonaws.com"), H("X-Amz-Date", "20150830T123600Z")),
		.payload_hash = NO_BODY };
	struct sigv4 order = vanilla;

	order.query = SV_LIT("Param2=value2&Param1=value1");
	expect_sigv4(&iam,
		"Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
		"SignedHeaders=content-type;host;x-amz-date",
		"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
	expect_sigv4(&vanilla, "SignedHeaders=host;x-amz-date",
		"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	expect_sigv4(&order, "SignedHeaders=host;x-amz-date",
		"Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

/* "Signature calculations for the authorization header" of S3's API reference. */
static void signs_the_examples_of_s3(void **state UNUSED)
{
	const struct sigv4 get = { S3_KEY, .region = SV_LIT("us-east-1"), .service = SV_LIT("s3"),
		.date = SV_LIT("20130524T000000Z"), .method = SV_LIT("GET"),
		.path = SV_LIT("/test.txt"), .query = SV_LIT(""),
		HEADERS(H("host", "examplebucket.s3.amazonaws.com"), H("range", "bytes=0-9"),
			H("x-amz-content-sha256",
				"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
			H("x-amz-date", "20130524T000000Z")),
		.payload_hash = NO_BODY };
	const struct sigv4 put = { S3_KEY, .region = SV_LIT("us-east-1"), .service = SV_LIT("s3"),
		.date = SV_LIT("20130524T000000Z"), .method = SV_LIT("PUT"),
		.path = SV_LIT("/test$file.text"), .query = SV_LIT(""),
		HEADERS(H("date", "Fri, 24 May 2013 00:00:00 GMT"),
			H("host", "examplebucket.s3.amazonaws.com"),
			H("x-amz-content-sha256",
				"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
			H("x-amz-date", "20130524T000000Z"),
			H("x-amz-storage-class", "REDUCED_REDUNDANCY")),
		.payload_hash = SV_LIT(
			"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072") };
	static const struct http_header of_list[] = { H("host", "examplebucket.s3.amazonaws.com"),
		H("x-amz-content-sha256",
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
		H("x-amz-date", "20130524T000000Z") };
	struct sigv4 list = get, encoded = put;

	list.path = SV_LIT("/");
	list.query = SV_LIT("prefix=J&max-keys=2");
	list.headers = of_list;
	list.header_count = ARRAY_LEN(of_list);
	encoded.path = SV_LIT("/test%24file.text");
	expect_sigv4(&get, "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date",
		"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	expect_sigv4(&put, "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;",
		"Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	expect_sigv4(&encoded, "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;",
		"Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	expect_sigv4(&list, "SignedHeaders=host;x-amz-content-sha256;x-amz-date",
		"Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void encodes_paths_for_aws(void **state UNUSED)
{
	static const struct {
		const char *service, *path, *want;
	} cases[] = {
		{ "s3", "/a%20b/c", "/a%20b/c" },
		{ "s3", "/a//b/", "/a//b/" },
		{ "s3", "", "/" },
		{ "s3", "/a+b:c", "/a%2Bb%3Ac" },
		{ "execute-api", "/a%20b/c", "/a%2520b/c" },
		{ "execute-api", "//a//b/", "/a/b/" },
		{ "execute-api", "/a+b:c", "/a%2Bb%3Ac" },
	};
	struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct sigv4 s = { .service = sv_str(cases[i].service),
			.method = SV_LIT("GET"),
			.path = sv_str(cases[i].path),
			.payload_hash = NO_BODY };
		const char *want = arena_printf(&a, "GET\n%s\n\n", cases[i].want);
		const char *got = sigv4_canonical_request(&s, &a).ptr;
		if (strncmp(got, want, strlen(want)) != 0)
			fail_msg("%s %s: %s", cases[i].service, cases[i].path, got);
	}
	arena_done(&a);
}

static void writes_dates_for_aws(void **state UNUSED)
{
	char date[SIGV4_DATE_SIZE];

	assert_string_equal(sigv4_date(1440938160999, date), "20150830T123600Z");
}

/* RFC 8032, 7.1, test 2; and as `openssl pkey -pubout -outform DER | openssl dgst -sha256` does. */
static void signs_and_names_keys_in_templates(void **state UNUSED)
{
	static const char ed25519[] =
		"-----BEGIN PRIVATE KEY-----\n"
		"MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
		"-----END PRIVATE KEY-----\n";
	const struct sv message[] = { SV_LIT("r"), sv_str(ed25519) };
	const struct sv other[] = { SV_LIT("r"), sv_str(pem) };
	own_in(buf_done) struct buf out = { 0 };
	struct err err = { 0 };

	buf_init(&out, 4096);
	assert_int_equal(
		auth_function_call(NULL, SV_LIT("ed25519Sign"), message, 2, &out, &err), 1);
	assert_string_equal(out.ptr, "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+"
				     "vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==");
	buf_clear(&out);
	assert_int_equal(
		auth_function_call(NULL, SV_LIT("fingerprint"), other + 1, 1, &out, &err), 1);
	assert_string_equal(out.ptr, "SHA256:eF1nYE1qnKfr8t4TXkwAy3ke9Llx6cRlXWWwBnvS5I4=");
	assert_int_equal(
		auth_function_call(NULL, SV_LIT("ed25519Sign"), other, 2, &out, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "no Ed25519 key"));
	assert_int_equal(auth_function_call(NULL, SV_LIT("fingerprint"), message, 1, &out, &err),
		ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_the_example_of_rfc_5849),
		cmocka_unit_test(normalises_parameters_as_rfc_5849_does),
		cmocka_unit_test(plaintext_is_the_key),
		cmocka_unit_test(signs_with_rsa_however_the_key_is_pasted),
		cmocka_unit_test(refuses_what_is_no_key),
		cmocka_unit_test(makes_tokens),
		cmocka_unit_test(reads_expiries),
		cmocka_unit_test(signs_the_examples_of_aws),
		cmocka_unit_test(signs_the_examples_of_s3),
		cmocka_unit_test(encodes_paths_for_aws),
		cmocka_unit_test(writes_dates_for_aws),
		cmocka_unit_test(signs_and_names_keys_in_templates),
		cmocka_unit_test(challenges_with_a_hash_of_the_verifier),
	};
	return cmocka_run_group_tests_name("auth signatures", tests, NULL, NULL);
}
