#include "cli/params.h"

#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/query.h"

#include <stdlib.h>

#define TEXT_MAX (64u << 20)

static void add(struct params *p, struct sv name, struct sv value)
{
	/* Grown by doubling. */
	if ((p->count & (p->count - 1)) == 0) {
		size_t cap = p->count ? 2 * p->count : 1;
		struct param *bigger = arena_array(p->arena, cap, sizeof(*bigger));
		if (p->count)
			memcpy(bigger, p->items, p->count * sizeof(*bigger));
		p->items = bigger;
	}
	p->items[p->count++] = (struct param){ name, value };
}

static struct sv decoded(struct arena *a, struct sv text)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, text.len + 1);
	enc_unpercent(&b, text, true);
	return arena_sv(a, buf_sv(&b));
}

void params_parse(struct params *p, struct sv query)
{
	struct sv key, value;

	while (query_next(&query, &key, &value))
		add(p, decoded(p->arena, key), decoded(p->arena, value));
}

void params_set(struct params *p, struct sv name, struct sv value)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++)
		if (!sv_eq(p->items[i].name, name))
			p->items[kept++] = p->items[i];
	/* Room was made for more than were kept, so it may be anything: begin a fresh array. */
	struct params now = { .arena = p->arena };
	for (size_t i = 0; i < kept; i++)
		add(&now, p->items[i].name, p->items[i].value);
	add(&now, name, value);
	*p = now;
}

static void text_into(const struct json_t *v, struct buf *out)
{
	switch (json_kind(v)) {
	case JSON_KIND_STRING: buf_sv_add(out, json_sv(v)); return;
	case JSON_KIND_OBJECT: buf_str(out, "[object Object]"); return;
	case JSON_KIND_ABSENT: buf_str(out, "undefined"); return;
	case JSON_KIND_NULL:
	case JSON_KIND_BOOL:
	case JSON_KIND_NUMBER: json_dump_compact(v, out); return;
	case JSON_KIND_ARRAY: break;
	}
	for (size_t i = 0; i < json_len(v); i++) {
		if (i)
			buf_char(out, ',');
		if (json_kind(json_item(v, i)) != JSON_KIND_NULL)
			text_into(json_item(v, i), out);
	}
}

struct sv params_text(struct arena *a, const struct json_t *v)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, TEXT_MAX);
	text_into(v, &text);
	return arena_sv(a, buf_sv(&text));
}

static int compare_sv(struct sv a, struct sv b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.ptr, b.ptr, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *a, const void *b)
{
	const struct param *x = a, *y = b;
	int order = compare_sv(x->name, y->name);

	return order ? order : compare_sv(x->value, y->value);
}

void params_sort(struct params *p)
{
	if (p->count)
		qsort(p->items, p->count, sizeof(*p->items), compare);
}

bool params_same(const struct params *a, const struct params *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (compare(&a->items[i], &b->items[i]) != 0)
			return false;
	return true;
}

void params_dump(const struct params *p, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < p->count; i++) {
		buf_str(out, i ? ",[" : "[");
		buf_json_str(out, p->items[i].name);
		buf_char(out, ',');
		buf_json_str(out, p->items[i].value);
		buf_char(out, ']');
	}
	buf_char(out, ']');
}
