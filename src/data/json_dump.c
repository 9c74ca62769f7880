#include "data/json_dump.h"

#include "base/mem.h"
#include "data/jsnum.h"
#include "data/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

struct member {
	struct sv key;
	struct json_t *val;
};

static void dump(const json_t *v, bool sorted, struct buf *out);

/* JavaScript lists such keys first, by value: canonical decimals below 2^32 - 1. */
static bool array_index(struct sv key, uint64_t *ret)
{
	uint64_t n = 0;

	if (key.len == 0 || key.len > 10 || (key.len > 1 && key.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < key.len; i++) {
		if (key.ptr[i] < '0' || key.ptr[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(key.ptr[i] - '0');
	}
	*ret = n;
	return n < UINT32_MAX;
}

/*
 * UTF-8 bytes sort like code points, UTF-16 units nearly so: surrogate pairs (lead bytes F0 up)
 * come before U+E000..U+FFFF (lead bytes EE and EF).
 */
static int units_cmp(struct sv a, struct sv b)
{
	size_t n = a.len < b.len ? a.len : b.len, i = 0;

	while (i < n && a.ptr[i] == b.ptr[i])
		i++;
	if (i == n)
		return (a.len > b.len) - (a.len < b.len);
	int x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
	if (x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0))
		return y - x;
	return x - y;
}

int json_key_cmp(struct sv a, struct sv b)
{
	uint64_t x, y;
	bool xi = array_index(a, &x), yi = array_index(b, &y);

	if (xi && yi)
		return (x > y) - (x < y);
	return xi != yi ? yi - xi : units_cmp(a, b);
}

static int member_cmp(const void *a, const void *b)
{
	return json_key_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void dump_member(struct sv key, const json_t *val, bool sorted, struct buf *out)
{
	buf_json_str(out, key);
	buf_char(out, ':');
	dump(val, sorted, out);
}

static void dump_sorted_members(const json_t *obj, struct buf *out)
{
	size_t n = json_object_size(obj), i = 0;
	own_mem struct member *members = mem_array(n + 1, sizeof(*members));

	for (void *it = NULL; json_next(obj, &it, &members[i].key, &members[i].val); i++)
		assert(i < n);
	qsort(members, n, sizeof(*members), member_cmp);
	for (i = 0; i < n; i++) {
		if (i)
			buf_char(out, ',');
		dump_member(members[i].key, members[i].val, true, out);
	}
}

static void dump_members(const json_t *obj, struct buf *out)
{
	struct json_t *val;
	struct sv key;
	bool comma = false;

	for (void *it = NULL; json_next(obj, &it, &key, &val); comma = true) {
		if (comma)
			buf_char(out, ',');
		dump_member(key, val, false, out);
	}
}

static void dump_items(const json_t *arr, bool sorted, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(arr); i++) {
		if (i)
			buf_char(out, ',');
		dump(json_array_get(arr, i), sorted, out);
	}
}

static void dump_real(double n, struct buf *out)
{
	char text[JSNUM_SIZE];

	if (isfinite(n))
		buf_add(out, text, jsnum_format(n, text));
	else
		buf_str(out, "null");
}

static void dump(const json_t *v, bool sorted, struct buf *out)
{
	if (!v) {
		buf_str(out, "null");
		return;
	}
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		buf_char(out, '{');
		if (sorted)
			dump_sorted_members(v, out);
		else
			dump_members(v, out);
		buf_char(out, '}');
		break;
	case JSON_ARRAY:
		buf_char(out, '[');
		dump_items(v, sorted, out);
		buf_char(out, ']');
		break;
	case JSON_STRING: buf_json_str(out, json_sv(v)); break;
	case JSON_INTEGER: buf_i64(out, json_integer_value(v)); break;
	case JSON_REAL: dump_real(json_real_value(v), out); break;
	case JSON_TRUE: buf_str(out, "true"); break;
	case JSON_FALSE: buf_str(out, "false"); break;
	case JSON_NULL: buf_str(out, "null"); break;
	}
}

void json_dump_compact(const struct json_t *v, struct buf *out)
{
	dump(v, false, out);
}

void json_dump_sorted(const struct json_t *v, struct buf *out)
{
	dump(v, true, out);
}
