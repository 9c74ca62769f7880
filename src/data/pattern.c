#include "data/pattern.h"

#include "base/buf.h"
#include "base/mem.h"
#include "data/enc.h"

#include <ctype.h>
#include <regex.h>

/* The matcher unrolls x{2,9} to nine copies and x+ to two, within each other: the product counts.
 */
#define UNROLLED_MAX 5000
#define GROUPS_MAX 32

struct pattern {
	regex_t re;
};

struct reader {
	struct sv source;
	size_t i;
	struct buf out;
	uint64_t unrolled[GROUPS_MAX + 1]; /* of each open group, outermost first */
	size_t groups;
	uint64_t atom; /* what a quantifier would repeat; 0: nothing that can be */
};

/* The characters of \d \w \s as the inside of a bracket; NULL for other letters. */
static const char *class_of(char letter)
{
	switch (letter) {
	case 'd': return "0-9";
	case 'w': return "A-Za-z0-9_";
	case 's': return " \t\n\r\f\v";
	default: return NULL;
	}
}

static int hex_digits(struct reader *r, size_t n)
{
	int value = 0;

	if (r->source.len - r->i < n)
		return -1;
	for (size_t end = r->i + n; r->i < end; r->i++) {
		char c = r->source.ptr[r->i];
		if (!isxdigit((unsigned char)c))
			return -1;
		value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

/*
 * The one ASCII character an escape stands for, read from behind the backslash; -1 when it is
 * something else.
 */
static int escaped_char(struct reader *r)
{
	static const char letters[] = "nrtfv", meant[] = "\n\r\t\f\v";

	if (r->i == r->source.len)
		return -1;
	char c = r->source.ptr[r->i++];
	const char *at = c ? strchr(letters, c) : NULL;
	if (at)
		return meant[at - letters];
	int code = c == 'x' ? hex_digits(r, 2) : c == 'u' ? hex_digits(r, 4) : -1;
	if (c == 'x' || c == 'u')
		return code > 0 && code < 0x80 ? code : -1;
	return c > 0 && ispunct((unsigned char)c) ? c : -1;
}

static void literal(struct reader *r, char c)
{
	if (strchr("^.[]$()|*+?{}\\", c))
		buf_char(&r->out, '\\');
	buf_char(&r->out, c);
}

static bool escape(struct reader *r)
{
	if (r->i == r->source.len)
		return false;
	char c = r->source.ptr[r->i];
	const char *class = class_of((char)(c | 0x20));
	if (class) {
		buf_printf(&r->out, "[%s%s]", isupper((unsigned char)c) ? "^" : "", class);
		r->i++;
		return true;
	}
	int code = escaped_char(r);
	if (code >= 0)
		literal(r, (char)code);
	return code >= 0;
}

/* A bracket has no escapes in POSIX: which of its characters matter is said by their place. */
struct bracket {
	bool negated, close, caret, dash; /* the ones that need a place */
	struct buf rest;
};

static void bracket_char(struct bracket *b, char c)
{
	b->close |= c == ']';
	b->caret |= c == '^';
	b->dash |= c == '-';
	if (!strchr("]^-", c)) {
		/* "[." "[:" "[=" would begin something. */
		if (c == '[')
			buf_str(&b->rest, "[.[.]");
		else
			buf_char(&b->rest, c);
	}
}

/* The next character of a bracket; -1 for a class (which is then added), -2 for a failure. */
static int bracket_next(struct reader *r, struct bracket *b)
{
	char c = r->source.ptr[r->i++];

	if (c <= 0)
		return -2; /* bytes of UTF-8 would be taken one by one */
	if (c != '\\')
		return c;
	if (r->i == r->source.len)
		return -2;
	const char *class = class_of(r->source.ptr[r->i]);
	if (class) {
		buf_str(&b->rest, class);
		r->i++;
		return -1;
	}
	int code = escaped_char(r);
	return code < 0 ? -2 : code;
}

static bool bracket_items(struct reader *r, struct bracket *b)
{
	while (r->i < r->source.len && r->source.ptr[r->i] != ']') {
		int from = bracket_next(r, b), to;
		if (from == -2)
			return false;
		bool range = from >= 0 && r->source.len - r->i > 1 && r->source.ptr[r->i] == '-' &&
			     r->source.ptr[r->i + 1] != ']';
		if (!range) {
			if (from >= 0)
				bracket_char(b, (char)from);
			continue;
		}
		r->i++;
		to = bracket_next(r, b);
		/* Ends that need a place of their own are rare; "[+--]" is not worth code. */
		if (to < from || strchr("]^-[", from) || strchr("]^-[", to))
			return false;
		buf_printf(&b->rest, "%c-%c", from, to);
	}
	return r->i++ < r->source.len;
}

static bool bracket(struct reader *r)
{
	struct bracket b = { 0 };

	buf_init(&b.rest, 8 * PATTERN_LEN_MAX);
	if (r->i < r->source.len && r->source.ptr[r->i] == '^') {
		b.negated = true;
		r->i++;
	}
	bool ok = bracket_items(r, &b) && (b.rest.len || b.close || b.dash || b.caret);
	/* A caret alone cannot stand first in a bracket. */
	if (ok && b.caret && !b.negated && !b.close && !b.rest.len && !b.dash) {
		buf_str(&r->out, "\\^");
	} else if (ok) {
		buf_printf(&r->out, "[%s%s", b.negated ? "^" : "", b.close ? "]" : "");
		buf_sv_add(&r->out, buf_sv(&b.rest));
		/* With only a dash beside it the caret comes after. */
		bool dash_first = b.dash && b.caret && !b.rest.len && !b.close;
		buf_printf(&r->out, "%s%s%s]", dash_first ? "-" : "", b.caret ? "^" : "",
			b.dash && !dash_first ? "-" : "");
	}
	buf_done(&b.rest);
	return ok;
}

static bool atom(struct reader *r, uint64_t size)
{
	r->atom = size;
	r->unrolled[r->groups] += size;
	return r->unrolled[r->groups] <= UNROLLED_MAX;
}

/* A quantifier takes the atom before it; another one behind it is no JavaScript. */
static bool repeat(struct reader *r, uint64_t times)
{
	uint64_t more = r->atom * (times ? times - 1 : 0);

	if (!r->atom)
		return false;
	r->atom = 0;
	r->unrolled[r->groups] += more;
	return r->unrolled[r->groups] <= UNROLLED_MAX;
}

static bool next_is(const struct reader *r, const char *text)
{
	return sv_starts(sv_from(r->source, r->i), sv_str(text));
}

/* A lazy quantifier finds a match exactly when the greedy one does. */
static void skip_lazy(struct reader *r)
{
	if (next_is(r, "?"))
		r->i++;
}

/* "{2,5}"; a brace that is no repetition is itself. */
static bool repetition(struct reader *r)
{
	size_t from = r->i;
	uint64_t n = 0, most = 0;

	while (r->i < r->source.len && (isdigit((unsigned char)r->source.ptr[r->i]) ||
					       (r->source.ptr[r->i] == ',' && r->i > from))) {
		char c = r->source.ptr[r->i++];
		n = c == ',' ? 0 : n * 10 + (uint64_t)(c - '0');
		most = n > most ? n : most;
		if (most > UNROLLED_MAX)
			return false;
	}
	if (r->i == from || r->i == r->source.len || r->source.ptr[r->i] != '}') {
		r->i = from;
		buf_str(&r->out, "\\{");
		return atom(r, 1);
	}
	r->i++;
	buf_char(&r->out, '{');
	buf_add(&r->out, r->source.ptr + from, r->i - from);
	skip_lazy(r);
	return repeat(r, most + 1);
}

static bool group_begin(struct reader *r)
{
	if (next_is(r, "?:"))
		r->i += 2;
	else if (next_is(r, "?"))
		return false;
	if (r->groups == GROUPS_MAX)
		return false;
	r->unrolled[++r->groups] = 0;
	r->atom = 0;
	buf_char(&r->out, '(');
	return true;
}

static bool group_end(struct reader *r)
{
	if (r->groups == 0)
		return false;
	buf_char(&r->out, ')');
	uint64_t size = r->unrolled[r->groups--];
	return atom(r, size + 1);
}

/* In a group, so that a quantifier behind it takes all its bytes. */
static bool wide_char(struct reader *r)
{
	size_t n = enc_utf8_len(r->source.ptr + r->i - 1, r->source.len - r->i + 1);

	buf_char(&r->out, '(');
	buf_add(&r->out, r->source.ptr + r->i - 1, n);
	buf_char(&r->out, ')');
	r->i += n ? n - 1 : 0;
	return n > 0 && atom(r, n);
}

static bool step(struct reader *r)
{
	char c = r->source.ptr[r->i++];

	if (c & 0x80)
		return wide_char(r);
	switch (c) {
	case '\0': return false;
	case '\\': return escape(r) && atom(r, 1);
	case '[': return bracket(r) && atom(r, 1);
	case '{': return repetition(r);
	case '(': return group_begin(r);
	case ')': return group_end(r);
	case '*':
	case '+':
	case '?':
		buf_char(&r->out, c);
		skip_lazy(r);
		return repeat(r, c == '?' ? 1 : 2);
	case '^':
	case '$':
	case '|':
		r->atom = 0;
		buf_char(&r->out, c);
		return true;
	case '.': buf_char(&r->out, c); return atom(r, 1);
	default: literal(r, c); return atom(r, 1);
	}
}

struct pattern *pattern_new(struct sv source)
{
	struct reader r = { .source = source };
	struct pattern *p = NULL;
	bool ok = source.len <= PATTERN_LEN_MAX;

	buf_init(&r.out, 16 * PATTERN_LEN_MAX);
	while (ok && r.i < source.len)
		ok = step(&r);
	if (ok && r.groups == 0 && buf_ok(&r.out)) {
		p = NEW(struct pattern);
		buf_str(&r.out, "");
		if (regcomp(&p->re, r.out.ptr ? r.out.ptr : "", REG_EXTENDED | REG_NOSUB) != 0) {
			mem_free(p);
			p = NULL;
		}
	}
	buf_done(&r.out);
	return p;
}

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	regfree(&p->re);
	mem_free(p);
}

bool pattern_matches(const struct pattern *p, struct sv text)
{
	regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t)text.len };

	if (text.len > PATTERN_SUBJECT_MAX)
		return true;
	return regexec(&p->re, text.ptr ? text.ptr : "", 1, &range, REG_STARTEND) == 0;
}
