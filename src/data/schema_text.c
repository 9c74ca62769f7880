/*
 * The quick yes: values judged as they stand in their text. Nothing is built, and whatever needs
 * more than one look (keywords that compare whole values, escapes in a string that is measured)
 * is left to schema_check.
 *
 * Sound, not complete: for valid JSON, true here is "no issue" there (tests/fuzz/schema_fuzz.c
 * compares the two). Of a key that comes twice every value is judged, so the last one too.
 */
#include "base/sv.h"
#include "data/json.h"
#include "data/pattern.h"
#include "data/schema.h"
#include "data/schema_node.h"

#include <math.h>
#include <stdlib.h>

struct walk {
	const char *at, *end;
	size_t work; /* steps left: alternatives within alternatives multiply */
	unsigned depth;
};

/* Each byte is passed once, and a nullable object twice for each level of nesting. */
enum { WORK_PER_BYTE = 8 };

static bool fits(struct walk *w, const struct node *n);

static bool spend(struct walk *w, size_t steps)
{
	if (w->work <= steps)
		return false;
	w->work -= steps;
	return true;
}

/* The next character that counts; 0 at the end. */
static char peek(struct walk *w)
{
	while (w->at < w->end &&
		(*w->at == ' ' || *w->at == '\n' || *w->at == '\t' || *w->at == '\r'))
		w->at++;
	return w->at < w->end ? *w->at : 0;
}

static bool eat(struct walk *w, char c)
{
	bool there = peek(w) == c;

	w->at += there;
	return there;
}

/* What stands between the quotes; false when there is no end, or no quote to begin with. */
static bool string(struct walk *w, struct sv *ret, bool *ret_escaped)
{
	if (!eat(w, '"'))
		return false;
	const char *start = w->at;
	*ret_escaped = false;
	for (; w->at < w->end && *w->at != '"'; w->at++) {
		if (*w->at != '\\')
			continue;
		*ret_escaped = true;
		if (++w->at == w->end)
			return false;
	}
	*ret = sv_make(start, (size_t)(w->at - start));
	return eat(w, '"') && spend(w, ret->len);
}

/* true, null, 12.5e3: up to what cannot belong to it. */
static bool word(struct walk *w, struct sv *ret)
{
	const char *start = w->at;

	while (w->at < w->end && !memchr(",]} \n\t\r", *w->at, 7))
		w->at++;
	*ret = sv_make(start, (size_t)(w->at - start));
	return ret->len && spend(w, ret->len);
}

/* A value that nothing is asked of. */
static bool skip(struct walk *w)
{
	size_t depth = 0;
	bool escaped;
	struct sv text;

	do {
		char c = peek(w);
		if (c == '{' || c == '[') {
			depth++;
			w->at++;
		} else if (c == '}' || c == ']') {
			if (!depth--)
				return false;
			w->at++;
		} else if (c == ',' || c == ':') {
			w->at++;
		} else if (c == '"' ? !string(w, &text, &escaped) : !word(w, &text)) {
			return false;
		}
		if (!spend(w, 1))
			return false;
	} while (depth);
	return true;
}

static bool is_one_of(const struct json_t *list, struct sv text)
{
	for (size_t i = 0; i < json_len(list); i++)
		if (sv_eq(json_sv(json_item(list, i)), text))
			return true;
	return false;
}

static bool string_fits(struct walk *w, const struct node *n)
{
	struct sv text;
	bool escaped;

	if (!string(w, &text, &escaped))
		return false;
	if (n->enumeration && (escaped || !is_one_of(n->enumeration, text)))
		return false;
	if (n->min_length < 0 && n->max_length < 0 && !n->pattern && !n->format)
		return true;
	return !escaped && schema_string_fits(n, text);
}

static bool number_fits(struct walk *w, const struct node *n)
{
	struct sv text;
	char copy[64], *end;

	if (!word(w, &text) || n->enumeration)
		return false;
	bool whole = !memchr(text.ptr, '.', text.len) && !memchr(text.ptr, 'e', text.len) &&
		     !memchr(text.ptr, 'E', text.len);
	if (n->types && !(n->types & 1u << JSON_KIND_NUMBER) && !(whole && n->types & TYPE_INTEGER))
		return false;
	if (!n->bounded)
		return true;
	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	double v = strtod(copy, &end);
	return *end == 0 && schema_number_fits(n, v);
}

static bool array_fits(struct walk *w, const struct node *n)
{
	int64_t count = 0;

	if (!eat(w, '['))
		return false;
	if (peek(w) != ']')
		do {
			if (!fits(w, n->items))
				return false;
			count++;
		} while (eat(w, ','));
	return eat(w, ']') && (n->min_items < 0 || count >= n->min_items) &&
	       (n->max_items < 0 || count <= n->max_items);
}

static bool member_fits(struct walk *w, const struct node *n, uint64_t *seen, size_t *required)
{
	struct sv key;
	bool escaped;

	if (peek(w) != '"' || !string(w, &key, &escaped) || escaped || !eat(w, ':'))
		return false;
	const struct property *p = schema_property(n, key);
	if (!p)
		return fits(w, n->additional);
	size_t i = (size_t)(p - n->properties);
	*required += p->required && !(seen[i / 64] >> i % 64 & 1);
	seen[i / 64] |= UINT64_C(1) << i % 64;
	return fits(w, p->node);
}

static bool object_fits(struct walk *w, const struct node *n)
{
	uint64_t seen[SCHEMA_QUICK_PROPERTIES / 64] = { 0 };
	size_t required = 0;

	if (!eat(w, '{'))
		return false;
	if (peek(w) != '}')
		do {
			if (!member_fits(w, n, seen, &required))
				return false;
		} while (eat(w, ','));
	return eat(w, '}') && required == n->required_count;
}

static bool is_allowed(const struct node *n, enum json_kind kind)
{
	return !n->types || n->types & 1u << kind;
}

static bool content_fits(struct walk *w, const struct node *n)
{
	struct sv text;

	switch (peek(w)) {
	case '"': return is_allowed(n, JSON_KIND_STRING) && string_fits(w, n);
	case '[': return is_allowed(n, JSON_KIND_ARRAY) && !n->enumeration && array_fits(w, n);
	case '{': return is_allowed(n, JSON_KIND_OBJECT) && !n->enumeration && object_fits(w, n);
	case 't':
	case 'f': return is_allowed(n, JSON_KIND_BOOL) && !n->enumeration && word(w, &text);
	case 'n': return is_allowed(n, JSON_KIND_NULL) && !n->enumeration && word(w, &text);
	default: return number_fits(w, n);
	}
}

/* From where the value starts; past it when it fits. */
static bool logic_fits(struct walk *w, const struct node *n)
{
	const char *start = w->at;

	for (size_t i = 0; i < n->all.count; i++) {
		w->at = start;
		if (!fits(w, n->all.items[i]))
			return false;
	}
	for (size_t i = 0; i < n->any.count; i++) {
		w->at = start;
		if (fits(w, n->any.items[i]))
			return true;
	}
	return !n->any.count;
}

static bool fits(struct walk *w, const struct node *n)
{
	bool ok;

	if (!n)
		return skip(w);
	if (n->never || !n->quick || w->depth == SCHEMA_DEPTH_MAX || !spend(w, 1))
		return false;
	w->depth++;
	if (n->ref) {
		ok = fits(w, n->ref);
	} else {
		const char *start = w->at;
		bool logic = n->all.count || n->any.count;
		ok = !logic || logic_fits(w, n);
		if (ok && (!logic || n->own)) {
			w->at = start;
			ok = content_fits(w, n);
		}
	}
	w->depth--;
	return ok;
}

bool schema_accepts(const struct schema *s, struct sv array)
{
	struct walk w = { .at = array.ptr, .end = array.ptr + array.len };

	/* Saturates where the size of a batch never goes. */
	w.work = array.len < SIZE_MAX / WORK_PER_BYTE ? array.len * WORK_PER_BYTE : SIZE_MAX;
	if (!eat(&w, '['))
		return false;
	if (peek(&w) != ']')
		do {
			if (!fits(&w, s->root))
				return false;
		} while (eat(&w, ','));
	return eat(&w, ']') && !peek(&w) && w.at == w.end;
}
