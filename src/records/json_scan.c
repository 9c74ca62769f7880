#include "records/json_scan.h"

#include "base/mem.h"

#define INSERTION_MAX 24

static bool value(struct scan *c, struct piece *ret);

void scan_done(struct scan *c)
{
	mem_free(c->out);
	mem_free(c->members);
	mem_free(c->spare);
	*c = (struct scan){ 0 };
}

void scan_begin(struct scan *c, struct sv text, unsigned depth_max)
{
	assert(text.len <= SCAN_BYTES_MAX);
	c->start = c->p = text.ptr ? text.ptr : "";
	c->end = c->start + text.len;
	c->depth = 0;
	c->depth_max = depth_max;
	c->plain = true;
	c->code = 0;
	c->out_len = 0;
	c->n = 0;
}

bool scan_fail(struct scan *c, int code, const char *where, const char *what)
{
	if (!c->code) {
		c->code = code;
		c->where = where;
		c->what = what;
	}
	return false;
}

char *scan_room(struct scan *c, size_t n)
{
	if (n > SCAN_OUT - 1 - c->out_len) {
		scan_fail(c, ERR_LIMIT, c->p, "too large to compare");
		return NULL;
	}
	if (n > c->out_cap - c->out_len) {
		size_t cap = c->out_cap ? c->out_cap : 4096;
		while (cap - c->out_len < n)
			cap *= 2;
		c->out = mem_realloc(c->out, cap);
		c->out_cap = cap;
	}
	return c->out + c->out_len;
}

bool scan_put(struct scan *c, struct sv text, struct piece *ret)
{
	char *at = scan_room(c, text.len);
	if (!at)
		return false;
	memcpy(at, text.ptr, text.len);
	*ret = scan_piece_out(c, text.len);
	return true;
}

static struct member *push(struct scan *c)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 256;
		c->members = mem_realloc(c->members, c->cap * sizeof(*c->members));
	}
	return &c->members[c->n++];
}

static inline int key_cmp(const struct scan *c, const struct member *a, const struct member *b)
{
	if (SCAN_LIKELY(a->prefix != b->prefix))
		return a->prefix < b->prefix ? -1 : 1;
	if (a->key.len <= 8 || b->key.len <= 8)
		return (a->key.len > b->key.len) - (a->key.len < b->key.len);
	size_t n = (a->key.len < b->key.len ? a->key.len : b->key.len) - 8;
	int diff = memcmp(scan_sv(c, a->key).ptr + 8, scan_sv(c, b->key).ptr + 8, n);
	return diff ? diff : (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

static inline uint64_t key_prefix(const struct scan *c, struct piece key)
{
	unsigned char bytes[8] = { 0 };
	uint64_t word;
	struct sv text = scan_sv(c, key);

	if (SCAN_LIKELY(!(key.at & SCAN_OUT) && c->end - text.ptr >= 8)) {
		memcpy(&word, text.ptr, 8);
		if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
			word = __builtin_bswap64(word);
		return key.len >= 8 ? word : key.len ? word & ~(UINT64_MAX >> 8 * key.len) : 0;
	}
	memcpy(bytes, text.ptr, key.len < 8 ? key.len : 8);
	for (int i = word = 0; i < 8; i++)
		word = word << 8 | bytes[i];
	return word;
}

static bool member(struct scan *c, size_t base, bool *sorted)
{
	struct member m;

	if (scan_peek(c) != '"')
		return scan_syntax(c, c->p, "expected a key");
	if (!scan_string(c, &m.key))
		return false;
	m.prefix = key_prefix(c, m.key);
	if (scan_peek(c) != ':')
		return scan_syntax(c, c->p, "expected ':'");
	c->p++;
	if (!value(c, &m.val))
		return false;
	*push(c) = m;
	if (c->n - base > 1)
		*sorted &= key_cmp(c, &c->members[c->n - 2], &c->members[c->n - 1]) < 0;
	return true;
}

static bool enter(struct scan *c)
{
	if (c->depth == c->depth_max)
		return scan_fail(c, ERR_LIMIT, c->p, "nested too deeply");
	c->depth++;
	c->p++;
	return true;
}

bool scan_members(struct scan *c, bool *ret_sorted)
{
	size_t base = c->n;
	bool sorted = true;

	if (!enter(c))
		return false;
	if (scan_peek(c) != '}') {
		for (;;) {
			if (!member(c, base, &sorted))
				return false;
			int next = scan_peek(c);
			if (next == '}')
				break;
			if (next != ',')
				return scan_syntax(c, c->p, "expected ',' or '}'");
			c->p++;
		}
	}
	c->p++;
	c->depth--;
	*ret_sorted = sorted;
	return true;
}

static void insertion_sort(const struct scan *c, struct member *m, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct member x = m[i];
		size_t j = i;
		for (; j && key_cmp(c, &m[j - 1], &x) > 0; j--)
			m[j] = m[j - 1];
		m[j] = x;
	}
}

/* Stable: of equal keys the one that came last stays last. */
static void merge_sort(const struct scan *c, struct member *m, struct member *spare, size_t n)
{
	size_t half = n / 2, i = 0, j = half;

	if (n <= INSERTION_MAX) {
		insertion_sort(c, m, n);
		return;
	}
	merge_sort(c, m, spare, half);
	merge_sort(c, m + half, spare, n - half);
	memcpy(spare, m, half * sizeof(*m));
	for (size_t k = 0; i < half; k++)
		m[k] = j == n || key_cmp(c, &spare[i], &m[j]) <= 0 ? spare[i++] : m[j++];
}

void scan_sort_all(struct scan *c, size_t base)
{
	size_t n = c->n - base;

	if (n < 2)
		return;
	if (n > INSERTION_MAX && n > c->spare_cap) {
		mem_free(c->spare);
		c->spare_cap = n;
		c->spare = mem_alloc(n * sizeof(*c->spare));
	}
	merge_sort(c, c->members + base, c->spare, n);
}

bool scan_sort(struct scan *c, size_t base)
{
	struct member *m = c->members + base;
	size_t n = c->n - base, kept = 0;

	scan_sort_all(c, base);
	for (size_t i = 0; i < n; i++)
		if (i + 1 == n || key_cmp(c, &m[i], &m[i + 1]) != 0)
			m[kept++] = m[i];
	c->n = base + kept;
	return kept < n;
}

static inline char *put_sv(char *at, struct sv s)
{
	memcpy(at, s.ptr, s.len);
	return at + s.len;
}

static inline char *put_member(const struct scan *c, char *at, const struct member *m)
{
	/* `"key":value` in one go when it lies so in the input. */
	if (!(m->key.at & SCAN_OUT) && m->val.at == m->key.at + m->key.len + 2)
		return put_sv(at, sv_make(c->start + m->key.at - 1, m->key.len + m->val.len + 3));
	*at++ = '"';
	at = put_sv(at, scan_sv(c, m->key));
	*at++ = '"';
	*at++ = ':';
	return put_sv(at, scan_sv(c, m->val));
}

bool scan_gather(struct scan *c, size_t base, struct sv *ret)
{
	size_t room = 2;

	for (size_t i = base; i < c->n; i++)
		room += (size_t)c->members[i].key.len + c->members[i].val.len + 4;
	char *start = scan_room(c, room), *at = start;
	if (!start)
		return false;
	*at++ = '{';
	for (size_t i = base; i < c->n; i++) {
		if (i > base)
			*at++ = ',';
		at = put_member(c, at, &c->members[i]);
	}
	*at++ = '}';
	*ret = sv_make(start, (size_t)(at - start));
	return true;
}

/* Text gathered behind out becomes a piece, in the place of its parts, which lie from mark on. */
static struct piece settle(struct scan *c, size_t mark, struct sv text)
{
	memmove(c->out + mark, text.ptr, text.len);
	c->out_len = mark;
	return scan_piece_out(c, text.len);
}

static bool object(struct scan *c, struct piece *ret)
{
	const char *from = c->p;
	size_t base = c->n, mark = c->out_len;
	bool outer = c->plain, sorted;
	struct sv text;

	c->plain = true;
	if (!scan_members(c, &sorted))
		return false;
	if (sorted && c->plain) {
		*ret = scan_piece_in(c, from, c->p);
		c->plain = outer;
	} else {
		if (!sorted)
			scan_sort(c, base);
		if (!scan_gather(c, base, &text))
			return false;
		*ret = settle(c, mark, text);
	}
	c->n = base;
	return true;
}

static bool gather_items(struct scan *c, size_t base, struct sv *ret)
{
	size_t room = 2;

	for (size_t i = base; i < c->n; i++)
		room += (size_t)c->members[i].val.len + 1;
	char *start = scan_room(c, room), *at = start;
	if (!start)
		return false;
	*at++ = '[';
	for (size_t i = base; i < c->n; i++) {
		if (i > base)
			*at++ = ',';
		at = put_sv(at, scan_sv(c, c->members[i].val));
	}
	*at++ = ']';
	*ret = sv_make(start, (size_t)(at - start));
	return true;
}

static bool items(struct scan *c)
{
	struct piece val;

	if (!enter(c))
		return false;
	if (scan_peek(c) != ']') {
		for (;;) {
			if (!value(c, &val))
				return false;
			push(c)->val = val;
			int next = scan_peek(c);
			if (next == ']')
				break;
			if (next != ',')
				return scan_syntax(c, c->p, "expected ',' or ']'");
			c->p++;
		}
	}
	c->p++;
	c->depth--;
	return true;
}

static bool array(struct scan *c, struct piece *ret)
{
	const char *from = c->p;
	size_t base = c->n, mark = c->out_len;
	bool outer = c->plain;
	struct sv text;

	c->plain = true;
	if (!items(c))
		return false;
	if (c->plain) {
		*ret = scan_piece_in(c, from, c->p);
		c->plain = outer;
	} else {
		if (!gather_items(c, base, &text))
			return false;
		*ret = settle(c, mark, text);
	}
	c->n = base;
	return true;
}

static bool literal(struct scan *c, const char *word, size_t n, struct piece *ret)
{
	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return scan_syntax(c, c->p, "expected a value");
	*ret = scan_piece_in(c, c->p, c->p + n);
	c->p += n;
	return true;
}

static bool value(struct scan *c, struct piece *ret)
{
	int first = scan_peek(c);

	switch (first) {
	case '"': return scan_string_value(c, ret);
	case '{': return object(c, ret);
	case '[': return array(c, ret);
	case 't': return literal(c, "true", 4, ret);
	case 'f': return literal(c, "false", 5, ret);
	case 'n': return literal(c, "null", 4, ret);
	default: break;
	}
	if (first == '-' || (first >= '0' && first <= '9'))
		return scan_number(c, ret);
	return scan_syntax(c, c->p, "expected a value");
}
