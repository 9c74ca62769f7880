/*
 * The key file: a master key as text, of mode 0600, replaced at one stroke. While the key is
 * rotated, the next one stands beside it as "<path>.new", from before the database takes it until
 * after; so at every moment the key that opens the data is in one of the two. The one that was
 * replaced is kept as "<path>.<fingerprint>": backups made before need it.
 *
 * Blocking; any thread.
 */
#pragma once

#include "crypto/keyring.h"

/* ERR_NOT_FOUND where none is. */
int keyfile_read(const char *path, struct master_key *ret, struct err *err) MUST_CHECK;

/* Reads the file, or makes one where none is. */
int keyfile_ensure(const char *path, struct master_key *ret, struct err *err) MUST_CHECK;

/* Gives the ring what the file and its successor hold by now. What cannot be read is left out. */
void keyfile_load(const char *path, struct keyring *k);

/* Makes "<path>.new", in place of one that never came into use. */
int keyfile_next(const char *path, struct master_key *ret, struct err *err) MUST_CHECK;

/*
 * If the ring wraps with the key of "<path>.new", puts that file in place: 1; else 0 and nothing
 * is changed.
 */
int keyfile_settle(const char *path, const struct keyring *k, struct err *err) MUST_CHECK;
