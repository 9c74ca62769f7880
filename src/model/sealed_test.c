/* Keys that change while others use them (model/sealed.h, db/keys.h). */
#include "model/sealed.h"

#include "crypto/keyring.h"
#include "db/keys.h"
#include "model/run_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct master_key master(const char *text)
{
	struct master_key m = { 0 };
	struct err err;

	assert_int_equal(master_key_parse(sv_str(text), &m, &err), 0);
	return m;
}

/* The key of the fixture, and another. */
#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "//////////////////////////////////////////8="

/* Another process made a key: whoever meets it loads it, and seals with it from then on. */
static int job_unknown_key(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct master_key a = master(KEY_A);
	own(keyring_free) struct keyring *other = keyring_new(&a);
	struct sv sealed, again, plain;
	int64_t n;

	TRY(sealed_check_master(c, other, err));
	TRY(sealed_make(c, other, w->env, SV_LIT("first"), db_arena(c), &sealed, err));
	TRY(sealed_renew_keys(c, other, &n, err));
	CHECK(n == 1);
	TRY(sealed_make(c, other, w->env, SV_LIT("second"), db_arena(c), &again, err));
	CHECK(keyring_current(w->keys, w->env) != keyring_current(other, w->env));
	TRY(sealed_open(c, w->keys, w->env, again, db_arena(c), &plain, err));
	CHECK(sv_eq_str(plain, "second"));
	CHECK(keyring_current(w->keys, w->env)->id == keyring_current(other, w->env)->id);
	TRY(sealed_open(c, w->keys, w->env, sealed, db_arena(c), &plain, err));
	CHECK(sv_eq_str(plain, "first"));
	return 0;
}

/* One that missed the rotation goes on with what it has, and makes no key. */
static int job_rotation(struct dbc *c, void *arg, struct err *err)
{
	struct world *w = arg;
	struct master_key a = master(KEY_A), b = master(KEY_B);
	own(keyring_free) struct keyring *late = keyring_new(&a);
	own(keyring_free) struct keyring *after = keyring_new(&b);
	const struct aead_key *key;
	struct err refused;
	int64_t n;

	TRY(sealed_check_master(c, late, err));
	TRY(sealed_rotate(c, w->keys, &b, &n, err));
	CHECK(n == 1);
	CHECK(sealed_make_key(c, late, w->env, &refused) == ERR_INVALID);
	CHECK(strstr(refused.msg, "not the one"));
	CHECK(sealed_check_master(c, late, &refused) == ERR_INVALID);
	TRY(keys_current(c, late, w->env, &key, err));
	keyring_add_master(late, &b);
	TRY(sealed_make_key(c, late, w->env, err));
	/* It used the new master, though it knew both. */
	TRY(sealed_check_master(c, after, err));
	CHECK(keyring_current(after, w->env)->id == keyring_current(late, w->env)->id);
	return 0;
}

static int job_rotate_with_wrong_key(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct master_key a = master(KEY_A), b = master(KEY_B);
	own(keyring_free) struct keyring *wrong = keyring_new(&b);
	struct err refused;
	int64_t n;

	CHECK(sealed_rotate(c, wrong, &a, &n, &refused) == ERR_INVALID);
	return 0;
}

static void test_unknown_key(void **state UNUSED)
{
	in_world(job_unknown_key);
}

static void test_rotation(void **state UNUSED)
{
	in_world(job_rotation);
}

static void test_rotate_with_wrong_key(void **state UNUSED)
{
	in_world(job_rotate_with_wrong_key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_key),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_rotate_with_wrong_key),
	};
	return cmocka_run_group_tests_name("sealed", tests, NULL, NULL);
}
