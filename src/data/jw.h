/*
 * A streaming JSON writer into a struct buf: commas and quotes are its business, nothing is built
 * first. Misuse (a value without a key, an end too many) is a programmer's error and asserts;
 * the buffer's own limit is checked by its owner with buf_ok(). One writer, one thread.
 *
 *	struct jw w;
 *	jw_init(&w, &buf);
 *	jw_obj(&w);
 *	jw_kv_str(&w, "id", id);
 *	jw_key(&w, "tags"), jw_arr(&w), jw_str(&w, tag), jw_end(&w);
 *	jw_end(&w);
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

struct json_t;

#define JW_DEPTH_MAX 64

struct jw {
	struct buf *out;
	uint64_t in_obj; /* bit d: the container at depth d is an object */
	unsigned depth;
	bool comma; /* something precedes in this container */
	bool keyed; /* a key waits for its value */
};

void jw_init(struct jw *w, struct buf *out);

void jw_obj(struct jw *w); /* begins an object, as a value */
void jw_arr(struct jw *w); /* begins an array, as a value */
void jw_end(struct jw *w); /* ends the innermost of them */
void jw_key(struct jw *w, const char *key);
void jw_key_sv(struct jw *w, struct sv key);

void jw_str(struct jw *w, struct sv s); /* absent gives null */
void jw_cstr(struct jw *w, const char *s); /* NULL gives null */
void jw_i64(struct jw *w, int64_t n);
void jw_num(struct jw *w, double n); /* as JavaScript; not finite gives null */
void jw_bool(struct jw *w, bool b);
void jw_null(struct jw *w);
void jw_raw(struct jw *w, struct sv json); /* one complete JSON value, trusted */
void jw_json(struct jw *w, const struct json_t *v); /* NULL gives null */

/* Key and value in one call. */
void jw_kv_str(struct jw *w, const char *key, struct sv s);
void jw_kv_cstr(struct jw *w, const char *key, const char *s);
void jw_kv_i64(struct jw *w, const char *key, int64_t n);
void jw_kv_bool(struct jw *w, const char *key, bool b);
void jw_kv_null(struct jw *w, const char *key);
void jw_kv_raw(struct jw *w, const char *key, struct sv json);
void jw_kv_json(struct jw *w, const char *key, const struct json_t *v);
void jw_kv_obj(struct jw *w, const char *key); /* begins an object under this key */
void jw_kv_arr(struct jw *w, const char *key);

/* Asserts that everything begun has ended and one value was written. */
void jw_done(const struct jw *w);
