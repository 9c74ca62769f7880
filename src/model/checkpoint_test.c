#include "model/checkpoint.h"

#include "base/buf.h"
#include "data/json.h"
#include "model/run_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What is wrong with it; "" when nothing is. */
static void expect(const char *text, const char *want)
{
	own(json_unref) struct json_t *v = NULL;
	struct err err = { 0 };

	assert_int_equal(json_parse(sv_str(text), &v, &err), 0);
	int rc = checkpoint_check(v, &err);
	assert_string_equal(rc < 0 ? err.msg : "", want);
}

static void only_flat_objects(void **state UNUSED)
{
	expect("{}", "");
	expect("{\"text\":\"x\",\"number\":-1.5,\"yes\":true,\"no\":false,\"empty\":\"\"}", "");
	expect("[]", "a checkpoint is an object, not array");
	expect("null", "a checkpoint is an object, not null");
	expect("\"x\"", "a checkpoint is an object, not string");
	expect("{\"a\":null}",
		"checkpoint 'a' is null: only strings, numbers, booleans and dates can be kept");
	expect("{\"a\":{}}",
		"checkpoint 'a' is object: only strings, numbers, booleans and dates can be kept");
	expect("{\"a\":[1]}",
		"checkpoint 'a' is array: only strings, numbers, booleans and dates can be kept");
}

/* An object with this many members, whose last key and value have these lengths. */
static void expect_sized(int members, int key, int value, const char *want)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, 1 << 16);
	buf_char(&text, '{');
	for (int i = 1; i < members; i++)
		buf_printf(&text, "\"k%d\":1,", i);
	buf_printf(&text, "\"%0*d\":\"%0*d\"}", key, 0, value, 0);
	expect(text.ptr, want);
}

static void of_bounded_size(void **state UNUSED)
{
	expect_sized(16, 255, 4000, "");
	expect_sized(17, 1, 1, "a checkpoint has 17 keys, at most 16 are kept");
	expect_sized(1, 256, 1, "a checkpoint key is longer than 255 characters");
	expect_sized(1, 1, 4001, "checkpoint '0' is longer than 4000 characters");
}

static int put(struct dbc *c, const char *key, struct err *err)
{
	int64_t any = 0;

	return checkpoint_put(
		c, world->env, world->connection, sv_str(key), SV_LIT("{}"), &any, err);
}

static int long_names(struct dbc *c, void *arg UNUSED, struct err *err)
{
	char key[257];
	struct err refused;

	memset(key, 'x', 256);
	key[256] = 0;
	CHECK(put(c, key, &refused) == ERR_LIMIT);
	CHECK(strcmp(refused.msg, "the checkpoint's name is longer than 255 characters") == 0);
	key[255] = 0;
	return put(c, key, err);
}

/* The checkpoint itself, and what its function keeps below it; nobody else's. */
static int wiped(struct dbc *c, void *arg UNUSED, struct err *err)
{
	static const char *const gone[] = { "sync:a_b%:base",
		"sync:a_b%:base:trackDeletes:Contact" };
	static const char *const kept[] = { "sync:a_b%:base2", "sync:a_b%:Base", "sync:axbc:base",
		"sync:axbc:base:trackDeletes:Contact", "sync:a_b%:bas", "sync:a_b%:base;x",
		"webhook:a_b%:base" };
	struct checkpoint cp;

	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		TRY(put(c, gone[i], err));
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		TRY(put(c, kept[i], err));
	int64_t version = 1;
	TRY(checkpoint_clear(c, world->connection, sv_str(gone[1]), &version, err));
	TRY(checkpoint_wipe(c, world->connection, sv_str(gone[0]), err));
	for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
		TRY(checkpoint_get(c, world->connection, sv_str(gone[i]), db_arena(c), &cp, err));
		CHECK(cp.version == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		TRY(checkpoint_get(c, world->connection, sv_str(kept[i]), db_arena(c), &cp, err));
		CHECK(cp.value.ptr);
	}
	return 0;
}

static void names_are_bounded(void **state UNUSED)
{
	in_world(long_names);
}

static void a_reset_wipes_its_own(void **state UNUSED)
{
	in_world(wiped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_flat_objects),
		cmocka_unit_test(of_bounded_size),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(a_reset_wipes_its_own),
	};
	return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
