#include "data/formats.h"

#include "data/data_test.h"

static const struct {
	const char *format, *text;
	bool valid;
} cases[] = {
	{ "date-time", "2024-02-29T12:00:00Z", true },
	{ "date-time", "2024-02-29T12:00:00.123456+02:00", true },
	{ "date-time", "2024-02-30T12:00:00Z", false },
	{ "date-time", "2024-02-29T12:00Z", false },
	{ "date-time", "2024-02-29 12:00:00Z", false },
	{ "date-time", "2024-02-29T12:00:00", false },
	{ "date-time", "", false },
	{ "date", "2024-02-29", true },
	{ "date", "2023-02-29", false },
	{ "date", "2024-2-9", false },
	{ "time", "12:30:00", true },
	{ "time", "12:30:00.5Z", true },
	{ "time", "12:30:00+02:00", true },
	{ "time", "25:30:00", false },
	{ "time", "12:30", false },
	{ "email", "a.b+c@example.co.uk", true },
	{ "email", "a@b", false },
	{ "email", "@example.com", false },
	{ "email", "a b@example.com", false },
	{ "email", "a..b@example.com", false },
	{ "email", "a@-x.com", false },
	{ "uri", "https://a.b/c?d=e#f", true },
	{ "uri", "mailto:x@y.z", true },
	{ "uri", "/relative", false },
	{ "uri", "http://a b", false },
	{ "uri", "x:", false },
	{ "uuid", "6BA7B810-9dad-11d1-80b4-00c04fd430c8", true },
	{ "uuid", "6BA7B8109dad11d180b400c04fd430c8", false },
	{ "ipv4", "1.2.3.255", true },
	{ "ipv4", "1.2.3.256", false },
	{ "ipv4", "1.2.3", false },
	{ "ipv4", "01.2.3.4", false },
};

static void formats_are_told_apart(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (format_find(sv_str(cases[i].format))(sv_str(cases[i].text)) != cases[i].valid)
			fail_msg("%s %s", cases[i].format, cases[i].text);
	assert_null(format_find(SV_LIT("color")));
}

int formats_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_told_apart),
	};
	return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
