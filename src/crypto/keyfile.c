#include "crypto/keyfile.h"

#include "base/fault.h"
#include "crypto/random.h"
#include "os/file.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, TEXT_LEN = 44 };

static int beside(const char *path, const char *suffix, char out[PATH_SIZE], struct err *err)
{
	if (snprintf(out, PATH_SIZE, "%s.%s", path, suffix) >= PATH_SIZE)
		return err_set(err, ERR_INVALID, "path too long: %.100s", path);
	return 0;
}

int keyfile_read(const char *path, struct master_key *ret, struct err *err)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, 1 << 17);
	int rc = file_read(path, &text, err);
	if (rc == 0 && master_key_parse(buf_sv(&text), ret, err) < 0)
		rc = err_wrap(err, "%s", path);
	if (text.ptr)
		OPENSSL_cleanse(text.ptr, text.len);
	return rc;
}

/* Makes the file and reads it back: what is used is what was stored. */
static int make(const char *path, struct master_key *ret, struct err *err)
{
	unsigned char bytes[AEAD_KEY_SIZE];
	char text[TEXT_LEN + 2];

	random_bytes(bytes, sizeof(bytes));
	EVP_EncodeBlock((unsigned char *)text, bytes, sizeof(bytes));
	text[TEXT_LEN] = '\n';
	int rc = file_write_private(path, sv_make(text, TEXT_LEN + 1), err);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(text, sizeof(text));
	TRY(rc);
	return keyfile_read(path, ret, err);
}

int keyfile_ensure(const char *path, struct master_key *ret, struct err *err)
{
	int rc = keyfile_read(path, ret, err);

	return rc == ERR_NOT_FOUND ? make(path, ret, err) : rc;
}

static void load_one(const char *path, struct keyring *k)
{
	struct master_key m;

	if (keyfile_read(path, &m, NULL) < 0)
		return;
	keyring_add_master(k, &m);
	master_key_done(&m);
}

void keyfile_load(const char *path, struct keyring *k)
{
	char next[PATH_SIZE];

	if (beside(path, "new", next, NULL) == 0)
		load_one(next, k);
	load_one(path, k);
}

int keyfile_next(const char *path, struct master_key *ret, struct err *err)
{
	char next[PATH_SIZE];

	TRY(beside(path, "new", next, err));
	TRY(make(next, ret, err));
	return FAULT("keyfile.next", err);
}

static int replace(const char *path, const char *next, struct err *err)
{
	char print[KEY_FINGERPRINT_SIZE], kept[PATH_SIZE];
	struct master_key old;

	TRY(keyfile_read(path, &old, err));
	master_key_fingerprint(&old, print);
	master_key_done(&old);
	TRY(beside(path, print, kept, err));
	if (link(path, kept) < 0 && errno != EEXIST)
		return err_errno(err, errno, "cannot keep the old key as %s", kept);
	TRY(FAULT("keyfile.replace", err));
	return file_rename(next, path, err);
}

int keyfile_settle(const char *path, const struct keyring *k, struct err *err)
{
	char wraps[KEY_FINGERPRINT_SIZE], print[KEY_FINGERPRINT_SIZE], next[PATH_SIZE];
	struct master_key m;

	TRY(beside(path, "new", next, err));
	int rc = keyfile_read(next, &m, err);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	keyring_fingerprint(k, wraps);
	master_key_fingerprint(&m, print);
	master_key_done(&m);
	if (strcmp(wraps, print) != 0)
		return 0;
	TRY(replace(path, next, err));
	return 1;
}
