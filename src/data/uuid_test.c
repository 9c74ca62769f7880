#include "data/uuid.h"

#include "data/data_test.h"

static void names_hash_as_the_rfc_says(void **state UNUSED)
{
	struct uuid dns;
	char text[UUID_TEXT_SIZE];

	assert_true(uuid_parse(SV_LIT("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), &dns));
	assert_string_equal(uuid_format(uuid_v5(dns, SV_LIT("www.example.com")), text),
		"2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

static void fresh_ones_are_valid_and_differ(void **state UNUSED)
{
	char a[UUID_TEXT_SIZE], b[UUID_TEXT_SIZE];

	uuid_format(uuid_v4(), a);
	uuid_format(uuid_v4(), b);
	assert_string_not_equal(a, b);
	assert_int_equal(a[14], '4');
	assert_true(uuid_is_valid(sv_str(a)));
	uuid_format(uuid_v7(0x0123456789AB), a);
	assert_memory_equal(a, "01234567-89ab-7", 15);
	assert_true(uuid_is_valid(sv_str(a)));
}

static void refuses_what_is_none(void **state UNUSED)
{
	static const char *const good[] = {
		"00000000-0000-0000-0000-000000000000",
		"6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
	};
	static const char *const bad[] = {
		"",
		"6ba7b8109dad11d180b400c04fd430c8",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c",
		"6ba7b810-9dad-91d1-80b4-00c04fd430c8",
		"6ba7b810-9dad-11d1-c0b4-00c04fd430c8",
		"6ba7b810-9dad-11d1-80b4-00c04fd430cg",
		"6ba7b810-9dad-11d1-80b4000c04fd430c8",
		"ffffffff-ffff-ffff-ffff-ffffffffffff",
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(uuid_is_valid(sv_str(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(uuid_is_valid(sv_str(bad[i])));
}

int uuid_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_hash_as_the_rfc_says),
		cmocka_unit_test(fresh_ones_are_valid_and_differ),
		cmocka_unit_test(refuses_what_is_none),
	};
	return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
