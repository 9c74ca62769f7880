#include "api/check.h"

#include "base/buf.h"
#include "base/sv.h"
#include "data/json.h"
#include "data/jw.h"
#include "data/uuid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const struct check_pattern PATTERN_NAME = { "/^[a-zA-Z0-9_-]+$/", NULL, "a-zA-Z0-9_-" };
const struct check_pattern PATTERN_PROVIDER = { "/^[a-zA-Z0-9_-]+$/", NULL, "a-zA-Z0-9_-" };
const struct check_pattern PATTERN_MODEL = { "/^[A-Z][a-zA-Z0-9_-]+$/", "A-Z", "a-zA-Z0-9_-" };
const struct check_pattern PATTERN_INTEGRATION = { "/^[a-zA-Z0-9~:.@ _-]+$/", NULL,
	"a-zA-Z0-9~:.@ _-" };
const struct check_pattern PATTERN_CONNECTION = { "/^[a-zA-Z0-9,.;:=+~[\\]|@${}\"'\\\\/_ -]+$/",
	NULL, "a-zA-Z0-9,.;:=+~[]|@${}\"'\\/_ -" };

static bool in_class(const char *class, char ch)
{
	for (const char *p = class; *p; p++) {
		if (p[1] == '-' && p[2]) {
			if (ch >= p[0] && ch <= p[2])
				return true;
			p += 2;
		} else if (*p == ch) {
			return true;
		}
	}
	return false;
}

bool check_pattern_matches(const struct check_pattern *p, struct sv s)
{
	size_t i = 0;

	if (p->first && (s.len == 0 || !in_class(p->first, s.ptr[i++])))
		return false;
	if (i == s.len)
		return false;
	for (; i < s.len; i++) {
		if (!in_class(p->rest, s.ptr[i]))
			return false;
	}
	return true;
}

/* --- issues --- */

/* For one issue more; NULL when there are enough of them. */
static struct issue *place(struct issues *is)
{
	size_t at = is->count++;

	if (at >= ISSUES_MAX)
		return NULL;
	if (at == is->cap) {
		size_t cap = is->cap ? is->cap * 2 : 4;
		cap = cap > ISSUES_MAX ? ISSUES_MAX : cap;
		struct issue *more = arena_array(is->arena, cap, sizeof(*more));
		if (at)
			memcpy(more, is->items, at * sizeof(*more));
		is->items = more;
		is->cap = cap;
	}
	return &is->items[at];
}

__attribute__((format(printf, 4, 0))) static void add(
	struct issues *is, const char *step, const char *code, const char *fmt, va_list args)
{
	char text[1024];

	struct issue *it = place(is);
	if (!it)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	it->code = code;
	it->message = arena_str(is->arena, sv_str(text));
	it->depth = is->depth + (step ? 1 : 0);
	it->path = arena_array(is->arena, it->depth + 1, sizeof(*it->path));
	for (size_t i = 0; i < is->depth; i++)
		it->path[i] = is->path[i];
	if (step)
		it->path[is->depth] = arena_str(is->arena, sv_str(step));
}

void issue_add(struct issues *is, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(is, NULL, code, fmt, args);
	va_end(args);
}

void issue_add_at(struct issues *is, const char *step, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(is, step, code, fmt, args);
	va_end(args);
}

void issues_write(const struct issues *is, struct jw *w)
{
	jw_arr(w);
	for (size_t i = 0; i < is->count && i < ISSUES_MAX; i++) {
		const struct issue *it = &is->items[i];
		jw_obj(w);
		jw_kv_cstr(w, "code", it->code);
		jw_kv_cstr(w, "message", it->message);
		jw_kv_arr(w, "path");
		for (size_t k = 0; k < it->depth; k++)
			jw_cstr(w, it->path[k]);
		jw_end(w);
		jw_end(w);
	}
	jw_end(w);
}

static bool enter(struct issues *is, const char *step)
{
	if (is->depth == ISSUE_DEPTH_MAX - 1)
		return false;
	is->path[is->depth++] = step;
	return true;
}

/* --- values --- */

static const char *type_name(const struct json_t *v)
{
	enum json_kind kind = json_kind(v);

	return kind == JSON_KIND_ABSENT ? "undefined" : json_kind_name(kind);
}

static void wrong_type(struct issues *is, const char *expected, const struct json_t *v)
{
	issue_add(is, "invalid_type", "Invalid input: expected %s, received %s", expected,
		type_name(v));
}

/* Length as JavaScript counts it: UTF-16 code units. */
static size_t text_length(struct sv s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.ptr[i];
		if (ch < 0x80 || ch >= 0xC0)
			n += ch >= 0xF0 ? 2 : 1;
	}
	return n;
}

static void check_size(
	struct issues *is, const struct check *c, double size, const char *of, const char *unit)
{
	const char *have = *unit ? " to have" : " to be";

	if ((c->flags & CHECK_MIN) && size < c->min)
		issue_add(is, "too_small", "Too small: expected %s%s >=%.0f%s", of, have, c->min,
			unit);
	if (c->max > 0 && size > c->max)
		issue_add(is, "too_big", "Too big: expected %s%s <=%.0f%s", of, have, c->max, unit);
}

static bool is_email(struct sv s)
{
	ptrdiff_t at = sv_find_char(s, '@');

	if (at <= 0 || sv_find_char(s, ' ') >= 0)
		return false;
	struct sv host = sv_from(s, (size_t)at + 1);
	ptrdiff_t dot = sv_find_char(host, '.');
	return dot > 0 && (size_t)dot + 2 < host.len && sv_find_char(host, '@') < 0;
}

static bool is_url(struct sv s)
{
	bool known = sv_starts(s, SV_LIT("http://")) || sv_starts(s, SV_LIT("https://"));
	ptrdiff_t slashes = sv_find(s, SV_LIT("://"));

	return known && (size_t)slashes + 3 < s.len && sv_find_char(s, ' ') < 0;
}

static void check_text(struct issues *is, const struct check *c, const struct json_t *v)
{
	if (json_kind(v) != JSON_KIND_STRING) {
		wrong_type(is, "string", v);
		return;
	}
	struct sv s = json_sv(v);
	if (c->pattern && !check_pattern_matches(c->pattern, s))
		issue_add(is, "invalid_format", "Invalid string: must match pattern %s",
			c->pattern->regex);
	if ((c->flags & CHECK_UUID) && !uuid_is_valid(s))
		issue_add(is, "invalid_format", "Invalid UUID");
	if ((c->flags & CHECK_EMAIL) && !is_email(s))
		issue_add(is, "invalid_format", "Invalid email address");
	if ((c->flags & CHECK_URL) && !is_url(s))
		issue_add(is, "invalid_format", "Invalid URL");
	check_size(is, c, (double)text_length(s), "string", " characters");
}

bool check_number(struct sv text, double *ret)
{
	char copy[64], *end;

	text = sv_trim(text);
	*ret = 0;
	if (text.len == 0)
		return true;
	if (text.len >= sizeof(copy))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!strchr("0123456789+-.eE", text.ptr[i]))
			return false;
	}
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	*ret = strtod(copy, &end);
	return end == copy + text.len && isfinite(*ret);
}

static void check_num(struct issues *is, const struct check *c, const struct json_t *v)
{
	double n;

	if (json_kind(v) == JSON_KIND_NUMBER) {
		n = json_num(v);
	} else if (c->kind != CHECK_COERCED) {
		wrong_type(is, "number", v);
		return;
	} else if (json_kind(v) != JSON_KIND_STRING || !check_number(json_sv(v), &n)) {
		issue_add(is, "invalid_type", "Invalid input: expected number, received NaN");
		return;
	}
	check_size(is, c, n, "number", "");
}

static void check_option(struct issues *is, const struct check *c, const struct json_t *v)
{
	own_in(buf_done) struct buf list = { 0 };
	struct sv rest = sv_str(c->options), option;

	buf_init(&list, 1000);
	while (sv_split(&rest, '|', &option)) {
		if (json_kind(v) == JSON_KIND_STRING && sv_eq(json_sv(v), option))
			return;
		buf_printf(&list, "%s\"%.*s\"", list.len ? "|" : "", SV(option));
	}
	issue_add(is, "invalid_value", "Invalid option: expected one of %s", list.ptr);
}

static void check_items(struct issues *is, const struct check *c, const struct json_t *v)
{
	if (json_kind(v) != JSON_KIND_ARRAY) {
		wrong_type(is, "array", v);
		return;
	}
	for (size_t i = 0; c->item && i < json_len(v); i++) {
		if (!enter(is, arena_printf(is->arena, "%zu", i)))
			return;
		check_value(json_item(v, i), c->item, is);
		is->depth--;
	}
	check_size(is, c, (double)json_len(v), "array", " items");
}

static void check_map(struct issues *is, const struct check *c, const struct json_t *v)
{
	void *it = NULL;
	struct sv key;
	struct json_t *value;

	if (json_kind(v) != JSON_KIND_OBJECT) {
		wrong_type(is, "record", v);
		return;
	}
	while (json_next(v, &it, &key, &value)) {
		if (!enter(is, arena_str(is->arena, key)))
			return;
		check_value(value, c->item, is);
		is->depth--;
	}
}

static void check_union(struct issues *is, const struct check *c, const struct json_t *v)
{
	for (const struct check *each = c->fields; each->name; each++) {
		struct issues *own = ARENA_NEW(is->arena, struct issues);
		own->arena = is->arena;
		check_value(v, each, own);
		if (own->count == 0)
			return;
	}
	issue_add(is, "invalid_union", "Invalid input");
}

static void check_present(struct issues *is, const struct check *c, const struct json_t *v)
{
	switch (c->kind) {
	case CHECK_STR: check_text(is, c, v); return;
	case CHECK_NUM:
	case CHECK_COERCED: check_num(is, c, v); return;
	case CHECK_BOOL:
		if (json_kind(v) != JSON_KIND_BOOL)
			wrong_type(is, "boolean", v);
		return;
	case CHECK_BOOL_TEXT:
	case CHECK_ENUM: check_option(is, c, v); return;
	case CHECK_OBJ:
		if (c->fields)
			check_object(v, c->fields, c->flags & CHECK_LOOSE, is);
		else if (json_kind(v) != JSON_KIND_OBJECT)
			wrong_type(is, "object", v);
		return;
	case CHECK_MAP: check_map(is, c, v); return;
	case CHECK_ARR: check_items(is, c, v); return;
	case CHECK_UNION: check_union(is, c, v); return;
	case CHECK_ANY: return;
	}
}

void check_value(const struct json_t *v, const struct check *c, struct issues *is)
{
	enum json_kind kind = json_kind(v);

	if (kind == JSON_KIND_ABSENT && !(c->flags & CHECK_REQUIRED))
		return;
	if (kind == JSON_KIND_NULL && (c->flags & CHECK_NULLABLE))
		return;
	check_present(is, c, v);
	/* What is no text cannot be looked at as one. */
	bool typed = c->kind != CHECK_STR || kind == JSON_KIND_STRING;
	if (c->also && kind != JSON_KIND_ABSENT && typed)
		c->also(is, v);
}

static bool is_field(const struct check *fields, struct sv key)
{
	for (const struct check *c = fields; c->name; c++) {
		if (sv_eq_str(key, c->name))
			return true;
	}
	return false;
}

static void check_unknown(const struct json_t *v, const struct check *fields, struct issues *is)
{
	own_in(buf_done) struct buf list = { 0 };
	void *it = NULL;
	struct sv key;
	struct json_t *value;
	size_t count = 0;

	buf_init(&list, 1000);
	while (json_next(v, &it, &key, &value)) {
		if (is_field(fields, key))
			continue;
		buf_printf(&list, "%s\"%.*s\"", count++ ? ", " : "", SV(key));
	}
	if (count)
		issue_add(is, "unrecognized_keys", "Unrecognized key%s: %s", count > 1 ? "s" : "",
			list.ptr ? list.ptr : "");
}

void check_object(const struct json_t *v, const struct check *fields, bool loose, struct issues *is)
{
	if (json_kind(v) != JSON_KIND_OBJECT) {
		wrong_type(is, "object", v);
		return;
	}
	for (const struct check *c = fields; c->name; c++) {
		if (!enter(is, c->name))
			return;
		check_value(json_member(v, sv_str(c->name)), c, is);
		is->depth--;
	}
	if (!loose)
		check_unknown(v, fields, is);
}
