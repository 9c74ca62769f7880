#include "model/provider.h"

#include "base/buf.h"
#include "base/clock.h"
#include "data/json.h"
#include "made_catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static struct providers *parse(const char *text)
{
	struct providers *p = NULL;
	struct err err = { 0 };

	if (providers_parse(sv_str(text), &p, &err) < 0)
		fail_msg("%s", err.msg);
	return p;
}

#define assert_sv(s, text)                                     \
	do {                                                   \
		struct sv got_ = (s);                          \
		assert_non_null(got_.ptr);                     \
		assert_int_equal(got_.len, strlen(text));      \
		assert_memory_equal(got_.ptr, text, got_.len); \
	} while (0)

static void reads_an_entry(void **state UNUSED)
{
	own(providers_close) struct providers *ps =
		parse("acme:\n"
		      "  display_name: Acme\n"
		      "  auth_mode: API_KEY\n"
		      "  proxy:\n"
		      "    base_url: https://${connectionConfig.sub}.acme.test\n"
		      "    headers:\n"
		      "      X-Key: ${apiKey}\n"
		      "      X-Version: 2\n"
		      "    query:\n"
		      "      k: ${apiKey}\n"
		      "    forward_headers_on_redirect: true\n"
		      "    paginate: { type: link }\n"
		      "    retry:\n"
		      "      at: X-Reset\n"
		      "      after: [Retry-After, x-wait]\n"
		      "      remaining: X-Left\n"
		      "      error_code: ['429', 5xx, 418-420]\n"
		      "      in_body:\n"
		      "        path: error.message\n"
		      "        value: '/after (\\d+) s/'\n"
		      "        strategy: after\n");
	const struct provider *p = provider_find(ps, SV_LIT("acme"));

	assert_non_null(p);
	assert_null(provider_find(ps, SV_LIT("acm")));
	assert_sv(p->display_name, "Acme");
	assert_null(provider_find(ps, SV_NULL));
	assert_sv(p->auth_mode, "API_KEY");
	assert_sv(p->base_url, "https://${connectionConfig.sub}.acme.test");
	assert_int_equal(p->headers.count, 2);
	assert_sv(p->headers.items[0].name, "x-key");
	assert_sv(p->headers.items[1].value, "2");
	assert_int_equal(p->query.count, 1);
	assert_true(p->forward_headers_on_redirect);
	assert_non_null(p->paginate);
	assert_sv(p->retry.at.items[0], "x-reset");
	assert_int_equal(p->retry.after.count, 2);
	assert_sv(p->retry.remaining, "x-left");
	assert_int_equal(p->retry.codes.count, 3);
	assert_int_equal(p->retry.codes.items[1].low, 500);
	assert_int_equal(p->retry.codes.items[2].high, 420);
	assert_sv(p->retry.body_pattern, "after (\\d+) s");
	assert_int_equal(p->retry.body_wait, PROVIDER_WAIT_AFTER);
}

static void an_alias_takes_what_it_does_not_say(void **state UNUSED)
{
	own(providers_close) struct providers *ps =
		parse("third: { alias: second }\n"
		      "second:\n  alias: first\n  proxy: { base_url: https://two.test }\n"
		      "first:\n  auth_mode: OAUTH2\n  proxy: { base_url: https://one.test, "
		      "headers: {a: b} }\n");
	const struct provider *p = provider_find(ps, SV_LIT("third"));

	assert_sv(p->auth_mode, "OAUTH2");
	assert_sv(p->display_name, "third"); /* for want of another one */
	assert_sv(p->base_url, "https://two.test");
	assert_int_equal(p->headers.count, 0); /* a block of its own replaces the whole block */
	assert_null(json_member(p->json, SV_LIT("alias")));
}

static void refuses_what_makes_no_sense(void **state UNUSED)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "a: [", "providers.yaml:" },
		{ "- a", "providers.yaml: expected a map of providers" },
		{ "a: text", "providers.yaml:1: provider 'a': expected a map" },
		{ "a: { proxy: {} }", "providers.yaml:1: provider 'a': $.auth_mode" },
		{ "a:\n  auth_mode: 7", "providers.yaml:2: provider 'a': $.auth_mode: expected" },
		{ "\na:\n  alias: b", "providers.yaml:3: provider 'a': $.alias: there is no "
				      "provider 'b'" },
		{ "a: { alias: b }\nb: { alias: a }", "leads back to itself" },
		{ "a: { alias: a }", "there is no provider 'a'" },
		{ "a: { auth_mode: NONE }\nb: {}\na: {}", "providers.yaml:3:1: duplicate key" },
		{ "a: { auth_mode: NONE,\n auth_mode: NONE }",
			"providers.yaml:2:2: duplicate key" },
		{ "a: { auth_mode: NONE, proxy: text }", "$.proxy: expected object, got string" },
		{ "a:\n  auth_mode: NONE\n  proxy:\n    paginate: link",
			"yaml:4: provider 'a': $.proxy.paginate: expected object" },
		{ "a: { auth_mode: NONE, proxy: { headers: { x: [1] } } }", "$.proxy.headers.x" },
		{ "a: { auth_mode: NONE, proxy: { retry: { error_code: often } } }", "'often'" },
		{ "a:\n  auth_mode: NONE\n  proxy:\n    base_url: 'https://${sub.test'",
			"yaml:4: provider 'a': $.proxy.base_url: a '${' is not closed" },
		{ "a: { auth_mode: NONE, token_url: 'https://${ }.test' }",
			"$.token_url: '${}' names nothing" },
		{ "a: { auth_mode: NONE, proxy: { headers: { x-a: '${b${c}' } } }",
			"$.proxy.headers.x-a: a '${' is not closed" },
		{ "a: { auth_mode: NONE, proxy: { query: { q: '${' } } }", "$.proxy.query.q: a" },
		{ "a: { auth_mode: NONE, proxy: { body: { k: { l: '${' } } } }",
			"$.proxy.body.k.l: a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct providers *p = NULL;
		struct err err = { 0 };
		assert_int_equal(providers_parse(sv_str(cases[i].text), &p, &err), ERR_INVALID);
		if (!strstr(err.msg, cases[i].error))
			fail_msg("case %zu: %s", i, err.msg);
	}
}

static const char *temp_file(const char *text)
{
	static char path[] = "providers_test.yaml.tmp";
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static void files_lie_over_the_built_in_catalogue(void **state UNUSED)
{
	struct err err = { 0 };
	struct providers *ps = NULL;
	const char *path =
		temp_file("github:\n  alias: github\n  proxy: { base_url: https://ghe.test }\n"
			  "mine:\n  auth_mode: NONE\n");

	if (providers_open(&path, 1, &ps, &err) < 0)
		fail_msg("%s", err.msg);
	unlink(path);
	const struct provider *p = provider_find(ps, SV_LIT("github"));
	assert_sv(p->auth_mode, "OAUTH2");
	assert_sv(p->base_url, "https://ghe.test");
	assert_non_null(provider_find(ps, SV_LIT("mine")));
	assert_non_null(provider_find(ps, SV_LIT("unauthenticated")));

	own(json_unref) struct json_t *all = providers_json(ps);
	size_t count;
	provider_list(ps, &count);
	assert_int_equal(json_len(all), count);
	own(json_unref) struct json_t *one = provider_json(p);
	assert_sv(json_sv(json_member(one, SV_LIT("name"))), "github");
	providers_close(ps);
}

/* As large as the public catalogue, and of its schema: fields that nothing reads, aliases. */
static void reads_a_catalogue_of_the_public_size(void **state UNUSED)
{
	own_in(buf_done) struct buf b = { 0 };
	size_t count, aliases = 0;

	catalogue_make(&b);
	int64_t start = clock_cpu_us();
	own(providers_close) struct providers *ps = parse(b.ptr);
	int64_t took = clock_cpu_us() - start;
	const struct provider *all = provider_list(ps, &count);
	assert_int_equal(count, CATALOGUE_ENTRIES);
	for (size_t i = 0; i < count; i++) {
		assert_true(all[i].base_url.len > 0 && all[i].auth_mode.len > 0);
		aliases += sv_starts(all[i].display_name, SV_LIT("Other name"));
	}
	assert_int_equal(aliases, CATALOGUE_ALIASES);
	print_message("%zu bytes in %d ms\n", b.len, (int)(took / 1000));
	assert_in_range(took, 0, 1000000); /* 100 ms is the aim; sanitizers and busy machines */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_an_entry),
		cmocka_unit_test(an_alias_takes_what_it_does_not_say),
		cmocka_unit_test(refuses_what_makes_no_sense),
		cmocka_unit_test(files_lie_over_the_built_in_catalogue),
		cmocka_unit_test(reads_a_catalogue_of_the_public_size),
	};
	return cmocka_run_group_tests_name("provider", tests, NULL, NULL);
}
