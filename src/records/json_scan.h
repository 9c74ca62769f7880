/*
 * The scanner under json_canon: strict JSON from bytes to canonical pieces (strings and numbers
 * in json_token.c, objects and arrays in json_scan.c). Internal to json_canon.c; what canonical
 * means is written in json_canon.h.
 *
 * A piece is canonical text either in the input itself or in the scanner's own output (`out`),
 * where whatever had to be respelled is put. Members of open containers lie on one stack, those
 * of the innermost at the end. `plain` stays true as long as everything read since it was set
 * is canonical where it lies: then no text of the container has to be gathered at all.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

#define SCAN_OUT 0x80000000u /* in piece.at: an offset into `out`, not into the input */
#define SCAN_BYTES_MAX (1u << 28)
#define SCAN_LIKELY(x) __builtin_expect(!!(x), 1)

struct piece {
	uint32_t at, len;
};

struct member {
	uint64_t prefix; /* the key's first 8 bytes, big endian, padded with 0: no key contains 0 */
	struct piece key; /* without quotes; unused in arrays */
	struct piece val;
};

struct scan {
	const char *start, *p, *end; /* the input; where we are */
	unsigned depth, depth_max;
	bool plain;
	int code; /* of the first failure, with what was wrong and where */
	const char *what;
	const char *where;

	char *out;
	size_t out_len, out_cap;
	struct member *members;
	size_t n, cap;
	struct member *spare; /* for merging */
	size_t spare_cap;
};

void scan_done(struct scan *c);

/* Starts on an input of at most SCAN_BYTES_MAX bytes; memory from earlier inputs is kept. */
void scan_begin(struct scan *c, struct sv text, unsigned depth_max);

/*
 * At '{': reads the object and leaves its members, in the order they came, on the stack from
 * the `n` of before on. *ret_sorted: the keys ascend strictly. False: see code, what, where.
 */
bool scan_members(struct scan *c, bool *ret_sorted);

/* Sorts the members from `base` on, equal keys in the order they came. */
void scan_sort_all(struct scan *c, size_t base);

/* The same, but of equal keys only the last stays. True if there were any. */
bool scan_sort(struct scan *c, size_t base);

/* Canonical text of an object made of the (sorted) members from `base` on, put at the end of out.
 */
bool scan_gather(struct scan *c, size_t base, struct sv *ret);

/* At '"': reads a string; the piece is without quotes, or with them (json_token.c). */
bool scan_string(struct scan *c, struct piece *ret);
bool scan_string_value(struct scan *c, struct piece *ret);

/* At '-' or a digit. */
bool scan_number(struct scan *c, struct piece *ret);

/* A copy of text in out. */
bool scan_put(struct scan *c, struct sv text, struct piece *ret);

/* Text of a piece, valid until `out` grows. */
static inline struct sv scan_sv(const struct scan *c, struct piece p)
{
	return sv_make(p.at & SCAN_OUT ? c->out + (p.at & ~SCAN_OUT) : c->start + p.at, p.len);
}

/* Room for n more bytes of out; NULL (and failure) when it would be too much. */
char *scan_room(struct scan *c, size_t n);

bool scan_fail(struct scan *c, int code, const char *where, const char *what);

static inline bool scan_syntax(struct scan *c, const char *where, const char *what)
{
	return scan_fail(c, ERR_INVALID, where, where < c->end ? what : "unexpected end");
}

static inline struct piece scan_piece_in(const struct scan *c, const char *from, const char *to)
{
	return (struct piece){ .at = (uint32_t)(from - c->start), .len = (uint32_t)(to - from) };
}

/* Counts what was written behind the end of out as a piece. */
static inline struct piece scan_piece_out(struct scan *c, size_t len)
{
	struct piece p = { .at = (uint32_t)c->out_len | SCAN_OUT, .len = (uint32_t)len };
	c->out_len += len;
	c->plain = false;
	return p;
}

/* The next byte that is not white space, without taking it; 0 at the end. */
static inline int scan_peek(struct scan *c)
{
	while (c->p < c->end) {
		unsigned char ch = (unsigned char)*c->p;
		if (SCAN_LIKELY(ch > ' '))
			return ch;
		if (ch != ' ' && ch != '\n' && ch != '\r' && ch != '\t')
			return 0;
		c->plain = false;
		c->p++;
	}
	return 0;
}
