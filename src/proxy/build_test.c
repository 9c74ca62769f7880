/* URL, headers, body and redaction of provider requests, as tables of cases. */
#include "base/sv.h"
#include "data/json.h"
#include "data/params.h"
#include "model/provider.h"
#include "proxy/body.h"
#include "proxy/cert.h"
#include "proxy/headers.h"
#include "proxy/redact.h"
#include "proxy/url.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char catalogue[] =
	"plain: { auth_mode: NONE, proxy: { base_url: 'https://api.test/v1' } }\n"
	"slash: { auth_mode: NONE, proxy: { base_url: 'https://api.test/' } }\n"
	"none: { auth_mode: NONE }\n"
	"sub: { auth_mode: NONE, proxy: { base_url: 'https://${connectionConfig.sub}.api.test' } "
	"}\n"
	"either: { auth_mode: NONE, proxy: { base_url: "
	"'https://${connectionConfig.host}/x || https://api.test' } }\n"
	"query:\n"
	"  auth_mode: API_KEY\n"
	"  proxy:\n"
	"    base_url: https://api.test\n"
	"    query: { key: '${apiKey}', tenant: '${connectionConfig.tenant}' }\n"
	"generic:\n"
	"  auth_mode: API_KEY\n"
	"  proxy: { base_url: '${connectionConfig.baseUrl}' }\n"
	"  integration_config: { keyName: {}, keyPlacement: {} }\n"
	"headers:\n"
	"  auth_mode: API_KEY\n"
	"  proxy:\n"
	"    base_url: https://api.test\n"
	"    headers:\n"
	"      X-Key: 'k ${apiKey}'\n"
	"      x-flat: '${credentials.apiKey}'\n"
	"      x-tenant: '${connectionConfig.tenant}'\n"
	"      x-both: '${connectionConfig.sub}-${connectionConfig.tenant}'\n"
	"      x-unknown: '${nothing}'\n"
	"      x-hash: '${sha256Hex(abc)}'\n"
	"      user-agent: acme-agent\n"
	"bearer: { auth_mode: OAUTH2, proxy: { base_url: 'https://api.test', headers: "
	"{ x-token: '${accessToken}', x-app: '${clientId}', x-raw: '${credentials.access_token}' } "
	"} }\n"
	"mtls: { auth_mode: OAUTH2_CC, require_client_certificate: true, proxy: { base_url: "
	"'https://api.test' } }\n"
	"twostep: { auth_mode: TWO_STEP, proxy: { base_url: 'https://api.test' } }\n"
	"twostep-own: { auth_mode: TWO_STEP, proxy: { base_url: 'https://api.test', headers: "
	"{ x-session: '${accessToken}' } } }\n"
	"body:\n"
	"  auth_mode: API_KEY\n"
	"  proxy:\n"
	"    base_url: https://api.test\n"
	"    body:\n"
	"      auth: { key: '${apiKey}', gone: '${connectionConfig.tenant}' }\n"
	"      empty: { gone: '${nothing}' }\n";

static struct providers *providers;

static int set_up(void **state UNUSED)
{
	struct err err = { 0 };

	if (providers_parse(sv_str(catalogue), &providers, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	providers_close(providers);
	return 0;
}

static struct json_t *parse(const char *text)
{
	struct json_t *v = NULL;

	if (text)
		assert_int_equal(json_parse(sv_str(text), &v, NULL), 0);
	return v;
}

/* What a test needs, with the connection everybody uses unless it says otherwise. */
struct bench {
	struct arena arena;
	struct proxy_target target;
	struct proxy_vars vars;
};

static void bench_init(struct bench *b, const char *provider, const char *credentials)
{
	struct err err = { 0 };

	*b = (struct bench){ 0 };
	b->target = (struct proxy_target){
		.provider = provider_find(providers, sv_str(provider)),
		.connection_id = SV_LIT("c1"),
		.connection_config =
			parse("{\"sub\":\"acme\",\"host\":\"\",\"n\":7,\"evil\":\"a/b?c\"}"),
		.metadata = parse("{\"board\":{\"id\":12}}"),
		.app = parse("{\"client_id\":\"app1\",\"client_secret\":\"app-secret\"}"),
	};
	assert_non_null(b->target.provider);
	if (!credentials)
		credentials = "{\"type\":\"API_KEY\",\"apiKey\":\"s3cret&key\"}";
	if (credentials_parse(sv_str(credentials), &b->target.credentials, &err) < 0)
		fail_msg("%s", err.msg);
	b->vars = (struct proxy_vars){ .target = &b->target,
		.arena = &b->arena,
		.now_ms = 1767225600000,
		.random = "r",
		.method = SV_LIT("GET") };
}

static void bench_done(struct bench *b)
{
	proxy_target_done(&b->target);
	arena_done(&b->arena);
}

#define P(n, v)                                       \
	{                                             \
		.name = SV_LIT(n), .value = SV_LIT(v) \
	}

static const struct url_case {
	const char *provider, *endpoint, *url; /* url: expected, or the code of the refusal */
	const char *override, *raw;
	struct proxy_pair params[3];
	bool is_link;
} urls[] = {
	/* joining */
	{ "plain", "/users", "https://api.test/v1/users" },
	{ "plain", "users", "https://api.test/v1/users" },
	{ "plain", "//users", "https://api.test/v1/users" },
	{ "plain", "", "https://api.test/v1" },
	{ "plain", "?a=1", "https://api.test/v1?a=1" },
	{ "slash", "/users/", "https://api.test/users/" },
	{ "plain", "https://api.test/v1/users?x=1", "https://api.test/v1/users?x=1" },
	{ "plain", "https://api.test/v1", "https://api.test/v1" },
	{ "plain", "https://api.test/v1beta", "https://api.test/v1/beta" },
	{ "plain", "/x", "https://other.test/y/x", .override = "https://other.test/y/" },
	{ "plain", "https://other.test/y/x", "https://other.test/y/x",
		.override = "https://other.test/y" },
	{ "none", "/x", "missing_api_url" },
	{ "none", "/x", "http://o.test/x", .override = "http://o.test" },
	{ "plain", "/x", "invalid_url", .override = "ftp://o.test" },
	{ "plain", "/x", "invalid_url", .override = "nonsense" },
	/* templates */
	{ "sub", "/x", "https://acme.api.test/x" },
	{ "either", "/x", "https://api.test/x" },
	{ "plain", "/b/${metadata.board.id}/${connection_config.n}/${connectionId}",
		"https://api.test/v1/b/12/7/c1" },
	{ "plain", "/k/${apiKey}/${credentials.apiKey}",
		"https://api.test/v1/k/s3cret&key/s3cret&key" },
	{ "plain", "/q?s=a||b&t=${metadata.board.id}", "https://api.test/v1/q?s=a||b&t=12" },
	{ "plain", "/x/${unknown}", "https://api.test/v1/x/$%7Bunknown%7D" },
	{ "generic", "/x", "missing_api_url" },
	{ "plain", "/x", "https://acme.o.test/x",
		.override = "https://${connectionConfig.sub}.o.test" },
	/* normalising */
	{ "plain", "/a b/\xc3\xa9", "https://api.test/v1/a%20b/%C3%A9" },
	{ "plain", "/a/../b/./c", "https://api.test/v1/b/c" },
	{ "plain", "/a#frag", "https://api.test/v1/a" },
	{ "plain", "/a%2Fb?x=%20y+z", "https://api.test/v1/a%2Fb?x=%20y+z" },
	{ "plain", "/a?x=\"<'>", "https://api.test/v1/a?x=%22%3C%27%3E" },
	{ "plain", "/a\\b", "https://api.test/v1/a/b" },
	{ "plain", "/a\n\tb", "https://api.test/v1/ab" },
	{ "plain", "/x", "https://o.test/P/x", .override = "HTTPS://O.Test:443/P" },
	{ "plain", "/x", "https://o.test:8443/x", .override = "https://o.test:8443" },
	{ "plain", "/users?$select=id", "https://api.test/v1/users?$select=id" },
	{ "plain", "/x", "https://Me:P%40ss%20W@o.test/x",
		.override = "https://Me:P%40ss W@O.test" },
	/* parameters: set, not appended; form encoding */
	{ "plain", "/a", "https://api.test/v1/a?x=1&y=a+b",
		.params = { P("x", "1"), P("y", "a b") } },
	{ "plain", "/a?x=0&z=%20&x=9", "https://api.test/v1/a?x=1&z=+", .params = { P("x", "1") } },
	{ "plain", "/a", "https://api.test/v1/a?ids=1%2C2", .params = { P("ids", "1,2") } },
	{ "plain", "/a", "https://api.test/v1/a?page%5Bsize%5D=5&e=",
		.params = { P("page[size]", "5"), P("e", "") } },
	{ "plain", "/a?flag", "https://api.test/v1/a?flag=&x=1", .params = { P("x", "1") } },
	{ "plain", "/a?", "https://api.test/v1/a?x=1", .params = { P("x", "1") } },
	{ "plain", "/a", "https://api.test/v1/a?x=%C3%A9%26%3D*-._%7E",
		.params = { P("x", "\xc3\xa9&=*-._~") } },
	{ "plain", "/a", "https://api.test/v1/a?x=2", .params = { P("x", "1"), P("x", "2") } },
	{ "plain", "/a", "https://api.test/v1/a?b=1%202", .raw = "b=1 2" },
	{ "plain", "/a", "https://api.test/v1/a?b=1", .raw = "?b=1" },
	{ "plain", "/a?x=1", "invalid_query_params", .raw = "b=1" },
	/* links of pages: from the root of the host */
	{ "plain", "/v1/users?page=2", "https://api.test/v1/users?page=2", .is_link = true },
	{ "plain", "/users?page=2", "https://api.test/v1/users?page=2", .is_link = true },
	{ "plain", "/v1?page=2", "https://api.test/v1?page=2", .is_link = true },
	{ "plain", "/v1beta/x", "https://api.test/v1/v1beta/x", .is_link = true },
	{ "plain", "/v1/users", "https://api.test/v1/v1/users" },
	{ "slash", "/v1/users", "https://api.test/v1/users", .is_link = true },
	/* the provider's own */
	{ "query", "/a?key=mine", "https://api.test/a?key=s3cret%26key" },
};

static struct proxy_request request_of(const struct url_case *u)
{
	struct proxy_request req = { .endpoint = sv_str(u->endpoint),
		.base_url_override = sv_str(u->override),
		.raw_params = sv_str(u->raw),
		.is_link = u->is_link,
		.params = u->params };

	while (req.param_count < 3 && u->params[req.param_count].name.ptr)
		req.param_count++;
	return req;
}

static void builds_urls(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct proxy_request req = request_of(&urls[i]);
		const char *code = NULL;
		struct err err = { 0 };
		struct bench b;
		struct sv url;

		bench_init(&b, urls[i].provider, NULL);
		int rc = proxy_url_build(&b.vars, &req, &url, &code, &err);
		struct sv got = rc < 0 ? sv_str(code) : url;
		if (!sv_eq_str(got, urls[i].url))
			fail_msg(
				"case %zu: %s -> %.*s (%s)", i, urls[i].endpoint, SV(got), err.msg);
		bench_done(&b);
	}
}

static void splits_urls(void **state UNUSED)
{
	struct url_parts p = url_split(SV_LIT("https://u:p@api.test:8/a/b?x=1"));

	assert_true(sv_eq_str(p.scheme, "https") && sv_eq_str(p.host, "api.test:8"));
	assert_true(sv_eq_str(p.path, "/a/b") && sv_eq_str(p.query, "x=1"));
	p = url_split(SV_LIT("https://api.test"));
	assert_true(sv_eq_str(p.host, "api.test") && p.path.len == 0 && p.query.len == 0);
}

/* Whatever a function sends, the work stays small. */
static void bounds_what_it_looks_through(void **state UNUSED)
{
	enum { MANY = 5000 };
	static struct proxy_pair many[MANY];
	struct proxy_request req = {
		.endpoint = SV_LIT("/x"), .params = many, .param_count = MANY
	};
	struct http_headers h;
	const char *code = NULL;
	struct err err = { 0 };
	struct bench b;
	struct sv url;

	for (size_t i = 0; i < MANY; i++)
		many[i] = (struct proxy_pair){ SV_LIT("a"), SV_LIT("b") };
	bench_init(&b, "plain", NULL);
	assert_int_equal(proxy_url_build(&b.vars, &req, &url, &code, &err), ERR_LIMIT);
	assert_non_null(strstr(err.msg, "more than 2000 parameters"));
	req = (struct proxy_request){ .headers = many, .header_count = MANY };
	assert_int_equal(proxy_headers_build(&b.vars, &req, &h, &err), ERR_LIMIT);
	bench_done(&b);
}

static void makes_parameters_canonical(void **state UNUSED)
{
	static const struct {
		const char *pairs, *want;
	} cases[] = {
		{ "", "" },
		{ "b=2&a=1", "a=1&b=2" },
		{ "a=2&a=1&a=10", "a=1&a=10&a=2" },
		{ "a=x+y&b=%7E*%2F", "a=x%20y&b=~%2A%2F" },
		{ "a&b=", "a=&b=" },
		{ "ab=1&a=2", "a=2&ab=1" },
		{ "\xc3\xa9=1", "%C3%A9=1" },
	};
	struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sv got = params_canonical_pairs(sv_str(cases[i].pairs), &a);
		if (!sv_eq_str(got, cases[i].want))
			fail_msg("%s: %.*s", cases[i].pairs, SV(got));
	}
	arena_done(&a);
}

static void repairs_certificates(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
			"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n" },
		{ "-----BEGIN CERTIFICATE----- QUJD REVG -----END CERTIFICATE-----",
			"-----BEGIN CERTIFICATE-----\nQUJDREVG\n-----END CERTIFICATE-----\n" },
		{ "-----BEGIN A-----\\nQUJD\\n-----END A-----\\n-----BEGIN B-----REVG-----END "
		  "B-----",
			"-----BEGIN A-----\nQUJD\n-----END A-----\n"
			"-----BEGIN B-----\nREVG\n-----END B-----\n" },
		{ "", NULL },
		{ "QUJD", NULL },
		{ "-----BEGIN A-----QUJD", NULL },
		{ "-----BEGIN A-----\n-----END A-----", NULL },
		{ "-----BEGIN A-----<script>-----END A-----", NULL },
	};
	struct arena a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sv got = pem_repair(sv_str(cases[i].text), &a);
		if (got.ptr ? !cases[i].want || !sv_eq_str(got, cases[i].want)
			    : cases[i].want != NULL)
			fail_msg("case %zu: %.*s", i, SV(got));
	}
	arena_done(&a);
}

static void wants_a_client_certificate_where_the_provider_does(void **state UNUSED)
{
	struct http_request req = { 0 };
	struct err err = { 0 };
	struct bench b;

	bench_init(&b, "plain", NULL);
	assert_int_equal(proxy_client_cert(&b.target, &b.arena, &req, &err), 0);
	assert_null(req.client_cert.ptr);
	bench_done(&b);
	bench_init(&b, "mtls", NULL);
	assert_int_equal(proxy_client_cert(&b.target, &b.arena, &req, &err), ERR_INVALID);
	assert_non_null(
		strstr(err.msg, "client_certificate in the credentials of connection 'c1'"));
	bench_done(&b);
	bench_init(&b, "mtls",
		"{\"type\":\"OAUTH2_CC\",\"token\":\"t\",\"client_certificate\":\"-----BEGIN "
		"C-----QUJD-----END C-----\",\"client_private_key\":\"-----BEGIN "
		"K-----QUJD-----END "
		"K-----\"}");
	assert_int_equal(proxy_client_cert(&b.target, &b.arena, &req, &err), 0);
	assert_true(sv_starts(req.client_cert, SV_LIT("-----BEGIN C-----\nQUJD\n")));
	assert_true(sv_starts(req.client_key, SV_LIT("-----BEGIN K-----\n")));
	bench_done(&b);
}

/* Headers: "name: value\n" for all but the three that every request has. */

static const struct header_case {
	const char *provider, *credentials, *caller, *want;
} headers[] = {
	{ "plain", "{}", "", "" },
	{ "plain", "{\"type\":\"OAUTH2\",\"access_token\":\"tok\"}", "",
		"authorization: Bearer tok\n" },
	{ "plain", "{\"type\":\"OAUTH2_CC\",\"token\":\"tok\"}", "",
		"authorization: Bearer tok\n" },
	{ "plain", "{\"type\":\"BASIC\",\"username\":\"u\",\"password\":\"p\"}", "",
		"authorization: Basic dTpw\n" },
	{ "plain", "{\"type\":\"BASIC\",\"username\":\"u\"}", "", "authorization: Basic dTo=\n" },
	{ "plain", NULL, "", "" },
	{ "plain", "{\"type\":\"OAUTH2\",\"access_token\":\"tok\"}",
		"Authorization: Mine\nX-A: 1\n", "authorization: Mine\nx-a: 1\n" },
	{ "headers", NULL, "",
		"x-key: k s3cret&key\nx-flat: s3cret&key\nx-unknown: ${nothing}\n"
		"x-hash: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n" },
	{ "bearer", "{\"type\":\"OAUTH2\",\"access_token\":\"tok\"}", "",
		"authorization: Bearer tok\nx-token: tok\nx-app: app1\n"
		"x-raw: ${credentials.access_token}\n" },
	{ "twostep", "{\"type\":\"TWO_STEP\",\"token\":\"t\"}", "", "authorization: Bearer t\n" },
	{ "twostep-own", "{\"type\":\"TWO_STEP\",\"token\":\"t\"}", "", "x-session: t\n" },
	{ "plain", "{}",
		"Host: evil\nContent-Length: 3\nTransfer-Encoding: chunked\nUser-Agent: me\nX-B: "
		"2\n",
		"x-b: 2\n" },
	{ "plain", "{}", "X-A: 1\nx-a: 2\n", "x-a: 2\n" },
	{ "plain", "{}", "bad name: 1\n", "!" },
	{ "plain", "{\"type\":\"OAUTH2\",\"access_token\":\"a\\nb\"}", "", "!" },
};

static size_t parse_headers(struct bench *b, const char *text, struct proxy_pair *out)
{
	struct sv rest = sv_str(text);
	size_t n = 0;

	while (rest.len) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		const char *colon = memchr(rest.ptr, ':', rest.len);
		out[n].name = arena_sv(&b->arena, sv_make(rest.ptr, (size_t)(colon - rest.ptr)));
		out[n++].value = arena_sv(&b->arena, sv_make(colon + 2, (size_t)(end - colon - 2)));
		rest = sv_from(rest, (size_t)(end - rest.ptr) + 1);
	}
	return n;
}

static void print_headers(const struct http_headers *h, struct buf *out)
{
	static const char *const always[] = { "accept", "accept-encoding", "user-agent" };

	for (size_t i = 0; i < h->count; i++) {
		bool skip = false;
		for (size_t k = 0; k < ARRAY_LEN(always); k++)
			skip |= sv_eq_str(h->items[i].name, always[k]);
		if (!skip)
			buf_printf(
				out, "%.*s: %.*s\n", SV(h->items[i].name), SV(h->items[i].value));
	}
}

static void builds_headers(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct proxy_pair caller[8] = { 0 };
		struct http_headers h = { 0 };
		struct err err = { 0 };
		struct buf out;
		struct bench b;

		buf_init(&out, 4096);
		buf_str(&out, "");
		bench_init(&b, headers[i].provider, headers[i].credentials);
		struct proxy_request req = { .headers = caller };
		req.header_count = parse_headers(&b, headers[i].caller, caller);
		if (proxy_headers_build(&b.vars, &req, &h, &err) < 0)
			buf_str(&out, "!");
		else
			print_headers(&h, &out);
		if (!sv_eq_str(buf_sv(&out), headers[i].want))
			fail_msg("case %zu: %s (%s)", i, out.ptr, err.msg);
		buf_done(&out);
		bench_done(&b);
	}
}

static void names_itself_unless_the_provider_says_otherwise(void **state UNUSED)
{
	struct proxy_pair caller = P("user-agent", "me");
	struct proxy_request req = { .headers = &caller, .header_count = 1 };
	struct http_headers h;
	struct bench b;

	bench_init(&b, "plain", NULL);
	assert_int_equal(proxy_headers_build(&b.vars, &req, &h, NULL), 0);
	assert_true(sv_eq_str(http_headers_get(&h, "user-agent"), "tidemark/" TIDEMARK_VERSION));
	bench_done(&b);
	bench_init(&b, "headers", NULL);
	assert_int_equal(proxy_headers_build(&b.vars, &req, &h, NULL), 0);
	assert_true(sv_eq_str(http_headers_get(&h, "user-agent"), "acme-agent"));
	bench_done(&b);
}

/* private-api-generic: the integration says where the key goes. */
static void places_the_key_of_generic_providers(void **state UNUSED)
{
	struct proxy_request req = { .endpoint = SV_LIT("/x") };
	struct http_headers h;
	const char *code;
	struct bench b;
	struct sv url;

	bench_init(&b, "generic", NULL);
	b.target.config = parse("{\"baseUrl\":\"https://mine.test/api\",\"keyPlacement\":\"query\","
				"\"keyName\":\"token\"}");
	assert_int_equal(proxy_url_build(&b.vars, &req, &url, &code, NULL), 0);
	assert_true(sv_eq_str(url, "https://mine.test/api/x?token=s3cret%26key"));
	json_unref(b.target.config);
	b.target.config = parse("{\"baseUrl\":\"https://mine.test\",\"keyPlacement\":\"header\","
				"\"keyName\":\"X-Api\",\"valueTemplate\":\"key=${apiKey}\"}");
	assert_int_equal(proxy_headers_build(&b.vars, &req, &h, NULL), 0);
	assert_true(sv_eq_str(http_headers_get(&h, "x-api"), "key=s3cret&key"));
	assert_int_equal(proxy_url_build(&b.vars, &req, &url, &code, NULL), 0);
	assert_true(sv_eq_str(url, "https://mine.test/x"));
	bench_done(&b);
}

static void merges_the_providers_body(void **state UNUSED)
{
	static const struct {
		const char *type, *body, *want;
	} cases[] = {
		{ "application/json", "{\"a\":1}", "{\"a\":1,\"auth\":{\"key\":\"s3cret&key\"}}" },
		{ "application/x-www-form-urlencoded", "a=1", "a=1&auth%5Bkey%5D=s3cret%26key" },
		{ "application/json", "[1]", "[1]" },
		{ "text/plain", "{\"a\":1}", "{\"a\":1}" },
		{ "application/json", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxy_pair type = { SV_LIT("content-type"), sv_str(cases[i].type) };
		struct proxy_request req = {
			.headers = &type, .header_count = 1, .body = sv_str(cases[i].body)
		};
		struct bench b;
		struct sv body;

		bench_init(&b, "body", NULL);
		assert_int_equal(proxy_body_build(&b.vars, &req, &body, NULL), 0);
		if (!sv_eq_str(body, cases[i].want))
			fail_msg("case %zu: %.*s", i, SV(body));
		bench_done(&b);
	}
}

static void hides_secrets(void **state UNUSED)
{
	struct http_header items[] = {
		{ SV_LIT("authorization"), SV_LIT("Bearer whatever") },
		{ SV_LIT("x-key"), SV_LIT("k s3cret&key") },
		{ SV_LIT("x-app"), SV_LIT("app-secret") },
		{ SV_LIT("x-ok"), SV_LIT("fine") },
		{ SV_LIT("set-cookie"), SV_LIT("noise") },
	};
	struct redactor r;
	struct buf out;
	struct bench b;

	buf_init(&out, 1000);
	bench_init(&b, "plain", NULL);
	redactor_init(&r, &b.target, &b.arena);
	struct sv url =
		redact_text(&r, SV_LIT("https://x.test/s3cret&key?k=s3cret%26key&t=API_KEY"));
	assert_true(sv_eq_str(url, "https://x.test/REDACTED?k=REDACTED&t=API_KEY"));
	struct http_headers h = redact_headers(&r, items, ARRAY_LEN(items));
	print_headers(&h, &out);
	assert_string_equal(
		out.ptr, "authorization: REDACTED\nx-key: REDACTED\nx-app: REDACTED\nx-ok: fine\n");
	buf_done(&out);
	bench_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builds_urls),
		cmocka_unit_test(splits_urls),
		cmocka_unit_test(bounds_what_it_looks_through),
		cmocka_unit_test(makes_parameters_canonical),
		cmocka_unit_test(repairs_certificates),
		cmocka_unit_test(wants_a_client_certificate_where_the_provider_does),
		cmocka_unit_test(builds_headers),
		cmocka_unit_test(names_itself_unless_the_provider_says_otherwise),
		cmocka_unit_test(places_the_key_of_generic_providers),
		cmocka_unit_test(merges_the_providers_body),
		cmocka_unit_test(hides_secrets),
	};
	return cmocka_run_group_tests_name("proxy build", tests, set_up, tear_down);
}
