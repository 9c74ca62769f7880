#include "proxy/canonical.h"

#include "base/buf.h"
#include "data/enc.h"
#include "data/query.h"

#include <stdlib.h>

enum { LENGTH_MAX = 1 << 20 };

struct pair {
	struct sv name, value;
};

static struct sv recoded(struct sv s, struct arena *a)
{
	own_in(buf_done) struct buf plain = { 0 }, out = { 0 };

	buf_init(&plain, LENGTH_MAX);
	buf_init(&out, 3 * LENGTH_MAX);
	enc_unpercent(&plain, s, true);
	enc_percent(&out, buf_sv(&plain), ENC_RFC3986);
	return arena_sv(a, out.len ? buf_sv(&out) : SV_LIT(""));
}

static int compare(struct sv a, struct sv b)
{
	int d = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return d ? d : (a.len > b.len) - (a.len < b.len);
}

static int by_name_and_value(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;
	int d = compare(a->name, b->name);

	return d ? d : compare(a->value, b->value);
}

struct sv canonical_params(struct sv pairs, struct arena *a)
{
	struct pair *all = arena_array(a, CANONICAL_PARAMS_MAX, sizeof(*all));
	own_in(buf_done) struct buf out = { 0 };
	struct sv rest = pairs, name, value;
	size_t n = 0;

	while (pairs.len && query_next(&rest, &name, &value)) {
		if (n == CANONICAL_PARAMS_MAX)
			return SV_NULL;
		all[n++] = (struct pair){ recoded(name, a), recoded(value, a) };
	}
	qsort(all, n, sizeof(*all), by_name_and_value);
	buf_init(&out, 4 * LENGTH_MAX);
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%s%.*s=%.*s", i ? "&" : "", SV(all[i].name), SV(all[i].value));
	return buf_ok(&out) ? arena_sv(a, out.len ? buf_sv(&out) : SV_LIT("")) : SV_NULL;
}
