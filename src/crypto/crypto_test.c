#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/keyfile.h"
#include "crypto/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const unsigned char KEY_A[AEAD_KEY_SIZE] = "0123456789abcdef0123456789abcde";
static const unsigned char KEY_B[AEAD_KEY_SIZE] = "fedcba9876543210fedcba987654321";

static void test_seal_and_open(void **state)
{
	struct aead_key k;
	struct err err;
	unsigned char sealed[5 + AEAD_OVERHEAD], plain[5];
	uint32_t id;

	(void)state;
	aead_key_init(&k, 7, KEY_A);
	aead_seal(&k, SV_LIT("here"), SV_LIT("hello"), sealed);
	struct sv s = sv_make((char *)sealed, sizeof(sealed));
	assert_int_equal(aead_key_id(s, &id, &err), 0);
	assert_int_equal(id, 7);
	assert_int_equal(aead_open(&k, SV_LIT("here"), s, plain, &err), 0);
	assert_memory_equal(plain, "hello", 5);
	assert_int_equal(aead_open(&k, SV_LIT("there"), s, plain, &err), ERR_INVALID);
	assert_int_equal(aead_open(&k, SV_NULL, s, plain, &err), ERR_INVALID);
	/* And the context is still good after a refusal. */
	assert_int_equal(aead_open(&k, SV_LIT("here"), s, plain, &err), 0);
}

static void test_every_byte_counts(void **state)
{
	struct aead_key k;
	struct err err;
	unsigned char sealed[3 + AEAD_OVERHEAD], plain[3];

	(void)state;
	aead_key_init(&k, 7, KEY_A);
	aead_seal(&k, SV_LIT("ad"), SV_LIT("abc"), sealed);
	struct sv s = sv_make((char *)sealed, sizeof(sealed));
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(aead_open(&k, SV_LIT("ad"), s, plain, &err), ERR_INVALID);
		sealed[i] ^= 1;
	}
	for (size_t n = 0; n < sizeof(sealed); n++)
		assert_int_equal(aead_open(&k, SV_LIT("ad"), sv_make(s.ptr, n),
					 n < AEAD_OVERHEAD ? NULL : plain, &err),
			ERR_INVALID);
}

static void test_keys_alternate(void **state)
{
	struct aead_key a, b;
	struct err err;
	unsigned char sa[AEAD_OVERHEAD], sb[AEAD_OVERHEAD], none[1];
	struct sv va = sv_make((char *)sa, sizeof(sa)), vb = sv_make((char *)sb, sizeof(sb));

	(void)state;
	aead_key_init(&a, 1, KEY_A);
	aead_key_init(&b, 1, KEY_B);
	for (int i = 0; i < 3; i++) {
		aead_seal(&a, SV_NULL, SV_NULL, sa);
		aead_seal(&b, SV_NULL, SV_NULL, sb);
		assert_memory_not_equal(sa, sb, sizeof(sa));
		assert_int_equal(aead_open(&a, SV_NULL, va, none, &err), 0);
		assert_int_equal(aead_open(&b, SV_NULL, va, none, &err), ERR_INVALID);
		assert_int_equal(aead_open(&b, SV_NULL, vb, none, &err), 0);
	}
}

static struct master_key master(const char *text)
{
	struct master_key m = { 0 };
	struct err err = { 0 };

	if (master_key_parse(sv_str(text), &m, &err) < 0)
		fail_msg("%s", err.msg);
	return m;
}

#define MASTER_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define MASTER_B "//////////////////////////////////////////8="

static void test_master_key_text(void **state)
{
	static const char *const wrong[] = { "", "abc",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh!=",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g" };
	struct master_key m = master(MASTER_A "\n");
	struct err err;

	(void)state;
	for (int i = 0; i < AEAD_KEY_SIZE; i++)
		assert_int_equal(m.key.bytes[i], i);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(master_key_parse(sv_str(wrong[i]), &m, &err), ERR_INVALID);
}

static void test_keyring(void **state)
{
	struct master_key m = master(MASTER_A), other = master(MASTER_B);
	own(keyring_free) struct keyring *k = keyring_new(&m);
	own(keyring_free) struct keyring *again = keyring_new(&m);
	own(keyring_free) struct keyring *wrong = keyring_new(&other);
	unsigned char w1[KEY_WRAPPED_SIZE], w2[KEY_WRAPPED_SIZE];
	own_in(buf_done) struct buf sealed = { 0 }, plain = { 0 };
	struct err err;

	(void)state;
	buf_init(&sealed, 1000);
	buf_init(&plain, 1000);
	keyring_make(k, 5, w1);
	keyring_make(k, 5, w2);
	struct sv v1 = sv_make((char *)w1, sizeof(w1)), v2 = sv_make((char *)w2, sizeof(w2));
	assert_int_equal(keyring_seal(k, 5, SV_NULL, SV_LIT("x"), &sealed, &err), ERR_NOT_FOUND);
	/* As if a transaction had made v2 as number 1 and was rolled back. */
	assert_int_equal(keyring_add(k, 5, 1, v2, &err), 0);
	assert_int_equal(keyring_add(k, 5, 1, v1, &err), 0);
	assert_int_equal(keyring_add(k, 5, 1, v1, &err), 0);
	assert_int_equal(keyring_seal(k, 5, SV_LIT("a"), SV_LIT("secret"), &sealed, &err), 0);
	assert_int_equal(keyring_add(k, 5, 9, v2, &err), 0);
	assert_int_equal(keyring_current(k, 5)->id, 9);
	assert_null(keyring_current(k, 69)); /* same bucket */
	/* The old key still opens, here and in a ring made from the rows. */
	assert_int_equal(keyring_open(k, 5, SV_LIT("a"), buf_sv(&sealed), &plain, &err), 0);
	assert_string_equal(plain.ptr, "secret");
	assert_int_equal(
		keyring_open(again, 5, SV_LIT("a"), buf_sv(&sealed), &plain, &err), ERR_NOT_FOUND);
	assert_int_equal(keyring_add(again, 5, 1, v1, &err), 0);
	assert_int_equal(keyring_open(again, 5, SV_LIT("a"), buf_sv(&sealed), &plain, &err), 0);
	/* Not with another master, not for another environment. */
	assert_int_equal(keyring_add(wrong, 5, 1, v1, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "not the one this data was stored with"));
	assert_int_equal(keyring_add(again, 6, 1, v1, &err), ERR_INVALID);
}

/* Two masters at once, and after. */
static void test_rotation(void **state)
{
	struct master_key m = master(MASTER_A), other = master(MASTER_B);
	own(keyring_free) struct keyring *k = keyring_new(&m);
	own(keyring_free) struct keyring *late = keyring_new(&m);
	own(keyring_free) struct keyring *after = keyring_new(&other);
	unsigned char old[KEY_WRAPPED_SIZE], moved[KEY_WRAPPED_SIZE], next[KEY_WRAPPED_SIZE];
	struct sv v_old = sv_make((char *)old, sizeof(old));
	struct sv v_moved = sv_make((char *)moved, sizeof(moved));
	struct sv v_next = sv_make((char *)next, sizeof(next));
	char print[KEY_FINGERPRINT_SIZE], print_b[KEY_FINGERPRINT_SIZE];
	struct err err;

	(void)state;
	keyring_make(k, 5, old);
	assert_int_equal(keyring_rewrap(after, &m, 5, v_old, moved, &err), ERR_INVALID);
	assert_int_equal(keyring_rewrap(k, &other, 5, v_old, moved, &err), 0);
	assert_int_equal(keyring_add(after, 5, 1, v_moved, &err), 0);
	/* One that does not know the new master: not until it is told. */
	assert_int_equal(keyring_follow(late, 5, v_moved, &err), ERR_INVALID);
	keyring_add_master(late, &other);
	keyring_add_master(late, &other);
	assert_int_equal(keyring_add(late, 5, 1, v_moved, &err), 0);
	assert_int_equal(keyring_add(late, 5, 2, v_old, &err), 0);
	/* It wraps with the old one until it follows. */
	keyring_make(late, 5, next);
	assert_int_equal(keyring_add(after, 5, 3, v_next, &err), ERR_INVALID);
	assert_int_equal(keyring_follow(late, 5, v_moved, &err), 0);
	keyring_make(late, 5, next);
	assert_int_equal(keyring_add(after, 5, 3, v_next, &err), 0);
	keyring_fingerprint(late, print);
	master_key_fingerprint(&other, print_b);
	assert_string_equal(print, print_b);
	keyring_fingerprint(k, print);
	assert_string_not_equal(print, print_b);
	assert_int_equal(strlen(print), 16);
}

static void tell_b(void *ctx, struct keyring *k)
{
	struct master_key other = master(MASTER_B);

	++*(int *)ctx;
	keyring_add_master(k, &other);
}

static void test_unknown_master_is_asked_for(void **state)
{
	struct master_key m = master(MASTER_A), other = master(MASTER_B);
	own(keyring_free) struct keyring *k = keyring_new(&m);
	own(keyring_free) struct keyring *far = keyring_new(&other);
	unsigned char wrapped[KEY_WRAPPED_SIZE];
	struct err err;
	int asked = 0;

	(void)state;
	keyring_on_unknown(k, tell_b, &asked);
	keyring_make(k, 5, wrapped);
	assert_int_equal(keyring_add(k, 5, 1, sv_make((char *)wrapped, sizeof(wrapped)), &err), 0);
	assert_int_equal(asked, 0);
	keyring_make(far, 5, wrapped);
	assert_int_equal(keyring_add(k, 5, 2, sv_make((char *)wrapped, sizeof(wrapped)), &err), 0);
	assert_int_equal(asked, 1);
	wrapped[20] ^= 1;
	assert_int_equal(
		keyring_add(k, 5, 3, sv_make((char *)wrapped, sizeof(wrapped)), &err), ERR_INVALID);
	assert_int_equal(asked, 2);
}

static void test_key_file(void **state)
{
	char dir[] = "/tmp/tidemark-key-XXXXXX";
	char path[64];
	struct master_key a, b;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	assert_int_equal(keyfile_ensure(path, &a, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(keyfile_ensure(path, &b, &err), 0);
	assert_memory_equal(a.key.bytes, b.key.bytes, AEAD_KEY_SIZE);
	FILE *f = fopen(path, "w");
	fputs("nonsense", f);
	fclose(f);
	assert_int_equal(keyfile_ensure(path, &b, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, path));
	unlink(path);
	rmdir(dir);
}

static int mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (int)(st.st_mode & 0777) : -1;
}

static void test_key_file_rotation(void **state)
{
	char dir[] = "/tmp/tidemark-key-XXXXXX";
	char path[64], next[80], kept[96], print[KEY_FINGERPRINT_SIZE], command[128];
	struct master_key a, b, now;
	struct err err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	snprintf(next, sizeof(next), "%s.new", path);
	assert_int_equal(keyfile_ensure(path, &a, &err), 0);
	own(keyring_free) struct keyring *k = keyring_new(&a);
	assert_int_equal(keyfile_settle(path, k, &err), 0);
	assert_int_equal(keyfile_next(path, &b, &err), 0); /* as if killed right after */
	assert_int_equal(keyfile_next(path, &b, &err), 0);
	assert_int_equal(mode_of(next), 0600);
	assert_memory_not_equal(a.key.bytes, b.key.bytes, AEAD_KEY_SIZE);
	/* The database has not taken it. */
	assert_int_equal(keyfile_settle(path, k, &err), 0);
	assert_int_equal(keyfile_read(path, &now, &err), 0);
	assert_memory_equal(now.key.bytes, a.key.bytes, AEAD_KEY_SIZE);
	/* It has. A server that started with the first finds both. */
	own(keyring_free) struct keyring *after = keyring_new(&b);
	unsigned char wrapped[KEY_WRAPPED_SIZE];
	keyring_make(after, 1, wrapped);
	keyfile_load(path, k);
	assert_int_equal(keyring_follow(k, 1, sv_make((char *)wrapped, sizeof(wrapped)), &err), 0);
	assert_int_equal(keyfile_settle(path, k, &err), 1);
	assert_int_equal(keyfile_read(path, &now, &err), 0);
	assert_memory_equal(now.key.bytes, b.key.bytes, AEAD_KEY_SIZE);
	assert_int_equal(mode_of(next), -1);
	assert_int_equal(keyfile_settle(path, k, &err), 0);
	master_key_fingerprint(&a, print);
	snprintf(kept, sizeof(kept), "%s.%s", path, print);
	assert_int_equal(mode_of(kept), 0600);
	assert_int_equal(keyfile_read(kept, &now, &err), 0);
	assert_memory_equal(now.key.bytes, a.key.bytes, AEAD_KEY_SIZE);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

static void test_digests(void **state)
{
	unsigned char d[HASH_SHA256_SIZE];
	char text[HASH_HEX_SIZE], b64[HASH_BASE64_SIZE];

	(void)state;
	hash_sha256(SV_LIT("abc"), d);
	assert_string_equal(hash_hex(d, sizeof(d), text),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_sha1(SV_LIT("abc"), d);
	assert_string_equal(
		hash_hex(d, HASH_SHA1_SIZE, text), "a9993e364706816aba3e25717850c26c9cd0d89d");
	hash_hmac_sha256(SV_LIT("key"), SV_LIT("The quick brown fox jumps over the lazy dog"), d);
	assert_string_equal(hash_hex(d, sizeof(d), text),
		"f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
	assert_string_equal(
		hash_base64(d, sizeof(d), b64), "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=");
	hash_hmac_sha1(SV_LIT("key"), SV_LIT("The quick brown fox jumps over the lazy dog"), d);
	assert_string_equal(
		hash_hex(d, HASH_SHA1_SIZE, text), "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9");
	hash_hmac_sha256(SV_NULL, SV_NULL, d);
	assert_string_equal(hash_hex(d, sizeof(d), text),
		"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_equal(void **state)
{
	(void)state;
	assert_true(hash_equal(SV_LIT("abc"), SV_LIT("abc")));
	assert_false(hash_equal(SV_LIT("abc"), SV_LIT("abd")));
	assert_false(hash_equal(SV_LIT("abc"), SV_LIT("ab")));
	assert_true(hash_equal(SV_NULL, SV_LIT("")));
}

static void test_random_differs(void **state)
{
	unsigned char seen[1000][12];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		random_bytes(seen[i], 12);
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(seen[i], seen[j], 12);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal_and_open),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_keys_alternate),
		cmocka_unit_test(test_master_key_text),
		cmocka_unit_test(test_keyring),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_unknown_master_is_asked_for),
		cmocka_unit_test(test_key_file),
		cmocka_unit_test(test_key_file_rotation),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_random_differs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
