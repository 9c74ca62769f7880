#include "data/schema_node.h"

#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/pattern.h"
#include "data/schema.h"

#include <math.h>
#include <stdlib.h>

/* Generated model schemas have a handful of each. */
enum { REFS_MAX = 2000, PATTERNS_MAX = 2000 };

static int compile(
	struct schema *s, struct json_t *v, unsigned depth, struct node **ret, struct err *err);

static int sv_cmp(struct sv a, struct sv b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int diff = n ? memcmp(a.ptr, b.ptr, n) : 0;
	return diff ? diff : (a.len > b.len) - (a.len < b.len);
}

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

static int property_cmp(const void *a, const void *b)
{
	return sv_cmp(((const struct property *)a)->name, ((const struct property *)b)->name);
}

struct property *schema_property(const struct node *n, struct sv name)
{
	const struct property key = { .name = name };

	return n->property_count ? bsearch(&key, n->properties, n->property_count,
					   sizeof(*n->properties), property_cmp)
				 : NULL;
}

static int compile_properties(
	struct schema *s, struct node *n, struct json_t *v, unsigned depth, struct err *err)
{
	struct json_t *declared = json_member(v, SV_LIT("properties")), *sub;
	struct sv name;

	n->required = json_member(v, SV_LIT("required"));
	n->properties = arena_array(&s->arena, json_len(declared) + 1, sizeof(*n->properties));
	for (void *it = NULL; json_next(declared, &it, &name, &sub);) {
		struct property *p = &n->properties[n->property_count++];
		p->name = name;
		TRY(compile(s, sub, depth, &p->node, err));
	}
	qsort(n->properties, n->property_count, sizeof(*n->properties), property_cmp);
	for (size_t i = 0; i < json_len(n->required); i++) {
		struct property *p = schema_property(n, json_sv(json_item(n->required, i)));
		if (p && !p->required)
			n->required_count++;
		if (p)
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
	struct json_t *prefix = json_member(v, SV_LIT("prefixItems"));

	if (json_kind(items) == JSON_KIND_ARRAY) {
		TRY(compile_list(s, items, depth, &n->tuple, err));
		TRY(compile_one(s, v, "additionalItems", depth, &n->rest, err));
	} else if (prefix) { /* the later spelling of the same */
		TRY(compile_list(s, prefix, depth, &n->tuple, err));
		TRY(compile_one(s, v, "items", depth, &n->rest, err));
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
	TRY(compile_one(s, v, "not", depth, &n->negated, err));
	TRY(compile_one(s, v, "if", depth, &n->when, err));
	TRY(compile_one(s, v, "then", depth, &n->then, err));
	return compile_one(s, v, "else", depth, &n->otherwise, err);
}

/* A step of a pointer in a URI fragment: %XX, then ~1 and ~0 are unescaped. */
static struct sv pointer_step(struct schema *s, struct sv piece)
{
	own_in(buf_done) struct buf plain;
	char *name = arena_alloc(&s->arena, piece.len + 1);
	size_t n = 0;

	buf_init(&plain, piece.len);
	enc_unpercent(&plain, piece, false);
	for (size_t i = 0; i < plain.len; i++) {
		bool escape = plain.ptr[i] == '~' && i + 1 < plain.len;
		name[n++] = !escape ? plain.ptr[i] : plain.ptr[++i] == '1' ? '/' : '~';
	}
	return sv_make(name, n);
}

/* "#/definitions/Contact": the value there. */
static struct json_t *resolve(struct schema *s, struct sv path)
{
	struct json_t *at = s->doc;
	struct sv rest, piece;
	int64_t index;

	if (sv_eq_str(path, "#"))
		return at;
	if (!sv_starts(path, SV_LIT("#/")))
		return NULL;
	rest = sv_from(path, 2);
	while (at && sv_split(&rest, '/', &piece)) {
		if (json_kind(at) != JSON_KIND_ARRAY)
			at = json_member(at, pointer_step(s, piece));
		else if (sv_to_i64(piece, &index) && index >= 0)
			at = json_item(at, (size_t)index);
		else
			return NULL;
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

static bool is_declared(const struct node *n)
{
	for (size_t i = 0; i < json_len(n->required); i++)
		if (!schema_property(n, json_sv(json_item(n->required, i))))
			return false;
	return true;
}

/* Which of the quick walk's questions this node answers; see schema_text.c. */
static void sum_up(struct node *n)
{
	n->bounded = !isnan(n->minimum) || !isnan(n->maximum) || !isnan(n->over) ||
		     !isnan(n->under) || !isnan(n->multiple);
	n->own = n->types || n->enumeration || n->bounded || n->min_length >= 0 ||
		 n->max_length >= 0 || n->pattern || n->format || n->min_items >= 0 ||
		 n->max_items >= 0 || n->items || n->property_count || n->additional;
	n->quick = !n->constant && !n->names && !n->contains && !n->unique && !n->negated &&
		   !n->when && !n->one.count && !n->tuple.count && !n->pattern_count &&
		   n->min_keys < 0 && n->max_keys < 0 &&
		   n->property_count <= SCHEMA_QUICK_PROPERTIES && is_declared(n);
}

static int compile_object(
	struct schema *s, struct node *n, struct json_t *v, unsigned depth, struct err *err)
{
	struct json_t *ref = json_member(v, SV_LIT("$ref"));
	struct json_t *type = json_member(v, SV_LIT("type"));

	compile_bounds(s, n, v);
	if (ref) { /* draft-07: what stands beside a $ref does not count */
		n->quick = true;
		return compile_ref(s, json_sv(ref), depth, &n->ref, err);
	}
	if (type)
		TRY(compile_types(n, type, err));
	TRY(compile_properties(s, n, v, depth, err));
	TRY(compile_patterns(s, n, v, depth, err));
	TRY(compile_one(s, v, "additionalProperties", depth, &n->additional, err));
	TRY(compile_one(s, v, "propertyNames", depth, &n->names, err));
	TRY(compile_items(s, n, v, depth, err));
	TRY(compile_logic(s, n, v, depth, err));
	sum_up(n);
	return 0;
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
	sum_up(n);
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
