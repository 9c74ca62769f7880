#include "records/payload.h"

#include "records/records_test.h"

static struct buf json, room, opened, spare;

static void init(size_t max)
{
	buf_init(&json, 1 << 24);
	buf_init(&room, 1 << 24);
	buf_init(&opened, 1 << 24);
	buf_init(&spare, max);
}

static void done(void)
{
	buf_done(&json);
	buf_done(&room);
	buf_done(&opened);
	buf_done(&spare);
}

static void make_json(size_t len, bool random)
{
	uint64_t x = 88172645463325252u;

	buf_clear(&json);
	buf_str(&json, "{\"id\":\"1\",\"text\":\"");
	while (json.len + 13 < len || (random && json.len + 2 < len)) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (random)
			buf_char(&json, (char)('#' + x % 57));
		else
			buf_str(&json, x % 2 ? "some words " : "and others ");
	}
	buf_str(&json, "\"}");
}

static int unpack(struct sv bytes, struct err *err)
{
	buf_clear(&opened);
	buf_sv_add(&opened, bytes);
	return payload_unpack(&opened, &spare, err);
}

static void test_packs_where_it_pays(void **state)
{
	static const size_t sizes[] = { 20, 500, 600, 4096, 100000, 1 << 22 };
	struct err err;

	(void)state;
	init(1 << 24);
	for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
		size_t len = sizes[i / 2];
		bool random = i % 2;
		make_json(len, random);
		struct sv packed = payload_pack(buf_sv(&json), &room);
		if (json.len < 512 || random)
			assert_ptr_equal(packed.ptr, json.ptr);
		else
			assert_true(packed.len < len / 2);
		assert_int_equal(unpack(packed, &err), 0);
		assert_true(sv_eq(buf_sv(&opened), buf_sv(&json)));
	}
	done();
}

/* Bytes that no seal of ours contains: an error, never more memory than the limit. */
static void test_damaged_bytes(void **state)
{
	struct err err;

	(void)state;
	init(1 << 24);
	make_json(4096, false);
	struct sv packed = payload_pack(buf_sv(&json), &room);
	char *bytes = mem_svdup(packed);
	for (size_t n = 1; n < packed.len; n += 7)
		assert_int_equal(unpack(sv_make(bytes, n), &err), ERR_INTERNAL);
	for (int i = 1; i <= 4; i++) { /* another length */
		bytes[i] ^= 1;
		assert_true(unpack(sv_make(bytes, packed.len), &err) < 0);
		bytes[i] ^= 1;
	}
	bytes[4] = (char)0xff; /* 4 GB */
	assert_int_equal(unpack(sv_make(bytes, packed.len), &err), ERR_INTERNAL);
	mem_free(bytes);
	done();
}

static void test_too_large_for_the_reader(void **state)
{
	struct err err;

	(void)state;
	init(4000);
	make_json(4096, false);
	assert_int_equal(unpack(payload_pack(buf_sv(&json), &room), &err), ERR_LIMIT);
	done();
}

/* In the store: what is large is stored short, and read, changed and merged as it was. */
static void test_store_packs(void **state)
{
	struct store *s = *state;

	init(1 << 24);
	make_json(20000, false);
	char *text = arena_printf(&s->arena, "[%.*s]", SV(buf_sv(&json)));
	expect_save(s, 1, text, 1, 0, 0);
	expect_save(s, 1, text, 0, 0, 1);
	assert_string_equal(payload(s, "1"), arena_sv(&s->arena, buf_sv(&json)).ptr);
	expect_update(s, 1, "[{\"id\":\"1\",\"more\":1}]", 1, 0, 0);
	buf_clear(&room);
	buf_printf(&room, "{%.*s,\"id\":\"1\",\"more\":1}", (int)json.len - 11, json.ptr + 10);
	assert_string_equal(payload(s, "1"), room.ptr);
	assert_true(stored_size(s) < 10000);
	check_store(s);
	done();
}

int payload_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packs_where_it_pays),
		cmocka_unit_test(test_damaged_bytes),
		cmocka_unit_test(test_too_large_for_the_reader),
		STORE_TEST(test_store_packs),
	};

	return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
