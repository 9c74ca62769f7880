#include "data/query.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"

/* A key as it nests: "a[b][]" is a, b, "". */
struct key_path {
	struct sv steps[QUERY_DEPTH_MAX + 2];
	size_t n;
};

bool query_next(struct sv *rest, struct sv *ret_key, struct sv *ret_value)
{
	struct sv pair;

	do {
		if (!sv_split(rest, '&', &pair))
			return false;
	} while (pair.len == 0);
	/* In "a[b=c]=d" the value begins behind the bracket. */
	ptrdiff_t eq = sv_find(pair, SV_LIT("]="));
	eq = eq >= 0 ? eq + 1 : sv_find_char(pair, '=');
	*ret_key = eq < 0 ? pair : sv_make(pair.ptr, (size_t)eq);
	*ret_value = eq < 0 ? SV_NULL : sv_from(pair, (size_t)eq + 1);
	return true;
}

static struct sv decoded(struct buf *b, struct arena *arena, struct sv text)
{
	own_in(buf_done) struct buf raw = { 0 };

	buf_init(&raw, text.len);
	enc_unpercent(&raw, text, true);
	buf_clear(b);
	enc_utf8(b, buf_sv(&raw));
	return arena_sv(arena, buf_sv(b));
}

/* The next "[...]" at or behind `from`, without brackets inside; -1 when there is none. */
static ptrdiff_t next_bracket(struct sv key, size_t from, size_t *ret_end)
{
	ptrdiff_t open = -1;

	for (size_t i = from; i < key.len; i++) {
		if (key.ptr[i] == '[')
			open = (ptrdiff_t)i;
		if (key.ptr[i] == ']' && open >= 0) {
			*ret_end = i + 1;
			return open;
		}
	}
	return -1;
}

static void split_key(struct sv key, struct key_path *path)
{
	size_t end = 0;
	ptrdiff_t open = next_bracket(key, 0, &end);

	path->n = 0;
	if (open != 0)
		path->steps[path->n++] = open < 0 ? key : sv_make(key.ptr, (size_t)open);
	for (size_t depth = 0; open >= 0; depth++) {
		if (depth == QUERY_DEPTH_MAX) {
			path->steps[path->n++] = sv_from(key, (size_t)open);
			return;
		}
		path->steps[path->n++] = sv_make(key.ptr + open + 1, end - (size_t)open - 2);
		open = next_bracket(key, end, &end);
	}
}

static bool array_step(struct sv step)
{
	int64_t i;

	if (step.len == 0)
		return true;
	bool canonical = step.len == 1 || step.ptr[0] != '0';
	return canonical && step.ptr[0] != '-' && sv_to_i64(step, &i) && i <= QUERY_ARRAY_MAX;
}

/* An array that gets a name becomes an object keyed by position. */
static struct json_t *as_object(struct json_t *v)
{
	struct json_t *obj = json_new_obj();
	char name[24];

	for (size_t i = 0; i < json_len(v); i++) {
		own_in(buf_done) struct buf b = { 0 };
		buf_init(&b, sizeof(name));
		buf_i64(&b, (int64_t)i);
		json_set(obj, buf_sv(&b), json_ref(json_item(v, i)));
	}
	return obj;
}

static struct json_t *as_array(struct json_t *v)
{
	struct json_t *arr = json_new_arr();

	if (v)
		json_push(arr, v);
	return arr;
}

/* What `old` (owned, may be NULL) becomes when the plain `value` is added to it. */
static struct json_t *add_leaf(struct json_t *old, struct sv value)
{
	if (!old)
		return json_new_str(value);
	if (json_kind(old) == JSON_KIND_OBJECT) {
		json_set(old, value, json_new_bool(true));
		return old;
	}
	struct json_t *arr = json_kind(old) == JSON_KIND_ARRAY ? old : as_array(old);
	json_push(arr, json_new_str(value));
	return arr;
}

static struct json_t *add(struct json_t *old, const struct sv *steps, size_t n, struct sv value);

static void add_at(struct json_t *arr, const struct sv *steps, size_t n, struct sv value)
{
	int64_t i = -1;

	if (!sv_to_i64(steps[0], &i)) {
		json_push(arr, add(NULL, steps + 1, n - 1, value));
		return;
	}
	/* Holes are null until the end: no value is null itself. */
	while (json_len(arr) <= (size_t)i)
		json_push(arr, json_new_null());
	struct json_t *item = json_item(arr, (size_t)i);
	if (json_kind(item) == JSON_KIND_NULL)
		json_put(arr, (size_t)i, add(NULL, steps + 1, n - 1, value));
	else if (n > 1 && json_kind(item) != JSON_KIND_STRING)
		json_put(arr, (size_t)i, add(json_ref(item), steps + 1, n - 1, value));
	else
		json_push(arr, add(NULL, steps + 1, n - 1, value));
}

/* What `old` (owned, may be NULL) becomes when `value` is added under the steps. */
static struct json_t *add(struct json_t *old, const struct sv *steps, size_t n, struct sv value)
{
	if (n == 0)
		return add_leaf(old, value);
	enum json_kind kind = json_kind(old);
	if (array_step(steps[0]) && kind != JSON_KIND_OBJECT) {
		struct json_t *arr = kind == JSON_KIND_ARRAY ? old : as_array(old);
		add_at(arr, steps, n, value);
		return arr;
	}
	if (kind == JSON_KIND_STRING) {
		struct json_t *arr = as_array(old);
		json_push(arr, add(NULL, steps, n, value));
		return arr;
	}
	struct json_t *obj = old;
	if (kind == JSON_KIND_ARRAY) {
		obj = as_object(old);
		json_unref(old);
	} else if (!obj) {
		obj = json_new_obj();
	}
	struct json_t *child = json_ref(json_member(obj, steps[0]));
	json_set(obj, steps[0], add(child, steps + 1, n - 1, value));
	return obj;
}

/* Arrays without the holes that were left in them. */
static struct json_t *compact(struct json_t *v)
{
	enum json_kind kind = json_kind(v);
	struct json_t *out, *val;
	struct sv key;

	if (kind == JSON_KIND_ARRAY) {
		out = json_new_arr();
		for (size_t i = 0; i < json_len(v); i++)
			if (json_kind(json_item(v, i)) != JSON_KIND_NULL)
				json_push(out, compact(json_item(v, i)));
		return out;
	}
	if (kind != JSON_KIND_OBJECT)
		return json_ref(v);
	out = json_new_obj();
	for (void *it = NULL; json_next(v, &it, &key, &val);)
		json_set(out, key, compact(val));
	return out;
}

int query_parse(struct sv text, struct json_t **ret, struct err *err)
{
	own(json_unref) struct json_t *root = json_new_obj();
	own_in(arena_done) struct arena arena = { 0 };
	own_in(buf_done) struct buf scratch = { 0 };
	struct key_path path;
	struct sv key, value, rest = text.len ? text : SV_NULL;
	size_t pairs = 0;

	buf_init(&scratch, text.len * 3);
	while (query_next(&rest, &key, &value)) {
		if (++pairs > QUERY_PARAMS_MAX)
			return err_set(
				err, ERR_LIMIT, "more than %d query parameters", QUERY_PARAMS_MAX);
		split_key(decoded(&scratch, &arena, key), &path);
		if (path.n == 0 || (path.n == 1 && path.steps[0].len == 0))
			continue;
		root = add(take(root), path.steps, path.n, decoded(&scratch, &arena, value));
	}
	*ret = compact(root);
	return 0;
}
