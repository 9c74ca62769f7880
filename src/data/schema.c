#include "data/schema.h"

#include "base/mem.h"
#include "data/json.h"
#include "data/pattern.h"
#include "data/schema_node.h"

#include <math.h>
#include <stdio.h>

bool schema_is_partial(const struct schema *s)
{
	return s->partial;
}

/*
 * What one check may cost, in values looked at: alternatives within alternatives multiply, and
 * both schema and value come from outside. Real records need a few hundred.
 */
enum { WORK_MAX = 2000000 };

struct checking {
	struct schema_issue *out; /* NULL: only count */
	size_t *work; /* left; shared with checks of alternatives */
	size_t found, max;
	char path[sizeof(((struct schema_issue *)0)->path)];
	size_t path_len;
	unsigned depth;
};

static void check(struct checking *c, const struct node *n, const struct json_t *v);

static void issue(struct checking *c, const char *keyword, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void issue(struct checking *c, const char *keyword, const char *fmt, ...)
{
	va_list ap;

	if (c->out && c->found < c->max) {
		struct schema_issue *i = &c->out[c->found];
		snprintf(i->path, sizeof(i->path), "%s", c->path);
		snprintf(i->keyword, sizeof(i->keyword), "%s", keyword);
		va_start(ap, fmt);
		vsnprintf(i->msg, sizeof(i->msg), fmt, ap);
		va_end(ap);
	}
	if (c->found < c->max)
		c->found++;
}

static bool spend(struct checking *c)
{
	return *c->work && --*c->work;
}

static void path_char(struct checking *c, char ch)
{
	if (c->path_len + 1 < sizeof(c->path))
		c->path[c->path_len++] = ch;
}

/* One step down and back; a path too long for its buffer is cut. */
static void check_at(
	struct checking *c, struct sv step, const struct node *n, const struct json_t *v)
{
	size_t before = c->path_len;

	path_char(c, '/');
	for (size_t i = 0; i < step.len; i++) {
		bool escape = step.ptr[i] == '~' || step.ptr[i] == '/';
		path_char(c, escape ? '~' : step.ptr[i]);
		if (escape)
			path_char(c, step.ptr[i] == '/' ? '1' : '0');
	}
	c->path[c->path_len] = 0;
	check(c, n, v);
	c->path_len = before;
	c->path[before] = 0;
}

static bool holds(struct checking *c, const struct node *n, const struct json_t *v)
{
	struct checking quiet = { .max = 1, .depth = c->depth, .work = c->work };

	check(&quiet, n, v);
	return quiet.found == 0;
}

static bool is_whole(const struct json_t *v)
{
	double n = json_num(v);
	return json_is_int(v) || (isfinite(n) && n == floor(n));
}

static const char *type_names(unsigned types)
{
	static const char *const names[] = { "null", "boolean", "number", "string", "array",
		"object", "integer" };

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (types == 1u << i)
			return names[i];
	return "another type";
}

static bool check_type(struct checking *c, const struct node *n, const struct json_t *v)
{
	enum json_kind kind = json_kind(v);

	if (!n->types || n->types & 1u << kind)
		return true;
	if (kind == JSON_KIND_NUMBER && n->types & TYPE_INTEGER && is_whole(v))
		return true;
	issue(c, "type", "expected %s, got %s", type_names(n->types), json_kind_name(kind));
	return false;
}

static void check_values(struct checking *c, const struct node *n, const struct json_t *v)
{
	if (n->constant && !json_same(n->constant, v))
		issue(c, "const", "not the one value allowed");
	if (!n->enumeration)
		return;
	for (size_t i = 0; i < json_len(n->enumeration) && spend(c); i++)
		if (json_same(json_item(n->enumeration, i), v))
			return;
	issue(c, "enum", "not one of the %zu values allowed", json_len(n->enumeration));
}

/* Characters, as JSON Schema counts: code points. */
static int64_t length_of(struct sv s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (s.ptr[i] & 0xC0) != 0x80;
	return n;
}

static void check_string(struct checking *c, const struct node *n, struct sv s)
{
	int64_t length = length_of(s);

	if (n->min_length >= 0 && length < n->min_length)
		issue(c, "minLength", "shorter than %lld characters", (long long)n->min_length);
	if (n->max_length >= 0 && length > n->max_length)
		issue(c, "maxLength", "longer than %lld characters", (long long)n->max_length);
	if (n->pattern && !pattern_matches(n->pattern, s))
		issue(c, "pattern", "does not match the pattern");
	if (n->format && !n->format(s))
		issue(c, "format", "no %.*s", SV(n->format_name));
}

static void check_number(struct checking *c, const struct node *n, double v)
{
	if (v < n->minimum)
		issue(c, "minimum", "less than %g", n->minimum);
	if (v > n->maximum)
		issue(c, "maximum", "more than %g", n->maximum);
	if (v <= n->over)
		issue(c, "exclusiveMinimum", "not more than %g", n->over);
	if (v >= n->under)
		issue(c, "exclusiveMaximum", "not less than %g", n->under);
	if (n->multiple > 0 && fabs(remainder(v, n->multiple)) > 1e-9 * fabs(n->multiple))
		issue(c, "multipleOf", "no multiple of %g", n->multiple);
}

bool schema_string_fits(const struct node *n, struct sv text)
{
	struct checking c = { .max = 1 };

	check_string(&c, n, text);
	return c.found == 0;
}

bool schema_number_fits(const struct node *n, double v)
{
	struct checking c = { .max = 1 };

	check_number(&c, n, v);
	return c.found == 0;
}

static void check_unique(struct checking *c, const struct json_t *v)
{
	for (size_t i = 1; i < json_len(v); i++)
		for (size_t k = 0; k < i && spend(c); k++)
			if (json_same(json_item(v, i), json_item(v, k))) {
				issue(c, "uniqueItems", "items %zu and %zu are the same", k, i);
				return;
			}
}

static const struct node *item_rule(const struct node *n, size_t i)
{
	if (i < n->tuple.count)
		return n->tuple.items[i];
	return n->tuple.count ? n->rest : n->items;
}

static void check_array(struct checking *c, const struct node *n, const struct json_t *v)
{
	size_t count = json_len(v), contained = 0;
	char index[24];

	if (n->min_items >= 0 && (int64_t)count < n->min_items)
		issue(c, "minItems", "fewer than %lld items", (long long)n->min_items);
	if (n->max_items >= 0 && (int64_t)count > n->max_items)
		issue(c, "maxItems", "more than %lld items", (long long)n->max_items);
	for (size_t i = 0; i < count && c->found < c->max; i++) {
		snprintf(index, sizeof(index), "%zu", i);
		if (item_rule(n, i))
			check_at(c, sv_str(index), item_rule(n, i), json_item(v, i));
		if (n->contains)
			contained += holds(c, n->contains, json_item(v, i));
	}
	if (n->contains && !contained)
		issue(c, "contains", "no item is what one must be");
	if (n->unique)
		check_unique(c, v);
}

static void check_key(
	struct checking *c, const struct node *n, struct sv key, const struct json_t *v)
{
	struct property *p = schema_property(n, key);
	bool known = p != NULL;

	if (known)
		check_at(c, key, p->node, v);
	for (size_t i = 0; i < n->pattern_count; i++) {
		/* A pattern that was not understood may mean any key. */
		if (n->patterns[i].pattern && !pattern_matches(n->patterns[i].pattern, key))
			continue;
		known = true;
		if (n->patterns[i].pattern)
			check_at(c, key, n->patterns[i].node, v);
	}
	if (known || !n->additional)
		return;
	if (n->additional->never)
		issue(c, "additionalProperties", "unknown property '%.*s'", SV(key));
	else
		check_at(c, key, n->additional, v);
}

static void check_object(struct checking *c, const struct node *n, const struct json_t *v)
{
	struct json_t *value;
	struct sv key;
	void *it = NULL;

	for (size_t i = 0; i < json_len(n->required); i++) {
		struct sv name = json_sv(json_item(n->required, i));
		if (!json_member(v, name))
			issue(c, "required", "missing property '%.*s'", SV(name));
	}
	if (n->min_keys >= 0 && (int64_t)json_len(v) < n->min_keys)
		issue(c, "minProperties", "fewer than %lld properties", (long long)n->min_keys);
	if (n->max_keys >= 0 && (int64_t)json_len(v) > n->max_keys)
		issue(c, "maxProperties", "more than %lld properties", (long long)n->max_keys);
	while (c->found < c->max && json_next(v, &it, &key, &value)) {
		check_key(c, n, key, value);
		if (!n->names)
			continue;
		own(json_unref) struct json_t *name = json_new_str(key);
		if (!holds(c, n->names, name))
			issue(c, "propertyNames", "'%.*s' is no allowed name", SV(key));
	}
}

static size_t count_holding(struct checking *c, const struct nodes *list, const struct json_t *v)
{
	size_t n = 0;

	for (size_t i = 0; i < list->count; i++)
		n += holds(c, list->items[i], v);
	return n;
}

static void check_logic(struct checking *c, const struct node *n, const struct json_t *v)
{
	for (size_t i = 0; i < n->all.count; i++)
		check(c, n->all.items[i], v);
	if (n->any.count && !count_holding(c, &n->any, v))
		issue(c, "anyOf", "fits none of %zu alternatives", n->any.count);
	if (n->one.count) {
		size_t fits = count_holding(c, &n->one, v);
		if (fits != 1)
			issue(c, "oneOf", "fits %zu of %zu alternatives, must fit one", fits,
				n->one.count);
	}
	if (n->negated && holds(c, n->negated, v))
		issue(c, "not", "is what it must not be");
	if (!n->when)
		return;
	const struct node *then = holds(c, n->when, v) ? n->then : n->otherwise;
	if (then)
		check(c, then, v);
}

static void check_content(struct checking *c, const struct node *n, const struct json_t *v)
{
	switch (json_kind(v)) {
	case JSON_KIND_STRING: check_string(c, n, json_sv(v)); break;
	case JSON_KIND_NUMBER: check_number(c, n, json_num(v)); break;
	case JSON_KIND_ARRAY: check_array(c, n, v); break;
	case JSON_KIND_OBJECT: check_object(c, n, v); break;
	case JSON_KIND_NULL:
	case JSON_KIND_BOOL:
	case JSON_KIND_ABSENT: break;
	}
}

static void check(struct checking *c, const struct node *n, const struct json_t *v)
{
	/* A $ref to itself and nothing else would go round for ever. */
	if (c->found >= c->max || c->depth > 4 * SCHEMA_DEPTH_MAX || !spend(c))
		return;
	c->depth++;
	if (n->ref) {
		check(c, n->ref, v);
	} else if (n->never) {
		issue(c, "false", "nothing is allowed here");
	} else if (check_type(c, n, v)) {
		check_values(c, n, v);
		check_content(c, n, v);
		check_logic(c, n, v);
	}
	c->depth--;
}

size_t schema_check(
	const struct schema *s, const struct json_t *v, struct schema_issue *out, size_t max)
{
	size_t work = WORK_MAX;
	struct checking c = { .out = out, .max = max, .work = &work };

	assert(max >= 1);
	check(&c, s->root, v);
	if (!work)
		issue(&c, "", "too costly to check to the end");
	return c.found;
}
