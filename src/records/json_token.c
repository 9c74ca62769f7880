#include "data/enc.h"
#include "data/jsnum.h"
#include "records/json_scan.h"

#define INT_DIGITS_MAX 21 /* longer integers are printed with an exponent */
#define EXPONENT_DIGITS_MAX 18

typedef signed char v16 __attribute__((vector_size(16)));
#define SPLAT(x) ((v16){ x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x })

static inline unsigned first_set_byte(uint64_t mask)
{
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		mask = __builtin_bswap64(mask);
	return (unsigned)__builtin_ctzll(mask) / 8;
}

/* The first byte that ends a run: quote, backslash, control or not ASCII (negative). */
static inline const char *skip_ordinary(const char *p, const char *end)
{
	while (end - p >= 16) {
		uint64_t halves[2];
		v16 x;
		memcpy(&x, p, 16);
		v16 mask = (x < SPLAT(0x20)) | (x == SPLAT('"')) | (x == SPLAT('\\'));
		memcpy(halves, &mask, 16);
		if (halves[0])
			return p + first_set_byte(halves[0]);
		if (halves[1])
			return p + 8 + first_set_byte(halves[1]);
		p += 16;
	}
	while (p < end && (signed char)*p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of "\uXXXX" at p, -1 if there is none. */
static int unit_at(const char *p, const char *end)
{
	int unit = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int v = hex_value(p[i]);
		if (v < 0)
			return -1;
		unit = unit << 4 | v;
	}
	return unit;
}

static bool is_high(int unit)
{
	return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(int unit)
{
	return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* The letter behind the backslash with which JSON.stringify writes this character, or 0. */
static char short_escape(int unit)
{
	switch (unit) {
	case '"': return '"';
	case '\\': return '\\';
	case '\b': return 'b';
	case '\f': return 'f';
	case '\n': return 'n';
	case '\r': return 'r';
	case '\t': return 't';
	default: return 0;
	}
}

/* Whether JSON.stringify writes `unit`, spelled "\uXXXX" at p, exactly so. */
static bool unit_is_canonical(int unit, const char *p)
{
	for (int i = 2; i < 6; i++)
		if (p[i] >= 'A' && p[i] <= 'F')
			return false;
	return (unit < 0x20 && !short_escape(unit)) || is_high(unit) || is_low(unit);
}

/* Behind the escape at p; NULL when it is none. */
static const char *escape_end(struct scan *c, const char *p, bool *plain)
{
	if (c->end - p < 2) {
		scan_syntax(c, c->end, "");
		return NULL;
	}
	if (p[1] != 'u') {
		switch (p[1]) {
		case '/': *plain = false; return p + 2;
		case '"':
		case '\\':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't': return p + 2;
		default: scan_syntax(c, p, "unknown escape"); return NULL;
		}
	}
	int unit = unit_at(p, c->end);
	if (unit < 0) {
		scan_syntax(c, p, "unknown escape");
		return NULL;
	}
	if (is_high(unit) && is_low(unit_at(p + 6, c->end))) {
		*plain = false;
		return p + 12;
	}
	*plain &= unit_is_canonical(unit, p);
	return p + 6;
}

/* The closing quote of the string that begins at p; NULL when it is broken. */
static inline const char *string_end(struct scan *c, const char *p, bool *plain)
{
	for (;;) {
		p = skip_ordinary(p, c->end);
		if (p < c->end && SCAN_LIKELY(*p == '"'))
			return p;
		if (p < c->end && *p == '\\') {
			p = escape_end(c, p, plain);
			if (!p)
				return NULL;
			continue;
		}
		if (p == c->end || (*p >= 0 && *p < 0x20)) {
			scan_syntax(c, p, "control character in a string");
			return NULL;
		}
		do {
			size_t n = enc_utf8_len(p, (size_t)(c->end - p));
			if (!n) {
				scan_fail(c, ERR_INVALID, p, "invalid UTF-8");
				return NULL;
			}
			p += n;
		} while (p < c->end && *p & 0x80);
	}
}

static char *put_utf8(char *at, int code)
{
	if (code < 0x80) {
		*at++ = (char)code;
	} else if (code < 0x800) {
		*at++ = (char)(0xC0 | code >> 6);
		*at++ = (char)(0x80 | (code & 0x3F));
	} else if (code < 0x10000) {
		*at++ = (char)(0xE0 | code >> 12);
		*at++ = (char)(0x80 | (code >> 6 & 0x3F));
		*at++ = (char)(0x80 | (code & 0x3F));
	} else {
		*at++ = (char)(0xF0 | code >> 18);
		*at++ = (char)(0x80 | (code >> 12 & 0x3F));
		*at++ = (char)(0x80 | (code >> 6 & 0x3F));
		*at++ = (char)(0x80 | (code & 0x3F));
	}
	return at;
}

/* One character, or one lone surrogate, as JSON.stringify spells it. */
static char *put_canonical(char *at, int code)
{
	char letter = short_escape(code);

	if (letter) {
		*at++ = '\\';
		*at++ = letter;
		return at;
	}
	if (code >= 0x20 && !is_high(code) && !is_low(code))
		return put_utf8(at, code);
	memcpy(at, "\\u", 2);
	for (int i = 0; i < 4; i++)
		at[2 + i] = "0123456789abcdef"[code >> (12 - 4 * i) & 15];
	return at + 6;
}

/* The character that the (valid) escape at *p stands for; *p moves behind it. */
static int escape_code(const char **p, const char *end)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *at = *p;

	if (at[1] != 'u') {
		*p += 2;
		return meant[strchr(letters, at[1]) - letters];
	}
	int unit = unit_at(at, end), low = unit_at(at + 6, end);
	*p += 6;
	if (!is_high(unit) || !is_low(low))
		return unit;
	*p += 6;
	return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

/* A valid string in its canonical spelling, which is never longer. */
static bool respell(struct scan *c, const char *from, const char *to, struct piece *ret)
{
	char *start = scan_room(c, (size_t)(to - from)), *at = start;

	if (!start)
		return false;
	while (from < to) {
		const char *run = memchr(from, '\\', (size_t)(to - from));
		size_t n = (size_t)((run ? run : to) - from);
		memcpy(at, from, n);
		at += n;
		from += n;
		if (run)
			at = put_canonical(at, escape_code(&from, to));
	}
	*ret = scan_piece_out(c, (size_t)(at - start));
	return true;
}

bool scan_string(struct scan *c, struct piece *ret)
{
	const char *from = c->p + 1;
	bool plain = true;
	const char *to = string_end(c, from, &plain);

	if (!to)
		return false;
	c->p = to + 1;
	if (!plain)
		return respell(c, from, to, ret);
	*ret = scan_piece_in(c, from, to);
	return true;
}

bool scan_string_value(struct scan *c, struct piece *ret)
{
	struct piece text;

	if (!scan_string(c, &text))
		return false;
	if (SCAN_LIKELY(!(text.at & SCAN_OUT))) {
		*ret = (struct piece){ .at = text.at - 1, .len = text.len + 2 };
		return true;
	}
	/* The respelled text lies at the end of out: put the quotes around it there. */
	if (!scan_room(c, 2))
		return false;
	char *at = c->out + (text.at & ~SCAN_OUT);
	memmove(at + 1, at, text.len);
	at[0] = at[1 + text.len] = '"';
	c->out_len += 2;
	*ret = (struct piece){ .at = text.at, .len = text.len + 2 };
	return true;
}

/* Numbers. */

struct number {
	const char *from, *to;
	const char *digits, *point,
		*exponent; /* integer part; where '.' and 'e' are, or would be */
	bool negative;
};

static inline const char *digits_end(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* Canonical as it stands, without an exponent: 12, -0.5, 0.000001; not 1.0, -0, 0.0000001. */
static inline bool number_is_plain(const struct number *n)
{
	size_t whole = (size_t)(n->point - n->digits);

	if (n->exponent != n->to || whole > INT_DIGITS_MAX)
		return false;
	if (n->point == n->to)
		return !(n->negative && *n->digits == '0');
	if (n->to[-1] == '0')
		return false;
	return *n->digits != '0' || n->to - n->point <= 6 || memcmp(n->point, ".000000", 7) != 0;
}

/* The exponent's value; false when it has too many digits for arithmetic. */
static bool exponent_value(const struct number *n, int64_t *ret)
{
	const char *p = n->exponent;
	int64_t e = 0;

	*ret = 0;
	if (p == n->to)
		return true;
	bool negative = p[1] == '-';
	p += p[1] == '-' || p[1] == '+' ? 2 : 1;
	while (p < n->to && *p == '0')
		p++;
	if (n->to - p > EXPONENT_DIGITS_MAX)
		return false;
	for (; p < n->to; p++)
		e = e * 10 + (*p - '0');
	*ret = negative ? -e : e;
	return true;
}

static bool normalise(struct scan *c, const struct number *n, struct piece *ret)
{
	size_t room = (size_t)(n->to - n->from) + 64;
	char *text = scan_room(c, 2 * room);
	int64_t exponent;

	if (!text)
		return false;
	/* All digits in one row, without zeros at either end. */
	char *digits = text + room;
	size_t whole = (size_t)(n->point - n->digits), k = whole, zeros = 0;
	memcpy(digits, n->digits, whole);
	if (n->exponent > n->point) {
		size_t fraction = (size_t)(n->exponent - n->point) - 1;
		memcpy(digits + whole, n->point + 1, fraction);
		k += fraction;
	}
	while (k && digits[k - 1] == '0')
		k--;
	while (zeros < k && digits[zeros] == '0')
		zeros++;

	if (k == 0) {
		*text = '0';
		*ret = scan_piece_out(c, 1);
	} else if (!exponent_value(n, &exponent)) {
		*ret = scan_piece_in(c, n->from, n->to);
	} else {
		int64_t point = (int64_t)whole - (int64_t)zeros + exponent;
		*ret = scan_piece_out(
			c, jsnum_layout(n->negative, digits + zeros, k - zeros, point, text));
	}
	return true;
}

bool scan_number(struct scan *c, struct piece *ret)
{
	struct number n = { .from = c->p, .negative = *c->p == '-' };
	const char *end = c->end, *p = n.from + n.negative;

	n.digits = p;
	p = p < end && *p == '0' ? p + 1 : digits_end(p, end);
	if (p == n.digits)
		return scan_syntax(c, p, "expected a digit");
	n.point = n.exponent = p;
	if (p < end && *p == '.') {
		n.exponent = p = digits_end(p + 1, end);
		if (p == n.point + 1)
			return scan_syntax(c, p, "expected a digit");
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		const char *sign = p + 1;
		sign += sign < end && (*sign == '+' || *sign == '-');
		p = digits_end(sign, end);
		if (p == sign)
			return scan_syntax(c, p, "expected a digit");
	}
	n.to = c->p = p;
	if (!number_is_plain(&n))
		return normalise(c, &n, ret);
	*ret = scan_piece_in(c, n.from, p);
	return true;
}
