#include "data/tmpl.h"

#include "base/mem.h"
#include "base/sv.h"
#include "data/datefmt.h"
#include "data/enc.h"
#include "data/jsnum.h"
#include "data/json.h"

#include <ctype.h>

/* Functions by how a text becomes their arguments. */
static const struct fn {
	const char *name;
	enum { WHOLE, LAST_COMMA, EVERY_COMMA } split;
} functions[] = {
	{ "base64", WHOLE },
	{ "sha256Hex", WHOLE },
	{ "sha256Base64", WHOLE },
	{ "fingerprint", WHOLE },
	{ "hmacSha1Hex", LAST_COMMA },
	{ "ed25519Sign", LAST_COMMA },
	{ "awsSigV4", EVERY_COMMA },
};

struct eval {
	const struct tmpl_env *env;
	struct err *err;
	size_t max; /* of any text on the way */
	unsigned depth;
	bool changed; /* something was put in */
	bool missing; /* something stayed as it was written */
};

static int eval_text(struct eval *e, struct sv text, struct buf *out);

static int check(const struct eval *e, const struct buf *out)
{
	if (buf_ok(out))
		return 0;
	return err_set(e->err, ERR_LIMIT, "the template's result is longer than %zu bytes", e->max);
}

bool tmpl_is_template(struct sv text)
{
	return sv_find(text, SV_LIT("${")) >= 0;
}

static bool opens(struct sv text, size_t i)
{
	return text.len - i > 1 && text.ptr[i] == '$' && text.ptr[i + 1] == '{';
}

/* Index of the '}' that closes the "${" before `from`, or -1. */
static ptrdiff_t closing_brace(struct sv text, size_t from)
{
	size_t depth = 1;

	for (size_t i = from; i < text.len; i++) {
		if (opens(text, i))
			depth++, i++;
		else if (text.ptr[i] == '}' && --depth == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

int tmpl_check(struct sv text, struct err *err)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!opens(text, i))
			continue;
		ptrdiff_t end = closing_brace(text, i + 2);
		if (end < 0)
			return err_set(err, ERR_INVALID, "a '${' is not closed");
		size_t inner = (size_t)end - i - 2;
		if (sv_trim(sv_make(text.ptr + i + 2, inner)).len == 0)
			return err_set(err, ERR_INVALID, "'${}' names nothing");
	}
	return 0;
}

/* Behind a placeholder that begins at i; i when none begins there. */
static size_t skip_placeholder(struct sv text, size_t i)
{
	ptrdiff_t end = opens(text, i) ? closing_brace(text, i + 2) : -1;
	return end < 0 ? i : (size_t)end + 1;
}

/* Index of the ')' that closes the '(' before `from`, or -1. */
static ptrdiff_t closing_paren(struct sv text, size_t from)
{
	size_t depth = 1;

	for (size_t i = from; i < text.len; i++) {
		size_t behind = skip_placeholder(text, i);
		if (behind > i)
			i = behind - 1;
		else if (text.ptr[i] == '(')
			depth++;
		else if (text.ptr[i] == ')' && --depth == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

static size_t name_len(struct sv text)
{
	size_t n = 0;

	while (n < text.len && (isalnum((unsigned char)text.ptr[n]) || text.ptr[n] == '_'))
		n++;
	return n;
}

static const struct fn *find_function(struct sv name)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (sv_eq_str(name, functions[i].name))
			return &functions[i];
	return NULL;
}

/* Arguments. */

/* The next argument of *rest, up to a comma outside placeholders and parentheses. */
static bool next_arg(struct sv *rest, struct sv *ret)
{
	size_t depth = 0;

	if (!rest->ptr)
		return false;
	for (size_t i = 0; i < rest->len; i++) {
		size_t behind = skip_placeholder(*rest, i);
		if (behind > i) {
			i = behind - 1;
			continue;
		}
		char c = rest->ptr[i];
		depth += c == '(';
		depth -= c == ')' && depth;
		if (c == ',' && depth == 0) {
			*ret = sv_make(rest->ptr, i);
			*rest = sv_from(*rest, i + 1);
			return true;
		}
	}
	*ret = *rest;
	*rest = SV_NULL;
	return true;
}

/* Splits before anything is put in, so that a comma in a value divides nothing. 0: too many. */
static size_t split_args(const struct fn *fn, struct sv text, struct sv args[TMPL_ARGS_MAX])
{
	struct sv rest = text, piece;
	size_t n = 0;

	if (fn && fn->split == WHOLE) {
		args[0] = text;
		return 1;
	}
	while (next_arg(&rest, &piece)) {
		if (fn && fn->split == LAST_COMMA && n == 2) {
			/* What was the second belongs to the first: only the last comma divides. */
			args[0].len = (size_t)(args[1].ptr + args[1].len - args[0].ptr);
			args[1] = piece;
			continue;
		}
		if (n == TMPL_ARGS_MAX)
			return 0;
		args[n++] = piece;
	}
	for (size_t i = 0; i < n; i++)
		args[i] = sv_trim(args[i]);
	return n;
}

static int lookup(const struct eval *e, struct sv name, struct sv *ret)
{
	return e->env->lookup ? e->env->lookup(e->env->ctx, name, ret) : 0;
}

/* An argument: text with placeholders, else the name of a value, else itself. */
static int eval_arg(struct eval *e, struct sv text, struct buf *out)
{
	struct sv value;
	int found = tmpl_is_template(text) ? 0 : lookup(e, text, &value);

	TRY(found);
	if (!found)
		return eval_text(e, text, out);
	buf_sv_add(out, value);
	return check(e, out);
}

static int call(struct eval *e, struct sv name, const struct sv *args, size_t n, struct buf *out)
{
	int done = 0;

	if (sv_eq_str(name, "base64")) {
		enc_base64(out, args[0]);
		done = 1;
	} else if (e->env->call) {
		done = e->env->call(e->env->ctx, name, args, n, out, e->err);
	}
	TRY(done);
	TRY(check(e, out));
	return done;
}

/* 1 when the call got all its arguments and was done. */
static int eval_call(struct eval *e, struct sv name, struct sv text, struct buf *out)
{
	struct sv args[TMPL_ARGS_MAX], values[TMPL_ARGS_MAX];
	own_in(arena_done) struct arena arena = { 0 };
	size_t n = split_args(find_function(name), text, args);
	bool missing = e->missing;

	if (n == 0)
		return 0;
	e->missing = false;
	for (size_t i = 0; i < n; i++) {
		own_in(buf_done) struct buf b = { 0 };
		buf_init(&b, e->max);
		TRY(eval_arg(e, args[i], &b));
		values[i] = arena_sv(&arena, buf_sv(&b));
	}
	int done = e->missing ? 0 : call(e, name, values, n, out);
	e->missing = missing;
	return done;
}

/* Placeholders. */

/* "now", "now:FORMAT", "now+2:days:FORMAT". */
static bool eval_now(const struct eval *e, struct sv name, struct buf *out)
{
	int64_t ms = e->env->now_ms, by;
	struct sv unit, format = SV_NULL;

	if (!sv_starts(name, SV_LIT("now")))
		return false;
	struct sv rest = sv_from(name, 3);
	if (rest.len && (rest.ptr[0] == '+' || rest.ptr[0] == '-')) {
		bool back = rest.ptr[0] == '-';
		ptrdiff_t colon = sv_find_char(rest, ':');
		if (colon < 0 || !sv_to_i64(sv_make(rest.ptr + 1, (size_t)colon - 1), &by) ||
			by < 0)
			return false;
		rest = sv_from(rest, (size_t)colon + 1);
		colon = sv_find_char(rest, ':');
		unit = colon < 0 ? rest : sv_make(rest.ptr, (size_t)colon);
		rest = sv_from(rest, unit.len);
		if (!datefmt_shift(ms, back ? -by : by, unit, &ms))
			return false;
	}
	if (rest.len && rest.ptr[0] != ':')
		return false;
	if (rest.len)
		format = sv_from(rest, 1);
	datefmt(out, ms, format);
	return true;
}

static int eval_name(struct eval *e, struct sv name, struct buf *out)
{
	struct sv value;

	if (sv_eq_str(name, "random")) {
		buf_sv_add(out, e->env->random);
		return e->env->random.ptr != NULL;
	}
	if (eval_now(e, name, out))
		return 1;
	int found = lookup(e, name, &value);
	if (found > 0)
		buf_sv_add(out, value);
	return found;
}

/* What stands between "${" and "}": 1 when it was put in. */
static int eval_inner(struct eval *e, struct sv inner, struct buf *out)
{
	own_in(buf_done) struct buf name = { 0 };
	struct sv text = sv_trim(inner);
	size_t n = name_len(text);
	bool missing = e->missing;

	if (n && n < text.len && text.ptr[n] == '(' && text.ptr[text.len - 1] == ')')
		return eval_call(
			e, sv_make(text.ptr, n), sv_make(text.ptr + n + 1, text.len - n - 2), out);
	if (!tmpl_is_template(text))
		return eval_name(e, text, out);
	buf_init(&name, e->max);
	e->missing = false;
	TRY(eval_text(e, text, &name));
	bool complete = !e->missing;
	e->missing = missing;
	return complete ? eval_name(e, buf_sv(&name), out) : 0;
}

static int eval_placeholder(struct eval *e, struct sv whole, struct buf *out)
{
	size_t before = out->len;
	bool changed = e->changed;

	if (e->depth == TMPL_DEPTH_MAX)
		return err_set(e->err, ERR_LIMIT, "template nested deeper than %d", TMPL_DEPTH_MAX);
	e->depth++;
	bool bare = whole.ptr[0] != '$';
	size_t n = bare ? name_len(whole) : 0;
	int done = bare ? eval_call(e, sv_make(whole.ptr, n),
				  sv_make(whole.ptr + n + 1, whole.len - n - 2), out)
			: eval_inner(e, sv_make(whole.ptr + 2, whole.len - 3), out);
	e->depth--;
	TRY(done);
	e->changed = changed || done;
	if (!done) {
		/* A half-made result must not show: the placeholder stays as a whole. */
		if (buf_ok(out) && out->ptr)
			out->ptr[out->len = before] = 0;
		buf_sv_add(out, whole);
		e->missing = true;
	}
	return check(e, out);
}

/* Length of a call of a known function at i that is not within "${}": "base64(...)"; else 0. */
static size_t bare_call(struct sv text, size_t i)
{
	if (i && (isalnum((unsigned char)text.ptr[i - 1]) || strchr("_.$", text.ptr[i - 1])))
		return 0;
	struct sv at = sv_from(text, i);
	size_t n = name_len(at);
	if (n == 0 || n == at.len || at.ptr[n] != '(' || !find_function(sv_make(at.ptr, n)))
		return 0;
	ptrdiff_t end = closing_paren(at, n + 1);
	return end < 0 ? 0 : (size_t)end + 1;
}

static int eval_text(struct eval *e, struct sv text, struct buf *out)
{
	for (size_t i = 0; i < text.len;) {
		size_t n = skip_placeholder(text, i) - i;
		if (n == 0)
			n = bare_call(text, i);
		if (n)
			TRY(eval_placeholder(e, sv_make(text.ptr + i, n), out));
		else
			buf_char(out, text.ptr[i]);
		i += n ? n : 1;
	}
	return check(e, out);
}

/* The next alternative of *rest: up to "||" outside placeholders. */
static bool next_alternative(struct sv *rest, struct sv *ret)
{
	if (!rest->ptr)
		return false;
	for (size_t i = 0; i < rest->len; i++) {
		size_t behind = skip_placeholder(*rest, i);
		if (behind > i) {
			i = behind - 1;
		} else if (rest->ptr[i] == '|' && i + 1 < rest->len && rest->ptr[i + 1] == '|') {
			*ret = sv_trim(sv_make(rest->ptr, i));
			*rest = sv_from(*rest, i + 2);
			return true;
		}
	}
	*ret = sv_trim(*rest);
	*rest = SV_NULL;
	return true;
}

int tmpl_eval(struct sv text, const struct tmpl_env *env, struct buf *out, bool *ret_resolved,
	struct err *err)
{
	struct eval e = { .env = env, .err = err, .max = out->max };
	own_in(buf_done) struct buf result = { 0 };
	struct sv rest = text, part;

	buf_init(&result, out->max);
	if (!tmpl_is_template(text)) {
		buf_sv_add(&result, text);
		TRY(check(&e, &result));
	} else if (next_alternative(&rest, &part) && !rest.ptr) {
		/* The only one keeps its white space. */
		TRY(eval_text(&e, text, &result));
	} else {
		do {
			buf_clear(&result);
			e.changed = e.missing = false;
			TRY(eval_text(&e, part, &result));
		} while (!e.changed && next_alternative(&rest, &part));
	}
	buf_sv_add(out, buf_sv(&result));
	TRY(check(&e, out));
	if (ret_resolved)
		*ret_resolved = !e.missing;
	return 0;
}

bool tmpl_lookup_json(const struct json_t *root, struct sv name, char scratch[32], struct sv *ret)
{
	const struct json_t *v = json_member(root, name);

	if (!v)
		v = json_find(root, name);
	if (json_kind(v) == JSON_KIND_STRING) {
		*ret = json_sv(v);
		return true;
	}
	if (json_kind(v) != JSON_KIND_NUMBER)
		return false;
	*ret = sv_make(scratch, jsnum_format(json_num(v), scratch));
	return true;
}
