#include "http/router.h"

#include "base/buf.h"
#include "base/sv.h"
#include "http/header.h"

#include <stdlib.h>

enum { SEGMENTS_MAX = 32, PATTERN_MAX = 16 };

/* In the order of preference. */
enum segment_kind { SEGMENT_LITERAL, SEGMENT_PARAM, SEGMENT_TAIL };

struct segment {
	enum segment_kind kind;
	struct sv text; /* the literal, or the parameter's name */
};

struct pattern {
	const struct route *route;
	struct segment *segments;
	size_t count;
};

/* Patterns sorted so that the first that fits is the one preferred. */
struct router {
	struct arena arena;
	struct pattern *patterns;
	size_t count;
};

/* A request path cut at its slashes. */
struct path {
	struct sv segments[SEGMENTS_MAX];
	size_t count;
};

static bool segment_parse(struct sv text, struct segment *ret)
{
	if (text.len == 0)
		return false;
	if (text.ptr[0] != '{') {
		*ret = (struct segment){ SEGMENT_LITERAL, text };
		return sv_find_char(text, '{') < 0;
	}
	if (text.ptr[text.len - 1] != '}')
		return false;
	struct sv name = sv_make(text.ptr + 1, text.len - 2);
	bool tail = sv_ends(name, SV_LIT("..."));
	if (tail)
		name.len -= 3;
	*ret = (struct segment){ tail ? SEGMENT_TAIL : SEGMENT_PARAM, name };
	return name.len > 0;
}

static int pattern_compile(
	struct arena *a, const struct route *route, struct pattern *ret, struct err *err)
{
	struct segment segments[PATTERN_MAX];
	struct sv rest = sv_str(route->pattern), text;
	size_t count = 0, params = 0, tails = 0;

	if (rest.len == 0 || rest.ptr[0] != '/')
		return err_set(err, ERR_INVALID, "route '%s' must start with '/'", route->pattern);
	rest = sv_from(rest, 1);
	while (rest.len && sv_split(&rest, '/', &text)) {
		if (count == PATTERN_MAX || !segment_parse(text, &segments[count]))
			return err_set(err, ERR_INVALID, "route '%s': segment '%.*s' is broken",
				route->pattern, SV(text));
		params += segments[count].kind != SEGMENT_LITERAL;
		tails += segments[count].kind == SEGMENT_TAIL;
		count++;
	}
	if (params > ROUTE_PARAMS_MAX || tails > 1)
		return err_set(err, ERR_INVALID, "route '%s': too many parameters", route->pattern);
	ret->route = route;
	ret->count = count;
	ret->segments = arena_array(a, count, sizeof(segments[0]));
	if (count)
		memcpy(ret->segments, segments, count * sizeof(segments[0]));
	return 0;
}

static int sv_order(struct sv a, struct sv b)
{
	int c = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
	return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* Preferred first; 0 only for patterns that fit the same paths. */
static int pattern_order(const void *pa, const void *pb)
{
	const struct pattern *a = pa, *b = pb;

	for (size_t i = 0; i < a->count && i < b->count; i++) {
		const struct segment *x = &a->segments[i], *y = &b->segments[i];
		if (x->kind != y->kind)
			return x->kind < y->kind ? -1 : 1;
		int c = x->kind == SEGMENT_LITERAL ? sv_order(x->text, y->text) : 0;
		if (c)
			return c;
	}
	/* A tail with something behind it is more particular than the tail alone. */
	return (a->count < b->count) - (a->count > b->count);
}

/* The table's order decides between methods of one pattern: `allow` is then predictable. */
static int pattern_sort(const void *pa, const void *pb)
{
	const struct pattern *a = pa, *b = pb;
	int c = pattern_order(a, b);
	return c ? c : (a->route > b->route) - (a->route < b->route);
}

static int check_doubles(const struct router *r, struct err *err)
{
	for (size_t i = 1; i < r->count; i++) {
		/* Equal patterns are neighbours, but in any order of methods. */
		for (size_t k = i; k > 0; k--) {
			const struct route *a = r->patterns[k - 1].route, *b = r->patterns[i].route;
			if (pattern_order(&r->patterns[k - 1], &r->patterns[i]) != 0)
				break;
			if (!a->method || !b->method || strcmp(a->method, b->method) == 0)
				return err_set(err, ERR_INVALID, "route '%s %s' is there twice",
					b->method ? b->method : "*", b->pattern);
		}
	}
	return 0;
}

int router_new(const struct route *routes, size_t count, struct router **ret, struct err *err)
{
	own(router_free) struct router *r = NEW(struct router);

	r->patterns = arena_array(&r->arena, count, sizeof(struct pattern));
	for (r->count = 0; r->count < count; r->count++)
		TRY(pattern_compile(&r->arena, &routes[r->count], &r->patterns[r->count], err));
	if (count)
		qsort(r->patterns, count, sizeof(struct pattern), pattern_sort);
	TRY(check_doubles(r, err));
	*ret = take(r);
	return 0;
}

void router_free(struct router *r)
{
	if (!r)
		return;
	arena_done(&r->arena);
	mem_free(r);
}

/* More segments than fit stay together in the last one, which only a tail can match. */
static void path_cut(struct sv raw, struct path *ret)
{
	struct sv rest = raw;

	ret->count = 0;
	if (rest.len && rest.ptr[0] == '/')
		rest = sv_from(rest, 1);
	if (rest.len && rest.ptr[rest.len - 1] == '/')
		rest.len--;
	if (rest.len == 0)
		return;
	while (rest.ptr) {
		if (ret->count == SEGMENTS_MAX - 1) {
			ret->segments[ret->count++] = rest;
			return;
		}
		sv_split(&rest, '/', &ret->segments[ret->count++]);
	}
}

static struct sv path_span(const struct path *p, size_t from, size_t to)
{
	const char *start = p->segments[from].ptr;
	return sv_make(start, (size_t)(p->segments[to].ptr + p->segments[to].len - start));
}

static bool segment_fits(const struct segment *s, struct sv text)
{
	return s->kind == SEGMENT_LITERAL ? sv_eq(s->text, text) : text.len > 0;
}

/* Fits segments from the left up to a tail, then from the right: one tail leaves no choice. */
static bool pattern_fits(const struct pattern *pat, const struct path *p, struct sv *values)
{
	size_t i = 0, n = 0;

	for (; i < pat->count && pat->segments[i].kind != SEGMENT_TAIL; i++) {
		if (i >= p->count || !segment_fits(&pat->segments[i], p->segments[i]))
			return false;
		if (pat->segments[i].kind == SEGMENT_PARAM)
			values[n++] = p->segments[i];
	}
	if (i == pat->count)
		return p->count == pat->count;
	size_t behind = pat->count - i - 1;
	if (p->count < i + 1 + behind)
		return false;
	size_t last = p->count - behind - 1;
	values[n] = path_span(p, i, last);
	if (values[n++].len == 0)
		return false;
	for (size_t k = 1; k <= behind; k++) {
		const struct segment *s = &pat->segments[i + k];
		if (!segment_fits(s, p->segments[last + k]))
			return false;
		if (s->kind == SEGMENT_PARAM)
			values[n++] = p->segments[last + k];
	}
	return true;
}

static void match_fill(const struct pattern *pat, const struct sv *values, struct arena *arena,
	struct route_match *ret)
{
	*ret = (struct route_match){ .route = pat->route };
	for (size_t i = 0; i < pat->count; i++) {
		if (pat->segments[i].kind == SEGMENT_LITERAL)
			continue;
		struct sv raw = values[ret->param_count];
		ret->params[ret->param_count++] = (struct route_param){
			.name = pat->segments[i].text,
			.value = http_unpercent(arena, raw),
			.raw = raw,
		};
	}
}

static bool method_fits(const struct route *r, struct sv method)
{
	if (!r->method || sv_eq_str(method, r->method))
		return true;
	return sv_eq_str(method, "HEAD") && strcmp(r->method, "GET") == 0;
}

enum router_result router_match(const struct router *r, struct sv method, struct sv raw_path,
	struct arena *arena, struct route_match *ret)
{
	struct path path;
	const char *allow = NULL;

	path_cut(raw_path, &path);
	for (size_t i = 0; i < r->count; i++) {
		const struct pattern *pat = &r->patterns[i];
		struct sv values[ROUTE_PARAMS_MAX];
		if (!pattern_fits(pat, &path, values))
			continue;
		if (method_fits(pat->route, method)) {
			match_fill(pat, values, arena, ret);
			return ROUTER_OK;
		}
		allow = allow ? arena_printf(arena, "%s, %s", allow, pat->route->method)
			      : pat->route->method;
	}
	*ret = (struct route_match){ .allow = allow };
	return allow ? ROUTER_METHOD : ROUTER_NOT_FOUND;
}

struct sv route_param(const struct route_match *m, const char *name)
{
	for (size_t i = 0; i < m->param_count; i++)
		if (sv_eq_str(m->params[i].name, name))
			return m->params[i].value;
	return SV_NULL;
}
