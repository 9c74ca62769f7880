#include "data/tmpl.h"

#include "data/data_test.h"
#include "data/datefmt.h"
#include "data/json.h"

static char scratch[32];

static int find(void *ctx, struct sv name, struct sv *ret)
{
	return tmpl_lookup_json(ctx, name, scratch, ret);
}

/* "fn<a|b>" shows what a function was given. */
static int call(void *ctx UNUSED, struct sv fn, const struct sv *args, size_t n, struct buf *out,
	struct err *err)
{
	if (sv_eq_str(fn, "unknown"))
		return 0;
	if (sv_eq_str(fn, "fails"))
		return err_set(err, ERR_INVALID, "fails failed");
	buf_printf(out, "%.*s<", SV(fn));
	for (size_t i = 0; i < n; i++) {
		buf_str(out, i ? "|" : "");
		buf_sv_add(out, args[i]);
	}
	buf_char(out, '>');
	return 1;
}

static const char values[] =
	"{\"apiKey\":\"k1\",\"user\":\"u\",\"pass\":\"a,b)}${apiKey}\",\"n\":42,"
	"\"flat.key\":\"f\",\"empty\":\"\",\"which\":\"user\","
	"\"connectionConfig\":{\"sub\":\"acme\",\"obj\":{},\"on\":true}}";

static const struct {
	const char *text, *result;
	bool resolved;
} cases[] = {
	{ "plain || text", "plain || text", true },
	{ "", "", true },
	{ "${apiKey}", "k1", true },
	{ " a ${ apiKey } b ", " a k1 b ", true },
	{ "x${n}y${flat.key}", "x42yf", true },
	{ "${empty}", "", true },
	{ "https://${connectionConfig.sub}.x.com/", "https://acme.x.com/", true },
	{ "${connectionConfig.obj} ${connectionConfig.on} ${none}",
		"${connectionConfig.obj} ${connectionConfig.on} ${none}", false },
	{ "${none}-${apiKey}", "${none}-k1", false },
	{ "${none} || https://b", "https://b", true },
	{ "${none} || ${alsonone}", "${alsonone}", false },
	{ "${apiKey} || ${none}", "k1", true },
	{ "${none}||${n} || c", "42", true },
	{ "${pass}", "a,b)}${apiKey}", true },
	{ "Basic ${base64(${user}:${apiKey})}", "Basic dTprMQ==", true },
	{ "Basic ${base64(${user}:${none})}", "Basic ${base64(${user}:${none})}", false },
	{ "Basic base64(${user}:${apiKey})", "Basic dTprMQ==", true },
	{ "${base64(apiKey)}", "azE=", true },
	{ "${base64(x)} ${n}", "eA== 42", true },
	{ "${base64(${pass})}", "YSxiKX0ke2FwaUtleX0=", true },
	{ "${sha256Hex(${n})}", "sha256Hex<42>", true },
	{ "${hmacSha1Hex(${user},x,${pass}, ${apiKey})}", "hmacSha1Hex<u,x,a,b)}${apiKey}|k1>",
		true },
	{ "${awsSigV4(${user}, b ,c(1,2),us)}", "awsSigV4<u|b|c(1,2)|us>", true },
	{ "${base64(${sha256Hex(${n})})}", "c2hhMjU2SGV4PDQyPg==", true },
	{ "${base64(sha256Hex(${n}))}", "c2hhMjU2SGV4PDQyPg==", true },
	{ "${unknown(${n})}", "${unknown(${n})}", false },
	{ "${${which}}", "u", true },
	{ "${${none}}", "${${none}}", false },
	{ "${random}", "RND", true },
	{ "${now}", "2026-01-31T13:05:09.007Z", true },
	{ "${now:YYYY-MM-DD HH:mm:ss.SSS}", "2026-01-31 13:05:09.007", true },
	{ "${now:X} ${now:x}", "1769864709 1769864709007", true },
	{ "${now:YYYY-MM-DDTHH:mm:ss[Z]}", "2026-01-31T13:05:09Z", true },
	{ "${now+1:month:YYYY-MM-DD}", "2026-02-28", true },
	{ "${now-1:d:D/M/YY}", "30/1/26", true },
	{ "${now+2:h}", "2026-01-31T15:05:09.007Z", true },
	{ "${now+2:eons:X}", "${now+2:eons:X}", false },
	{ "${nowhere}", "${nowhere}", false },
	{ "${apiKey", "${apiKey", true },
	{ "$apiKey}", "$apiKey}", true },
	{ "${}", "${}", false },
};

static void evaluates(void **state UNUSED)
{
	own(json_unref) struct json_t *root = NULL;

	assert_int_equal(json_parse(sv_str(values), &root, NULL), 0);
	const struct tmpl_env env = { .ctx = root,
		.lookup = find,
		.call = call,
		.now_ms = 1769864709007,
		.random = SV_LIT("RND") };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own_in(buf_done) struct buf b = { 0 };
		bool resolved = false;
		struct err err = { 0 };
		buf_init(&b, 200);
		if (tmpl_eval(sv_str(cases[i].text), &env, &b, &resolved, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.msg);
		if (!sv_eq_str(buf_sv(&b), cases[i].result) || resolved != cases[i].resolved)
			fail_msg("%s gave '%s' (%d)", cases[i].text, b.ptr, resolved);
	}
}

static void is_bounded(void **state UNUSED)
{
	own(json_unref) struct json_t *root = NULL;
	own_in(buf_done) struct buf b = { 0 };
	struct err err;

	assert_int_equal(json_parse(sv_str(values), &root, NULL), 0);
	const struct tmpl_env env = { .ctx = root, .lookup = find, .call = call };
	buf_init(&b, 10);
	assert_int_equal(tmpl_eval(SV_LIT("${pass}"), &env, &b, NULL, &err), ERR_LIMIT);
	buf_done(&b);
	buf_init(&b, 1000);
	assert_int_equal(tmpl_eval(SV_LIT("${${${${${${${${${${x}}}}}}}}}}"), &env, &b, NULL, &err),
		ERR_LIMIT);
	assert_int_equal(tmpl_eval(SV_LIT("${fails()}"), &env, &b, NULL, &err), ERR_INVALID);
	assert_string_equal(err.msg, "fails failed");
	assert_int_equal(b.len, 0);
}

static void dates_are_formatted(void **state UNUSED)
{
	static const struct {
		int64_t ms;
		const char *format, *text;
	} dates[] = {
		{ 0, "dddd ddd dd d D DD", "Thursday Thu Th 4 1 01" },
		{ 0, "MMMM MMM MM M YY YYYY", "January Jan 01 1 70 1970" },
		{ 0, "h hh H HH A a Z ZZ", "12 12 0 00 AM am +00:00 +0000" },
		{ -1, "YYYY-MM-DD HH:mm:ss.SSS X", "1969-12-31 23:59:59.999 -1" },
		{ 46800000, "h A [at] S [open", "1 PM at S [open" },
	};
	int64_t ms;

	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		own_in(buf_done) struct buf b = { 0 };
		buf_init(&b, 200);
		datefmt(&b, dates[i].ms, sv_str(dates[i].format));
		assert_sv(buf_sv(&b), dates[i].text);
	}
	assert_true(datefmt_shift(0, -1, SV_LIT("year"), &ms));
	assert_int_equal(ms, -INT64_C(31536000000));
	assert_false(datefmt_shift(0, INT64_MAX, SV_LIT("y"), &ms));
	assert_false(datefmt_shift(0, INT64_MAX, SV_LIT("d"), &ms));
	assert_false(datefmt_shift(0, 1, SV_LIT("decade"), &ms));
}

static void finds_what_cannot_be_meant(void **state UNUSED)
{
	static const char *const good[] = { "", "$", "{}", "${a}", "${a.b}-${c} || d",
		"${base64(${a}:${b})}", "${now:YYYY}" };
	static const char *const bad[] = { "${", "${a", "x${}y", "${ }", "${a${b}", "${a}${" };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (tmpl_check(sv_str(good[i]), &err) < 0)
			fail_msg("%s: %s", good[i], err.msg);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (tmpl_check(sv_str(bad[i]), &err) != ERR_INVALID)
			fail_msg("%s", bad[i]);
}

int tmpl_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evaluates),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(dates_are_formatted),
		cmocka_unit_test(finds_what_cannot_be_meant),
	};
	return cmocka_run_group_tests_name("tmpl", tests, NULL, NULL);
}
