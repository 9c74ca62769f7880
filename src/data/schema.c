#include "data/schema.h"

#include "base/mem.h"
#include "base/sv.h"
#include "data/formats.h"
#include "data/json.h"
#include "data/pattern.h"

#include <math.h>
#include <stdio.h>

/* Bits of `types`, in the order of enum json_kind; whole numbers have one of their own. */
enum { TYPE_INTEGER = 1 << 6 };
/* Generated model schemas have a handful of each. */
enum { REFS_MAX = 2000, PATTERNS_MAX = 2000 };

struct node;

struct property {
	struct sv name;
	struct node *node;
	struct pattern *pattern; /* of patternProperties; NULL: not understood */
	bool required, declared;
};

struct nodes {
	struct node **items;
	size_t count;
};

/* One schema, compiled. Shared by every $ref to it. */
struct node {
	bool never; /* the schema `false` */
	unsigned types; /* 0 = any */
	struct json_t *enumeration, *constant; /* borrowed from the document */
	struct property *properties, *patterns;
	size_t property_count, pattern_count;
	struct node *additional, *names; /* NULL = no rule */
	struct node *items, *rest, *contains; /* rest: additionalItems */
	struct nodes tuple, any, one, all;
	struct node * not, *when, *then, *otherwise, *ref;
	struct pattern *pattern;
	format_fn *format;
	struct sv format_name;
	double minimum, maximum, over, under, multiple; /* NAN = no rule */
	int64_t min_length, max_length, min_items, max_items, min_keys, max_keys; /* -1 = none */
	bool unique;
};

/* Where a $ref leads is compiled once, under its path. */
struct target {
	struct sv path;
	struct node *node;
};

struct schema {
	struct arena arena;
	struct json_t *doc;
	struct node *root;
	struct target *targets;
	struct pattern **patterns; /* to be freed */
	size_t node_count, target_count, pattern_count;
	bool partial;
};

/* --- compiling --- */

static int compile(
	struct schema *s, struct json_t *v, unsigned depth, struct node **ret, struct err *err);

static unsigned type_bit(struct sv name)
{
	static const char *const names[] = { "null", "boolean", "number", "string", "array",
		"object" };

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (sv_eq_str(name, names[i]))
			return 1u << i;
	return sv_eq_str(name, "integer") ? TYPE_INTEGER : 0;
}

static int compile_types(struct node *n, struct json_t *v, struct err *err)
{
	bool many = json_kind(v) == JSON_KIND_ARRAY;

	for (size_t i = 0; i < (many ? json_len(v) : 1); i++) {
		struct sv name = json_sv(many ? json_item(v, i) : v);
		unsigned bit = type_bit(name);
		if (!bit)
			return err_set(err, ERR_INVALID, "type: unknown type '%.*s'", SV(name));
		n->types |= bit;
	}
	return 0;
}

static struct pattern *compile_pattern(struct schema *s, struct sv source)
{
	struct pattern *p = pattern_new(source);

	if (!p || s->pattern_count == PATTERNS_MAX) {
		pattern_free(p);
		s->partial = true;
		return NULL;
	}
	s->patterns[s->pattern_count++] = p;
	return p;
}

static int compile_one(struct schema *s, struct json_t *v, const char *key, unsigned depth,
	struct node **ret, struct err *err)
{
	struct json_t *sub = json_member(v, sv_str(key));

	return sub ? compile(s, sub, depth, ret, err) : 0;
}

static int compile_list(
	struct schema *s, struct json_t *list, unsigned depth, struct nodes *ret, struct err *err)
{
	ret->items = arena_array(&s->arena, json_len(list) + 1, sizeof(*ret->items));
	for (size_t i = 0; i < json_len(list); i++) {
		TRY(compile(s, json_item(list, i), depth, &ret->items[i], err));
		ret->count++;
	}
	return 0;
}

static struct property *find_property(struct property *list, size_t count, struct sv name)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq(list[i].name, name))
			return &list[i];
	return NULL;
}

static int compile_properties(
	struct schema *s, struct node *n, struct json_t *v, unsigned depth, struct err *err)
{
	struct json_t *declared = json_member(v, SV_LIT("properties")), *sub;
	struct json_t *required = json_member(v, SV_LIT("required"));
	void *it = NULL;
	struct sv name;

	n->properties = arena_array(
		&s->arena, json_len(declared) + json_len(required) + 1, sizeof(*n->properties));
	while (json_next(declared, &it, &name, &sub)) {
		struct property *p = &n->properties[n->property_count++];
		p->name = name;
		p->declared = true;
		TRY(compile(s, sub, depth, &p->node, err));
	}
	for (size_t i = 0; i < json_len(required); i++) {
		name = json_sv(json_item(required, i));
		struct property *p = find_property(n->properties, n->property_count, name);
		if (!p) {
			p = &n->properties[n->property_count++];
			p->name = name;
		}
		p->required = true;
	}
	return 0;
}

static int compile_patterns(
	struct schema *s, struct node *n, struct json_t *v, unsigned depth, struct err *err)
{
	struct json_t *patterns = json_member(v, SV_LIT("patternProperties")), *sub;
	void *it = NULL;
	struct sv name;

	n->patterns = arena_array(&s->arena, json_len(patterns) + 1, sizeof(*n->patterns));
	while (json_next(patterns, &it, &name, &sub)) {
		struct property *p = &n->patterns[n->pattern_count++];
		p->pattern = compile_pattern(s, name);
		TRY(compile(s, sub, depth, &p->node, err));
	}
	return 0;
}

static int compile_items(
	struct schema *s, struct node *n, struct json_t *v, unsigned depth, struct err *err)
{
	struct json_t *items = json_member(v, SV_LIT("items"));

	if (json_kind(items) == JSON_KIND_ARRAY) {
		TRY(compile_list(s, items, depth, &n->tuple, err));
		TRY(compile_one(s, v, "additionalItems", depth, &n->rest, err));
	} else if (items) {
		TRY(compile(s, items, depth, &n->items, err));
	}
	return compile_one(s, v, "contains", depth, &n->contains, err);
}

static double number_of(struct json_t *v, const char *key)
{
	struct json_t *n = json_member(v, sv_str(key));
	return json_kind(n) == JSON_KIND_NUMBER ? json_num(n) : NAN;
}

static int64_t count_of(struct json_t *v, const char *key)
{
	double n = number_of(v, key);
	return isnan(n) || n < 0 || n > 1e15 ? -1 : (int64_t)n;
}

static void compile_bounds(struct schema *s, struct node *n, struct json_t *v)
{
	struct json_t *pattern = json_member(v, SV_LIT("pattern"));

	n->minimum = number_of(v, "minimum");
	n->maximum = number_of(v, "maximum");
	n->over = number_of(v, "exclusiveMinimum");
	n->under = number_of(v, "exclusiveMaximum");
	n->multiple = number_of(v, "multipleOf");
	n->min_length = count_of(v, "minLength");
	n->max_length = count_of(v, "maxLength");
	n->min_items = count_of(v, "minItems");
	n->max_items = count_of(v, "maxItems");
	n->min_keys = count_of(v, "minProperties");
	n->max_keys = count_of(v, "maxProperties");
	n->unique = json_truth(json_member(v, SV_LIT("uniqueItems")));
	n->enumeration = json_member(v, SV_LIT("enum"));
	n->constant = json_member(v, SV_LIT("const"));
	if (pattern)
		n->pattern = compile_pattern(s, json_sv(pattern));
	n->format_name = json_sv(json_member(v, SV_LIT("format")));
	n->format = n->format_name.len ? format_find(n->format_name) : NULL;
}

static int compile_logic(
	struct schema *s, struct node *n, struct json_t *v, unsigned depth, struct err *err)
{
	TRY(compile_list(s, json_member(v, SV_LIT("anyOf")), depth, &n->any, err));
	TRY(compile_list(s, json_member(v, SV_LIT("oneOf")), depth, &n->one, err));
	TRY(compile_list(s, json_member(v, SV_LIT("allOf")), depth, &n->all, err));
	TRY(compile_one(s, v, "not", depth, &n->not, err));
	TRY(compile_one(s, v, "if", depth, &n->when, err));
	TRY(compile_one(s, v, "then", depth, &n->then, err));
	return compile_one(s, v, "else", depth, &n->otherwise, err);
}

/* "#/definitions/Contact": the value there, with ~1 and ~0 unescaped. */
static struct json_t *resolve(struct schema *s, struct sv path)
{
	struct json_t *at = s->doc;
	struct sv rest, piece;

	if (!sv_starts(path, SV_LIT("#")))
		return NULL;
	rest = sv_from(path, 1);
	if (!rest.len)
		return at;
	if (rest.ptr[0] != '/')
		return NULL;
	rest = sv_from(rest, 1);
	while (at && sv_split(&rest, '/', &piece)) {
		char *name = arena_alloc(&s->arena, piece.len + 1);
		size_t n = 0;
		for (size_t i = 0; i < piece.len; i++) {
			bool escape = piece.ptr[i] == '~' && i + 1 < piece.len;
			name[n++] = !escape ? piece.ptr[i] : piece.ptr[++i] == '1' ? '/' : '~';
		}
		int64_t index;
		at = json_kind(at) == JSON_KIND_ARRAY && sv_to_i64(piece, &index) && index >= 0
			     ? json_item(at, (size_t)index)
			     : json_member(at, sv_make(name, n));
	}
	return at;
}

/* The target may be under compilation: its node exists before its content, so recursion ends. */
static int compile_ref(
	struct schema *s, struct sv path, unsigned depth, struct node **ret, struct err *err)
{
	for (size_t i = 0; i < s->target_count; i++) {
		if (!sv_eq(s->targets[i].path, path))
			continue;
		*ret = s->targets[i].node;
		return 0;
	}
	struct json_t *v = resolve(s, path);
	if (!v)
		return err_set(err, ERR_INVALID, "$ref '%.*s' leads nowhere", SV(path));
	if (s->target_count == REFS_MAX)
		return err_set(err, ERR_LIMIT, "too many $refs");
	struct target *t = &s->targets[s->target_count++];
	t->path = path;
	t->node = *ret = ARENA_NEW(&s->arena, struct node);
	struct node *compiled;
	TRY(compile(s, v, depth, &compiled, err));
	*t->node = *compiled;
	return 0;
}

static int compile_object(
	struct schema *s, struct node *n, struct json_t *v, unsigned depth, struct err *err)
{
	struct json_t *ref = json_member(v, SV_LIT("$ref"));
	struct json_t *type = json_member(v, SV_LIT("type"));

	compile_bounds(s, n, v);
	if (ref) /* draft-07: what stands beside a $ref does not count */
		return compile_ref(s, json_sv(ref), depth, &n->ref, err);
	if (type)
		TRY(compile_types(n, type, err));
	TRY(compile_properties(s, n, v, depth, err));
	TRY(compile_patterns(s, n, v, depth, err));
	TRY(compile_one(s, v, "additionalProperties", depth, &n->additional, err));
	TRY(compile_one(s, v, "propertyNames", depth, &n->names, err));
	TRY(compile_items(s, n, v, depth, err));
	return compile_logic(s, n, v, depth, err);
}

static int compile(
	struct schema *s, struct json_t *v, unsigned depth, struct node **ret, struct err *err)
{
	if (depth > SCHEMA_DEPTH_MAX)
		return err_set(err, ERR_LIMIT, "more than %d levels", SCHEMA_DEPTH_MAX);
	if (s->node_count++ == SCHEMA_NODES_MAX)
		return err_set(err, ERR_LIMIT, "more than %d schemas", SCHEMA_NODES_MAX);
	struct node *n = ARENA_NEW(&s->arena, struct node);
	*ret = n;
	if (json_kind(v) == JSON_KIND_OBJECT)
		return compile_object(s, n, v, depth + 1, err);
	if (json_kind(v) != JSON_KIND_BOOL)
		return err_set(err, ERR_INVALID, "a schema is an object or a boolean, not %s",
			json_kind_name(json_kind(v)));
	compile_bounds(s, n, v);
	n->never = !json_truth(v);
	return 0;
}

int schema_new(struct json_t *doc, struct sv root, struct schema **ret, struct err *err)
{
	own(schema_free) struct schema *s = NEW(struct schema);

	s->doc = json_ref(doc);
	s->targets = arena_array(&s->arena, REFS_MAX, sizeof(*s->targets));
	s->patterns = arena_array(&s->arena, PATTERNS_MAX, sizeof(*s->patterns));
	if (!resolve(s, root))
		return err_set(err, ERR_NOT_FOUND, "no schema at '%.*s'", SV(root));
	TRY(compile_ref(s, arena_sv(&s->arena, root), 0, &s->root, err));
	*ret = take(s);
	return 0;
}

void schema_free(struct schema *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->pattern_count; i++)
		pattern_free(s->patterns[i]);
	json_unref(s->doc);
	arena_done(&s->arena);
	mem_free(s);
}

bool schema_is_partial(const struct schema *s)
{
	return s->partial;
}

/* --- checking --- */

struct checking {
	struct schema_issue *out; /* NULL: only count */
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

/* One step down and back; a path too long for its buffer is cut. */
static void check_at(
	struct checking *c, struct sv step, const struct node *n, const struct json_t *v)
{
	size_t before = c->path_len;
	int len = snprintf(c->path + before, sizeof(c->path) - before, "/%.*s", SV(step));

	c->path_len +=
		(size_t)len < sizeof(c->path) - before ? (size_t)len : sizeof(c->path) - before - 1;
	check(c, n, v);
	c->path_len = before;
	c->path[before] = 0;
}

static bool holds(struct checking *c, const struct node *n, const struct json_t *v)
{
	struct checking quiet = { .max = 1, .depth = c->depth };

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
	for (size_t i = 0; i < json_len(n->enumeration); i++)
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

static void check_unique(struct checking *c, const struct json_t *v)
{
	for (size_t i = 1; i < json_len(v); i++)
		for (size_t k = 0; k < i; k++)
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
	struct property *p = find_property(n->properties, n->property_count, key);
	bool known = p && p->declared;

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

	for (size_t i = 0; i < n->property_count; i++)
		if (n->properties[i].required && !json_member(v, n->properties[i].name))
			issue(c, "required", "missing property '%.*s'", SV(n->properties[i].name));
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
	if (n->not &&holds(c, n->not, v))
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
	if (c->found >= c->max || c->depth > 4 * SCHEMA_DEPTH_MAX)
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
	struct checking c = { .out = out, .max = max };

	assert(max >= 1);
	check(&c, s->root, v);
	return c.found;
}
