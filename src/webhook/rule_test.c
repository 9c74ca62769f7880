#include "webhook/rule.h"

#include "data/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct json_t *parse(const char *text)
{
	struct json_t *v = NULL;

	if (json_parse(sv_str(text), &v, NULL) < 0)
		fail_msg("%s", text);
	return v;
}

/* whom: the identifier, "*" = all connections, "-" = none. config and metadata: of a connection
 * called c1 that is meant or not. */
static const struct {
	const char *provider, *headers, *event, *whom, *type, *header_type;
	const char *config, *metadata;
	bool meant;
} cases[] = {
	{ "unauthenticated", "{}", "{\"connectionId\":\"c1\",\"type\":\"t\"}", "c1", "t", NULL,
		"{}", "{}", true },
	{ "unauthenticated", "{}", "{\"connectionId\":\"c2\"}", "c2", NULL, NULL, "{}", "{}",
		false },
	{ "whoever", "{\"x-event-type\":\"h\"}", "{\"type\":7}", "*", NULL, "h" },
	{ "slack", "{}", "{\"team_id\":\"T1\",\"type\":\"event_callback\"}", "T1", "event_callback",
		NULL, "{\"team.id\":\"T1\"}", "{}", true },
	{ "slack", "{}", "{\"team\":{\"id\":\"T2\"}}", "T2", NULL, NULL, "{\"team.id\":\"T1\"}",
		"{}", false },
	{ "slack", "{}", "{}", "-" },
	{ "github-app", "{\"x-github-event\":\"issues\"}",
		"{\"installation\":{\"id\":42},\"action\":\"opened\"}", "42", "opened", "issues",
		"{\"installation_id\":\"42\"}", "{}", true },
	{ "github-app", "{}", "{\"installation\":{\"id\":42}}", "42", NULL, NULL,
		"{\"installation_id\":42}", "{}", true },
	{ "github", "{\"x-github-event\":\"push\"}", "{}", "*", NULL, "push" },
	{ "airtable", "{}", "{\"webhook\":{\"id\":\"w1\"}}", "w1", NULL, NULL, "{}",
		"{\"webhooks\":{\"w1\":{\"cursor\":1}}}", true },
	{ "airtable", "{}", "{\"webhook\":{\"id\":\"w1\"}}", "w1", NULL, NULL, "{}",
		"{\"webhooks\":[\"w0\",\"w1\"]}", true },
	{ "airtable", "{}", "{\"webhook\":{\"id\":\"w1\"}}", "w1", NULL, NULL, "{}",
		"{\"webhooks\":\"w2\"}", false },
	{ "google-drive", "{\"x-goog-resource-id\":\"r1\",\"x-goog-resource-state\":\"change\"}",
		"\"\"", "r1", NULL, "change", "{}", "{\"googleDriveWatchResourceIds\":[\"r1\"]}",
		true },
	{ "jira", "{}",
		"{\"webhookEvent\":\"jira:issue_updated\",\"issue\":{\"self\":"
		"\"https://acme.atlassian.net/rest/api/2/issue/1\"}}",
		"https://acme.atlassian.net", "jira:issue_updated", NULL,
		"{\"baseUrl\":\"https://acme.atlassian.net\"}", "{}", true },
	{ "jira-basic", "{}", "{\"user\":{\"self\":\"https://acme.atlassian.net/rest/x\"}}", "acme",
		NULL, NULL, "{\"subdomain\":\"acme\"}", "{}", true },
	{ "shopify",
		"{\"x-shopify-shop-domain\":\"acme.myshopify.com\",\"x-shopify-topic\":\"orders/"
		"create\"}",
		"{}", "acme", NULL, "orders/create", "{\"subdomain\":\"acme\"}", "{}", true },
	{ "shopify", "{}", "{}", "-" },
	{ "salesforce", "{}", "{\"nango\":{\"connectionId\":\"c1\",\"eventType\":\"e\"}}", "c1",
		"e", NULL, "{}", "{}", true },
	{ "linear", "{}", "{\"organizationId\":\"o\",\"type\":\"Issue\"}", "o", "Issue", NULL, NULL,
		NULL, false },
};

static void identifies_by_rule(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct rule *rule = rule_of(sv_str(cases[i].provider));
		own(json_unref) struct json_t *headers = parse(cases[i].headers);
		own(json_unref) struct json_t *event = parse(cases[i].event);
		own(json_unref) struct json_t *config =
			cases[i].config ? parse(cases[i].config) : NULL;
		own(json_unref) struct json_t *metadata =
			cases[i].metadata ? parse(cases[i].metadata) : NULL;
		const struct rule_connection conn = { SV_LIT("c1"), config, metadata };
		struct sv id = SV_NULL, type, header;
		struct arena a = { 0 };

		int rc = rule_whom(rule, headers, event, &a, &id);
		struct sv got = rc > 0 ? id : rc == 0 ? SV_LIT("*") : SV_LIT("-");
		rule_types(rule, headers, event, &type, &header);
		if (!sv_eq_str(got, cases[i].whom) || !sv_eq_str(type, cases[i].type) ||
			!sv_eq_str(header, cases[i].header_type))
			fail_msg("case %zu: %.*s %.*s %.*s", i, SV(got), SV(type), SV(header));
		if (rc > 0)
			assert_int_equal(rule_matches(rule, &conn, id, &a), cases[i].meant);
		arena_done(&a);
	}
}

static void splits_lists_of_events(void **state UNUSED)
{
	static const struct {
		const char *provider, *body;
		size_t count;
	} lists[] = {
		{ "hubspot", "[{\"portalId\":1},{\"portalId\":2}]", 2 },
		{ "hubspot", "{\"portalId\":1}", 1 },
		{ "xero", "{\"events\":[{},{},{}]}", 3 },
		{ "xero", "{\"events\":[]}", 0 },
		{ "xero", "{}", 1 },
		{ "unauthenticated", "[1,2]", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct rule *rule = rule_of(sv_str(lists[i].provider));
		own(json_unref) struct json_t *body = parse(lists[i].body);
		assert_int_equal(rule_event_count(rule, body), lists[i].count);
		for (size_t k = 0; k < lists[i].count; k++)
			assert_non_null(rule_event(rule, body, k));
	}
}

static void reads_bodies(void **state UNUSED)
{
	static const struct {
		const char *type, *body, *want;
	} bodies[] = {
		{ "application/json", "{\"a\": 1}", "{\"a\":1}" },
		{ "", "[1]", "[1]" },
		{ "text/plain", "hello", "\"hello\"" },
		{ "application/json", "{", "\"{\"" },
		{ "application/json", "", "\"\"" },
		{ "application/x-www-form-urlencoded", "a=1&b[c]=2",
			"{\"a\":\"1\",\"b\":{\"c\":\"2\"}}" },
		{ "application/x-www-form-urlencoded; charset=utf-8",
			"payload=%7B%22type%22%3A%22x%22%7D", "{\"type\":\"x\"}" },
		{ "application/x-www-form-urlencoded", "payload=no", "{\"payload\":\"no\"}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		own(json_unref) struct json_t *body =
			rule_body(sv_str(bodies[i].body), sv_str(bodies[i].type));
		struct buf b;
		buf_init(&b, 1000);
		json_dump_compact(body, &b);
		assert_string_equal(b.ptr, bodies[i].want);
		buf_done(&b);
	}
}

static void matches_subscriptions(void **state UNUSED)
{
	static const struct {
		const char *list, *type, *header;
		bool subscribed;
	} subs[] = {
		{ "[\"a\"]", "a", NULL, true },
		{ "[\"a\"]", "A", NULL, false },
		{ "[\"a\"]", "ab", NULL, false },
		{ "[\"a\"]", NULL, "a", true },
		{ "[\"a\"]", NULL, NULL, false },
		{ "[\"*\"]", NULL, NULL, true },
		{ "[\"x\",\"*\"]", "a", NULL, true },
		{ "[]", "a", "a", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
		own(json_unref) struct json_t *list = parse(subs[i].list);
		assert_int_equal(
			rule_subscribed(list, sv_str(subs[i].type), sv_str(subs[i].header)),
			subs[i].subscribed);
	}
}

static void answers_greetings(void **state UNUSED)
{
	static const struct {
		const char *provider, *body, *query;
		bool hello;
		const char *answer;
	} hellos[] = {
		{ "slack", "{\"type\":\"url_verification\",\"challenge\":\"a\\\"b\"}", NULL, true,
			"{\"challenge\":\"a\\\"b\"}" },
		{ "slack", "{\"type\":\"event_callback\",\"challenge\":\"x\"}", NULL, false, NULL },
		{ "slack", "{\"type\":\"url_verification\"}", NULL, false, NULL },
		{ "microsoft-oauth2-cc", "\"\"", "validationToken=a%20b", true, "a b" },
		{ "microsoft-oauth2-cc", "\"\"", NULL, false, NULL },
		{ "notion", "{\"verification_token\":\"t\"}", NULL, true, NULL },
		{ "github", "{\"type\":\"url_verification\",\"challenge\":\"x\"}", NULL, false,
			NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(hellos); i++) {
		own(json_unref) struct json_t *body = parse(hellos[i].body);
		struct rule_hello hello;
		struct arena a = { 0 };
		bool got = rule_hello(rule_of(sv_str(hellos[i].provider)), body,
			sv_str(hellos[i].query), &a, &hello);
		if (got != hellos[i].hello)
			fail_msg("case %zu", i);
		if (got)
			assert_true(sv_eq_str(hello.body, hellos[i].answer));
		arena_done(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identifies_by_rule),
		cmocka_unit_test(splits_lists_of_events),
		cmocka_unit_test(reads_bodies),
		cmocka_unit_test(matches_subscriptions),
		cmocka_unit_test(answers_greetings),
	};
	return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
