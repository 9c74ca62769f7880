/*
 * The template language of provider definitions (spec/function-runtime.md 2.6):
 *
 *	https://${connectionConfig.subdomain}.example.com
 *	${connectionConfig.host} || https://api.example.com
 *	Basic ${base64(${credentials.username}:${credentials.password})}
 *
 * A template is parsed before anything is put in, so no value can act as template text. What
 * cannot be resolved stays as it was written. `now:<format>` and `now+2:days:<format>` take the
 * tokens of datefmt.h. Pure, any thread.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

struct json_t;

#define TMPL_DEPTH_MAX 8 /* placeholders within placeholders */
#define TMPL_ARGS_MAX 8

struct tmpl_env {
	void *ctx; /* handed to both callbacks */
	/*
	 * The text of `name` ("credentials.username"): 1 with *ret, which must stay as it is until
	 * tmpl_eval returns; 0 when there is no such string or number.
	 */
	int (*lookup)(void *ctx, struct sv name, struct sv *ret);
	/*
	 * Functions that need cryptography: sha256Hex, sha256Base64, hmacSha1Hex (2 arguments),
	 * ed25519Sign (2), awsSigV4 (4 or 5), fingerprint. Appends to `out`; 0 when the function is
	 * unknown, so that it stays unresolved. NULL when there are none. base64 is built in.
	 */
	int (*call)(void *ctx, struct sv fn, const struct sv *args, size_t n, struct buf *out,
		struct err *err);
	int64_t now_ms; /* `now`: the same within one request */
	struct sv random; /* `random`; absent leaves it unresolved */
};

/*
 * Appends the result to `out`, whose maximum bounds it (ERR_LIMIT). *ret_resolved (may be NULL)
 * says whether every placeholder of the alternative used got its value. A text without
 * placeholders is resolved and copied, `||` and all.
 */
int tmpl_eval(struct sv text, const struct tmpl_env *env, struct buf *out, bool *ret_resolved,
	struct err *err);

/* ERR_INVALID for text that cannot be meant: a placeholder that is not closed, or names nothing. */
int tmpl_check(struct sv text, struct err *err) MUST_CHECK;

/* Whether text contains a placeholder. */
bool tmpl_is_template(struct sv text);

/*
 * For lookup callbacks: a dotted path, or a flat key containing dots, in a JSON object. Strings
 * are borrowed from it; numbers are printed into `scratch` (a text of its own for each call is
 * the caller's business). False for anything else.
 */
bool tmpl_lookup_json(const struct json_t *root, struct sv name, char scratch[32], struct sv *ret);
