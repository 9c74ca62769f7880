#include "data/json.h"

#include "base/mem.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/jsnum.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* How deep the brackets of text go; strings are skipped, nothing else is checked. */
static size_t text_depth(struct sv text)
{
	size_t depth = 0, deepest = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (quoted) {
			i += c == '\\';
			quoted = c != '"';
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > deepest)
				deepest = depth;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return deepest;
}

int json_parse(struct sv text, struct json_t **ret, struct err *err)
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
	const char *bytes = text.ptr ? text.ptr : "";
	json_error_t e;

	if (text_depth(text) > JSON_DEPTH_MAX)
		return err_set(err, ERR_LIMIT, "nested deeper than %d", JSON_DEPTH_MAX);
	json_t *v = json_loadb(bytes, text.len, flags, &e);
	if (!v && json_error_code(&e) == json_error_numeric_overflow)
		v = json_loadb(bytes, text.len, flags | JSON_DECODE_INT_AS_REAL, &e);
	if (!v) {
		/* The library quotes the input, which may hold a secret. */
		char *quote = strstr(e.text, " near ");
		if (quote)
			*quote = 0;
		return err_set(err, ERR_INVALID, "line %d column %d: %s", e.line, e.column, e.text);
	}
	*ret = v;
	return 0;
}

struct json_t *json_ref(struct json_t *v)
{
	return json_incref(v);
}

void json_unref(struct json_t *v)
{
	json_decref(v);
}

enum json_kind json_kind(const struct json_t *v)
{
	if (!v)
		return JSON_KIND_ABSENT;
	switch (json_typeof(v)) {
	case JSON_OBJECT: return JSON_KIND_OBJECT;
	case JSON_ARRAY: return JSON_KIND_ARRAY;
	case JSON_STRING: return JSON_KIND_STRING;
	case JSON_INTEGER:
	case JSON_REAL: return JSON_KIND_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE: return JSON_KIND_BOOL;
	case JSON_NULL: break;
	}
	return JSON_KIND_NULL;
}

const char *json_kind_name(enum json_kind kind)
{
	static const char *const names[] = {
		[JSON_KIND_NULL] = "null",
		[JSON_KIND_BOOL] = "boolean",
		[JSON_KIND_NUMBER] = "number",
		[JSON_KIND_STRING] = "string",
		[JSON_KIND_ARRAY] = "array",
		[JSON_KIND_OBJECT] = "object",
		[JSON_KIND_ABSENT] = "nothing",
	};
	return names[kind];
}

static int mismatch(struct err *err, struct sv path, const char *want, const struct json_t *got)
{
	return err_set(err, ERR_INVALID, "$%s%.*s: expected %s, got %s", path.len ? "." : "",
		SV(path), want, json_kind_name(json_kind(got)));
}

static bool is_nothing(const struct json_t *v)
{
	return !v || json_is_null(v);
}

/* 1 and the value at `key`; 0 when it is optional and nothing is there. */
static int fetch(const struct json_t *obj, const char *key, bool optional,
	const struct json_t **ret, struct err *err)
{
	struct sv rest = sv_str(key), step;
	const json_t *v = obj;

	while (sv_split(&rest, '.', &step)) {
		struct sv before = sv_make(key, (size_t)(step.ptr - key));
		if (before.len) {
			before.len--;
			if (optional && is_nothing(v))
				return 0;
		}
		if (!json_is_object(v))
			return mismatch(err, before, "object", v);
		v = json_object_getn(v, step.ptr, step.len);
	}
	if (optional && is_nothing(v))
		return 0;
	*ret = v;
	return 1;
}

/* The getters differ in the kind they want; a required one answers 0 for found. */
static int fetch_kind(const struct json_t *obj, const char *key, bool optional, enum json_kind want,
	const struct json_t **ret, struct err *err)
{
	int found = fetch(obj, key, optional, ret, err);
	if (found > 0 && json_kind(*ret) != want)
		return mismatch(err, sv_str(key), json_kind_name(want), *ret);
	return found > 0 ? optional : found;
}

static int get_str(
	const struct json_t *obj, const char *key, bool optional, struct sv *ret, struct err *err)
{
	const json_t *v = NULL;
	int found = fetch_kind(obj, key, optional, JSON_KIND_STRING, &v, err);
	if (found >= 0 && v)
		*ret = json_sv(v);
	return found;
}

static int get_int(
	const struct json_t *obj, const char *key, bool optional, int64_t *ret, struct err *err)
{
	const json_t *v = NULL;
	int found = fetch(obj, key, optional, &v, err);
	if (found <= 0)
		return found;
	if (!json_is_int(v))
		return mismatch(err, sv_str(key), "integer", v);
	*ret = json_int(v);
	return optional;
}

static int get_num(
	const struct json_t *obj, const char *key, bool optional, double *ret, struct err *err)
{
	const json_t *v = NULL;
	int found = fetch_kind(obj, key, optional, JSON_KIND_NUMBER, &v, err);
	if (found >= 0 && v)
		*ret = json_number_value(v);
	return found;
}

static int get_bool(
	const struct json_t *obj, const char *key, bool optional, bool *ret, struct err *err)
{
	const json_t *v = NULL;
	int found = fetch_kind(obj, key, optional, JSON_KIND_BOOL, &v, err);
	if (found >= 0 && v)
		*ret = json_is_true(v);
	return found;
}

static int get_container(const struct json_t *obj, const char *key, bool optional,
	enum json_kind want, struct json_t **ret, struct err *err)
{
	const json_t *v = NULL;
	int found = fetch_kind(obj, key, optional, want, &v, err);
	if (found >= 0 && v)
		*ret = (json_t *)v;
	return found;
}

int json_get_str(const struct json_t *obj, const char *key, struct sv *ret, struct err *err)
{
	return get_str(obj, key, false, ret, err);
}

int json_opt_str(const struct json_t *obj, const char *key, struct sv *ret, struct err *err)
{
	return get_str(obj, key, true, ret, err);
}

int json_get_int(const struct json_t *obj, const char *key, int64_t *ret, struct err *err)
{
	return get_int(obj, key, false, ret, err);
}

int json_opt_int(const struct json_t *obj, const char *key, int64_t *ret, struct err *err)
{
	return get_int(obj, key, true, ret, err);
}

int json_get_num(const struct json_t *obj, const char *key, double *ret, struct err *err)
{
	return get_num(obj, key, false, ret, err);
}

int json_opt_num(const struct json_t *obj, const char *key, double *ret, struct err *err)
{
	return get_num(obj, key, true, ret, err);
}

int json_get_bool(const struct json_t *obj, const char *key, bool *ret, struct err *err)
{
	return get_bool(obj, key, false, ret, err);
}

int json_opt_bool(const struct json_t *obj, const char *key, bool *ret, struct err *err)
{
	return get_bool(obj, key, true, ret, err);
}

int json_get_obj(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err)
{
	return get_container(obj, key, false, JSON_KIND_OBJECT, ret, err);
}

int json_opt_obj(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err)
{
	return get_container(obj, key, true, JSON_KIND_OBJECT, ret, err);
}

int json_get_arr(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err)
{
	return get_container(obj, key, false, JSON_KIND_ARRAY, ret, err);
}

int json_opt_arr(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err)
{
	return get_container(obj, key, true, JSON_KIND_ARRAY, ret, err);
}

int json_get_any(const struct json_t *obj, const char *key, struct json_t **ret, struct err *err)
{
	const json_t *v = NULL;

	TRY(fetch(obj, key, false, &v, err));
	if (!v)
		return mismatch(err, sv_str(key), "a value", v);
	*ret = (json_t *)v;
	return 0;
}

int json_err_at(struct err *err, const char *fmt, ...)
{
	char step[96], old[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return ERR_INVALID;
	va_start(ap, fmt);
	vsnprintf(step, sizeof(step), fmt, ap);
	va_end(ap);
	memcpy(old, err->msg, sizeof(old));
	bool rooted = old[0] == '$';
	snprintf(err->msg, sizeof(err->msg), "$.%s%s%.140s", step, rooted ? "" : ": ",
		rooted ? old + 1 : old);
	return err->code;
}

int json_only_keys(const struct json_t *obj, const char *const *allowed, struct err *err)
{
	struct json_t *val;
	struct sv key;

	for (void *it = NULL; json_next(obj, &it, &key, &val);) {
		const char *const *a = allowed;
		while (*a && !sv_eq_str(key, *a))
			a++;
		if (!*a)
			return err_set(err, ERR_INVALID, "$.%.*s: unknown key", SV(key));
	}
	return 0;
}

struct json_t *json_member(const struct json_t *obj, struct sv key)
{
	return json_object_getn(obj, key.ptr ? key.ptr : "", key.len);
}

/* One step of a path: "name" or "name[2]" or "[2]". */
static const json_t *find_step(const json_t *v, struct sv step)
{
	ptrdiff_t bracket = sv_find_char(step, '[');
	struct sv name = bracket < 0 ? step : sv_make(step.ptr, (size_t)bracket);

	if (name.len)
		v = json_object_getn(v, name.ptr, name.len);
	while (v && bracket >= 0) {
		int64_t i;
		step = sv_from(step, (size_t)bracket + 1);
		ptrdiff_t end = sv_find_char(step, ']');
		if (end < 0 || !sv_to_i64(sv_make(step.ptr, (size_t)end), &i) || i < 0)
			return NULL;
		v = json_array_get(v, (size_t)i);
		step = sv_from(step, (size_t)end + 1);
		bracket = step.len ? 0 : -1;
		if (step.len && step.ptr[0] != '[')
			return NULL;
	}
	return v;
}

struct json_t *json_find(const struct json_t *v, struct sv path)
{
	struct sv step;

	while (v && sv_split(&path, '.', &step))
		v = find_step(v, step);
	return (json_t *)v;
}

struct json_t *json_item(const struct json_t *arr, size_t i)
{
	return json_array_get(arr, i);
}

size_t json_len(const struct json_t *v)
{
	return json_is_array(v) ? json_array_size(v) : json_object_size(v);
}

struct sv json_sv(const struct json_t *v)
{
	return json_is_string(v) ? sv_make(json_string_value(v), json_string_length(v)) : SV_NULL;
}

bool json_is_int(const struct json_t *v)
{
	if (!json_is_real(v))
		return json_is_integer(v);
	double n = json_real_value(v);
	return n == trunc(n) && n >= -0x1p63 && n < 0x1p63;
}

int64_t json_int(const struct json_t *v)
{
	if (!json_is_int(v))
		return 0;
	return json_is_real(v) ? (int64_t)json_real_value(v) : json_integer_value(v);
}

double json_num(const struct json_t *v)
{
	return json_number_value(v);
}

bool json_truth(const struct json_t *v)
{
	return json_is_true(v);
}

static bool same_number(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b))
		return json_integer_value(a) == json_integer_value(b);
	return json_number_value(a) == json_number_value(b);
}

static bool same_items(const json_t *a, const json_t *b)
{
	if (json_array_size(a) != json_array_size(b))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++)
		if (!json_same(json_array_get(a, i), json_array_get(b, i)))
			return false;
	return true;
}

static bool same_members(const json_t *a, const json_t *b)
{
	struct json_t *val;
	struct sv key;

	if (json_object_size(a) != json_object_size(b))
		return false;
	for (void *it = NULL; json_next(a, &it, &key, &val);)
		if (!json_same(val, json_member(b, key)))
			return false;
	return true;
}

bool json_same(const struct json_t *a, const struct json_t *b)
{
	enum json_kind kind = json_kind(a);

	if (kind != json_kind(b))
		return false;
	switch (kind) {
	case JSON_KIND_BOOL: return json_truth(a) == json_truth(b);
	case JSON_KIND_NUMBER: return same_number(a, b);
	case JSON_KIND_STRING: return sv_eq(json_sv(a), json_sv(b));
	case JSON_KIND_ARRAY: return same_items(a, b);
	case JSON_KIND_OBJECT: return same_members(a, b);
	case JSON_KIND_NULL:
	case JSON_KIND_ABSENT: break;
	}
	return true;
}

bool json_next(const struct json_t *obj, void **it, struct sv *ret_key, struct json_t **ret_val)
{
	json_t *o = (json_t *)obj;

	*it = *it ? json_object_iter_next(o, *it) : json_object_iter(o);
	if (!*it)
		return false;
	*ret_key = sv_make(json_object_iter_key(*it), json_object_iter_key_len(*it));
	*ret_val = json_object_iter_value(*it);
	return true;
}

/* The library's only failure left is a lack of memory, which ends the program everywhere. */
static json_t *made(json_t *v)
{
	assert(v);
	return v;
}

struct json_t *json_new_obj(void)
{
	return made(json_object());
}

struct json_t *json_new_arr(void)
{
	return made(json_array());
}

struct json_t *json_new_str(struct sv s)
{
	json_t *v = json_stringn(s.ptr ? s.ptr : "", s.len);
	if (v)
		return v;
	own_in(buf_done) struct buf repaired = { 0 };
	buf_init(&repaired, s.len * 3);
	enc_utf8(&repaired, s);
	return made(json_stringn(repaired.ptr, repaired.len));
}

struct json_t *json_new_int(int64_t n)
{
	return made(json_integer(n));
}

struct json_t *json_new_num(double n)
{
	return isfinite(n) ? made(json_real(n)) : json_null();
}

struct json_t *json_new_bool(bool b)
{
	return json_boolean(b);
}

struct json_t *json_new_null(void)
{
	return json_null();
}

struct json_t *json_clone(const struct json_t *v)
{
	return made(json_deep_copy(v));
}

void json_set(struct json_t *obj, struct sv key, struct json_t *v)
{
	made(obj);
	if (enc_is_utf8(key)) {
		int rc = json_object_setn_new_nocheck(obj, key.ptr ? key.ptr : "", key.len, v);
		assert(rc == 0);
		return;
	}
	own_in(buf_done) struct buf repaired = { 0 };
	buf_init(&repaired, key.len * 3);
	enc_utf8(&repaired, key);
	json_object_setn_new_nocheck(obj, repaired.ptr, repaired.len, v);
}

void json_set_str(struct json_t *obj, const char *key, struct sv s)
{
	json_set(obj, sv_str(key), json_new_str(s));
}

void json_set_int(struct json_t *obj, const char *key, int64_t n)
{
	json_set(obj, sv_str(key), json_new_int(n));
}

void json_set_bool(struct json_t *obj, const char *key, bool b)
{
	json_set(obj, sv_str(key), json_new_bool(b));
}

void json_set_null(struct json_t *obj, const char *key)
{
	json_set(obj, sv_str(key), json_new_null());
}

void json_push(struct json_t *arr, struct json_t *v)
{
	int rc = json_array_append_new(arr, v);
	assert(rc == 0);
}

void json_put(struct json_t *arr, size_t i, struct json_t *v)
{
	int rc = json_array_set_new(arr, i, v);
	assert(rc == 0);
}

void json_del(struct json_t *obj, struct sv key)
{
	json_object_deln(obj, key.ptr ? key.ptr : "", key.len);
}
