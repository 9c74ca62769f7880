/*
 * The functions of the template language that need cryptography (data/tmpl.h leaves them to its
 * user): sha256Hex, sha256Base64, hmacSha1Hex, ed25519Sign(message, PEM), fingerprint(PEM of a
 * private key). Pure, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* For struct tmpl_env; ctx is not used. */
int auth_function_call(
	void *ctx, struct sv fn, const struct sv *args, size_t n, struct buf *out, struct err *err);
