#include "base/clock.h"
#include "data/enc.h"
#include "records/cursor.h"
#include "records/records_test.h"

static struct cursor_space space(void)
{
	return cursor_space(7, SV_LIT("Contact"));
}

static struct sv written(struct store *s, int64_t stamp, const char *id)
{
	struct iso_writer iso = { 0 };
	struct buf out;

	buf_init(&out, CURSOR_TEXT_MAX);
	cursor_write(space(), &iso, stamp, sv_str(id), &out);
	assert_true(buf_ok(&out));
	struct sv text = arena_sv(&s->arena, buf_sv(&out));
	buf_done(&out);
	return text;
}

static struct sv base64(struct store *s, const char *plain)
{
	struct buf out;

	buf_init(&out, 1000);
	enc_base64(&out, sv_str(plain));
	struct sv text = arena_sv(&s->arena, buf_sv(&out));
	buf_done(&out);
	return text;
}

/* The uuid of this dataset, as a cursor carries it. */
static const char *uuid(struct store *s)
{
	struct buf plain;

	buf_init(&plain, 1000);
	enc_unbase64(&plain, written(s, 1000000, "x"));
	const char *text = arena_str(&s->arena, sv_from(buf_sv(&plain), 27));
	buf_done(&plain);
	return text;
}

static void test_iso_like_the_clock(void **state)
{
	static const int64_t us[] = { 0, 1, 100000, 887620, 1000000, 1790459409651651,
		1790459409651650, 1790459409000000, 1790467199999999, 1790467200000000, -1,
		-1500000, 253402300799999999 };
	struct iso_writer w = { 0 };
	char fast[ISO_TEXT_MAX], slow[CLOCK_ISO_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(us); i++) {
		size_t n = iso_write(&w, us[i], fast);
		clock_iso_us(us[i], slow);
		assert_int_equal(n, strlen(slow));
		assert_memory_equal(fast, slow, n);
	}
}

static void test_fraction_is_trimmed(void **state)
{
	struct iso_writer w = { 0 };
	char text[ISO_TEXT_MAX];
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 100000, "1970-01-01T00:00:00.1+00:00" },
		{ 0, "1970-01-01T00:00:00+00:00" },
		{ 1, "1970-01-01T00:00:00.000001+00:00" },
		{ 887620, "1970-01-01T00:00:00.88762+00:00" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = iso_write(&w, cases[i].us, text);
		assert_int_equal(n, strlen(cases[i].text));
		assert_memory_equal(text, cases[i].text, n);
	}
}

static void test_round_trip(void **state)
{
	struct store s = { 0 };
	struct err err;
	int64_t stamp;

	(void)state;
	for (int64_t us = 1790459409651651; us > 1; us /= 7) {
		struct sv text = written(&s, us, "some id");
		assert_int_equal(text.len % 4, 0);
		assert_true(text.len <= CURSOR_TEXT_MAX);
		assert_int_equal(cursor_read(space(), text, &stamp, &err), 0);
		assert_int_equal(stamp, us);
	}
	arena_done(&s.arena);
}

static void expect(struct store *s, const char *time, int64_t want)
{
	struct err err;
	int64_t stamp = -1;
	const char *plain = arena_printf(&s->arena, "%s||%s", time, uuid(s));

	int rc = cursor_read(space(), base64(s, plain), &stamp, &err);
	if (want < 0)
		assert_int_equal(rc, ERR_INVALID);
	else
		assert_int_equal(stamp, want);
}

static void test_forms_of_time(void **state)
{
	struct store s = { 0 };

	(void)state;
	expect(&s, "2026-11-23T21:50:09.651651+00:00", 1795470609651651);
	expect(&s, "2026-11-23T21:50:09.651Z", 1795470609651000);
	expect(&s, "2026-11-23T16:50:09.651651-05:00", 1795470609651651);
	expect(&s, "2026-11-23T23:50+02:00", 1795470600000000);
	expect(&s, "2026-11-23", -1);
	expect(&s, "yesterday", -1);
	expect(&s, "", -1);
	arena_done(&s.arena);
}

static void refuse(struct sv text)
{
	struct err err;
	int64_t stamp;

	assert_int_equal(cursor_read(space(), text, &stamp, &err), ERR_INVALID);
	assert_string_equal(err.msg, "Invalid cursor");
}

static void test_broken(void **state)
{
	struct store s = { 0 };
	const char *time = "2026-11-23T21:50:09Z";

	(void)state;
	refuse(SV_LIT(""));
	refuse(SV_LIT("x"));
	refuse(SV_LIT("not a cursor"));
	refuse(base64(&s, arena_printf(&s.arena, "%s||not-a-uuid", time)));
	refuse(base64(&s, arena_printf(&s.arena, "%s|%s", time, uuid(&s))));
	refuse(base64(&s, arena_printf(&s.arena, "%s||%s||%s", time, uuid(&s), uuid(&s))));
	refuse(base64(
		&s, arena_printf(&s.arena, "%s||00000000-0000-0000-0000-000000000000", time)));
	arena_done(&s.arena);
}

static void test_foreign(void **state)
{
	struct store s = { 0 };
	struct sv text = written(&s, 1790459409651651, "x");
	struct err err;
	int64_t stamp;

	(void)state;
	assert_int_equal(
		cursor_read(cursor_space(8, SV_LIT("Contact")), text, &stamp, &err), ERR_INVALID);
	assert_int_equal(cursor_read(cursor_space(7, SV_LIT("Contact::v")), text, &stamp, &err),
		ERR_INVALID);
	arena_done(&s.arena);
}

/* Those that an app brings from elsewhere are positions. */
static void test_of_another_system(void **state)
{
	struct store s = { 0 };
	struct sv text = base64(
		&s, "2026-11-23T16:50:09.651651-05:00||d1c2b8f4-6a55-5c1e-9f0e-0a9b7c6d5e4f");
	struct err err;
	int64_t stamp;

	(void)state;
	assert_int_equal(cursor_read(space(), text, &stamp, &err), 0);
	assert_int_equal(stamp, INT64_C(1795470609651651));
	arena_done(&s.arena);
}

/* URL alphabet, no padding, junk: as Node decodes. */
static void test_lenient_base64(void **state)
{
	struct store s = { 0 };
	struct sv text = written(&s, 1790459409651651, "x");
	char *loose = arena_printf(&s.arena, " %.20s\n%s", text.ptr, text.ptr + 20);
	struct err err;
	int64_t stamp;

	(void)state;
	assert_int_equal(cursor_read(space(), sv_str(loose), &stamp, &err), 0);
	while (loose[strlen(loose) - 1] == '=')
		loose[strlen(loose) - 1] = 0;
	assert_int_equal(cursor_read(space(), sv_str(loose), &stamp, &err), 0);
	assert_int_equal(stamp, 1790459409651651);
	arena_done(&s.arena);
}

int cursor_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iso_like_the_clock),
		cmocka_unit_test(test_fraction_is_trimmed),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_forms_of_time),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_of_another_system),
		cmocka_unit_test(test_lenient_base64),
	};
	return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
