#include "data/params.h"

#include "base/buf.h"
#include "data/enc.h"
#include "data/query.h"

#include <stdlib.h>

enum { LENGTH_MAX = 1 << 20 };

void params_init(struct params *p, struct arena *a)
{
	*p = (struct params){ .arena = a, .items = arena_array(a, PARAMS_MAX, sizeof(*p->items)) };
}

static struct sv encoded(struct arena *a, struct sv plain)
{
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, 3 * LENGTH_MAX);
	enc_percent(&out, plain, ENC_RFC3986);
	return arena_sv(a, out.len ? buf_sv(&out) : SV_LIT(""));
}

void params_add(struct params *p, struct sv name, struct sv value)
{
	p->full |= p->count == PARAMS_MAX;
	if (!p->full)
		p->items[p->count++] =
			(struct param){ encoded(p->arena, name), encoded(p->arena, value) };
}

void params_add_pairs(struct params *p, struct sv pairs)
{
	own_in(buf_done) struct buf plain_name = { 0 }, plain_value = { 0 };
	struct sv name, value;

	buf_init(&plain_name, LENGTH_MAX);
	buf_init(&plain_value, LENGTH_MAX);
	while (pairs.len && query_next(&pairs, &name, &value)) {
		buf_clear(&plain_name);
		buf_clear(&plain_value);
		enc_unpercent(&plain_name, name, true);
		enc_unpercent(&plain_value, value, true);
		params_add(p, buf_sv(&plain_name), buf_sv(&plain_value));
	}
	p->full |= !buf_ok(&plain_name) || !buf_ok(&plain_value);
}

static int compare(struct sv a, struct sv b)
{
	int d = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return d ? d : (a.len > b.len) - (a.len < b.len);
}

static int by_name_and_value(const void *x, const void *y)
{
	const struct param *a = x, *b = y;
	int d = compare(a->name, b->name);

	return d ? d : compare(a->value, b->value);
}

struct sv params_canonical(struct params *p)
{
	own_in(buf_done) struct buf out = { 0 };

	if (p->full)
		return SV_NULL;
	qsort(p->items, p->count, sizeof(*p->items), by_name_and_value);
	buf_init(&out, 4 * LENGTH_MAX);
	for (size_t i = 0; i < p->count; i++)
		buf_printf(&out, "%s%.*s=%.*s", i ? "&" : "", SV(p->items[i].name),
			SV(p->items[i].value));
	return buf_ok(&out) ? arena_sv(p->arena, out.len ? buf_sv(&out) : SV_LIT("")) : SV_NULL;
}

struct sv params_canonical_pairs(struct sv pairs, struct arena *a)
{
	struct params p;

	params_init(&p, a);
	params_add_pairs(&p, pairs);
	return params_canonical(&p);
}
