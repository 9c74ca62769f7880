#include "data/freq.h"

#include "data/data_test.h"

static const struct {
	const char *text;
	int64_t ms; /* -1: refused */
	const char *normal;
} cases[] = {
	{ "every 30 seconds", 30000, "30 seconds" },
	{ "every 30s", 30000, "30s" },
	{ "30s", 30000, "30s" },
	{ "every 2 days", 172800000, "2 days" },
	{ "2 hrs", 7200000, "2 hrs" },
	{ "every 5m", 300000, "5m" },
	{ "every half hour", 1800000, "30m" },
	{ "half hour", 1800000, "30m" },
	{ "every half day", 43200000, "12h" },
	{ "every quarter hour", 900000, "15m" },
	{ "every month", 2592000000, "30d" },
	{ "every week", 604800000, "1w" },
	{ "every hour", 3600000, "1h" },
	{ "every day", 86400000, "1d" },
	{ "every minute", 60000, "1m" },
	{ "every second", 1000, "1s" },
	{ "hour", 3600000, "1h" },
	{ "every 0 s", 0, "0 s" },
	{ "every 1.5 hours", -1, NULL },
	{ "every 2 weeks", -1, NULL },
	{ "every 1w", -1, NULL },
	{ "every 5 Min", -1, NULL },
	{ "every  5 min", -1, NULL },
	{ "every 5  min", -1, NULL },
	{ "every 2 months", -1, NULL },
	{ "every year", -1, NULL },
	{ "1h 30m", -1, NULL },
	{ "Every 5 min", -1, NULL },
	{ "every", -1, NULL },
	{ "every ", -1, NULL },
	{ "", -1, NULL },
	{ "5", -1, NULL },
	{ "-5m", -1, NULL },
	{ "9999999999 days", -1, NULL },
	{ "5 half hour", -1, NULL },
};

static void reads_the_grammar(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct freq f = { 0 };
		struct err err;
		int rc = freq_parse(sv_str(cases[i].text), &f, &err);
		if (cases[i].ms < 0) {
			assert_int_equal(rc, ERR_INVALID);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(f.ms, cases[i].ms);
		assert_string_equal(f.text, cases[i].normal);
	}
}

int freq_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_grammar),
	};
	return cmocka_run_group_tests_name("freq", tests, NULL, NULL);
}
