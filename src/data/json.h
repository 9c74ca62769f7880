/*
 * JSON values of requests, configuration and provider answers, over jansson: parse with limits,
 * typed getters that say where and what was wrong, builders, and serialisers that print what
 * JavaScript's JSON.stringify prints. No other code calls jansson; `struct json_t *` may be passed
 * around. Any thread, one at a time per value tree.
 *
 * Ownership: json_parse, json_new_*, json_clone and json_ref give a reference that json_unref
 * drops; everything a getter hands out is borrowed from its container. Objects keep the order in
 * which keys were first set; a repeated key keeps its place and takes the last value, as in JS.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "data/json_dump.h"

struct json_t;

enum json_kind {
	JSON_KIND_NULL,
	JSON_KIND_BOOL,
	JSON_KIND_NUMBER,
	JSON_KIND_STRING,
	JSON_KIND_ARRAY,
	JSON_KIND_OBJECT,
	JSON_KIND_ABSENT, /* of a NULL pointer */
};

#define JSON_DEPTH_MAX 100

/*
 * Any JSON value, nested JSON_DEPTH_MAX deep at most. ERR_INVALID "line 3 column 7: ..." or
 * ERR_LIMIT. Integers too large for int64_t become doubles. Lone surrogates and keys with U+0000
 * are refused (records, which may hold them, do not come here).
 */
int json_parse(struct sv text, struct json_t **ret, struct err *err);

struct json_t *json_ref(struct json_t *v);
void json_unref(struct json_t *v); /* NULL is fine */
OWN_FN(struct json_t, json_unref)

/*
 * Getters. `key` is a key or a path of keys: "proxy.retry.after" (a key that itself contains a
 * dot needs json_member). Missing or of another type: ERR_INVALID "$.proxy.retry: expected object".
 * When `obj` itself sits deeper, the caller who knows adds it: json_err_at(err, "items[%zu]", i)
 * turns "$.id: expected string" into "$.items[3].id: expected string".
 */
int json_get_str(const struct json_t *obj, const char *key, struct sv *ret, struct err *err);
int json_get_int(const struct json_t *obj, const char *key, int64_t *ret, struct err *err);
int json_get_num(const struct json_t *obj, const char *key, double *ret, struct err *err);
int json_get_bool(const struct json_t *obj, const char *key, bool *ret, struct err *err);
int json_get_obj(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err);
int json_get_arr(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err);
int json_get_any(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err);

/* The same when it may be absent or null: 0 and *ret untouched then, 1 when set, < 0 wrong type. */
int json_opt_str(const struct json_t *obj, const char *key, struct sv *ret, struct err *err);
int json_opt_int(const struct json_t *obj, const char *key, int64_t *ret, struct err *err);
int json_opt_num(const struct json_t *obj, const char *key, double *ret, struct err *err);
int json_opt_bool(const struct json_t *obj, const char *key, bool *ret, struct err *err);
int json_opt_obj(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err);
int json_opt_arr(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err);

/* Puts a step of the path behind the "$" of a getter's message; returns err->code. */
int json_err_at(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ERR_INVALID naming the first key of obj that is not in `allowed` (NULL-terminated). */
int json_only_keys(const struct json_t *obj, const char *const *allowed, struct err *err);

/* Looking without complaint: NULL, absent, 0 or false when there is no such thing. */
enum json_kind json_kind(const struct json_t *v);
const char *json_kind_name(enum json_kind kind); /* "object" */
struct json_t *json_member(const struct json_t *obj, struct sv key); /* exactly this key */
struct json_t *json_find(const struct json_t *v, struct sv path); /* "a.b[2].c" */
struct json_t *json_item(const struct json_t *arr, size_t i);
size_t json_len(const struct json_t *v); /* items or keys */
struct sv json_sv(const struct json_t *v); /* text of a string */
bool json_is_int(const struct json_t *v); /* a number without fraction that fits int64_t */
int64_t json_int(const struct json_t *v);
double json_num(const struct json_t *v);
bool json_truth(const struct json_t *v);
bool json_same(const struct json_t *a, const struct json_t *b); /* deep; 1 equals 1.0 */

/*
 * Keys in order: void *it = NULL; while (json_next(obj, &it, &key, &val)) ... The object must not
 * gain or lose keys meanwhile.
 */
bool json_next(const struct json_t *obj, void **it, struct sv *ret_key, struct json_t **ret_val);

/* Builders. json_set, json_push and json_put take over the reference of `v`. Text must be UTF-8 (it
 * is repaired with U+FFFD where it is not). */
struct json_t *json_new_obj(void);
struct json_t *json_new_arr(void);
struct json_t *json_new_str(struct sv s);
struct json_t *json_new_int(int64_t n);
struct json_t *json_new_num(double n); /* NaN and infinities become null */
struct json_t *json_new_bool(bool b);
struct json_t *json_new_null(void);
struct json_t *json_clone(const struct json_t *v); /* deep */
void json_set(struct json_t *obj, struct sv key, struct json_t *v);
void json_set_str(struct json_t *obj, const char *key, struct sv s);
void json_set_int(struct json_t *obj, const char *key, int64_t n);
void json_set_bool(struct json_t *obj, const char *key, bool b);
void json_set_null(struct json_t *obj, const char *key);
void json_push(struct json_t *arr, struct json_t *v);
void json_put(struct json_t *arr, size_t i, struct json_t *v); /* replaces an item */
void json_del(struct json_t *obj, struct sv key);
