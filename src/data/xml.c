#include "data/xml.h"

#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"

#include <ctype.h>

struct reader {
	const char *at, *end;
	unsigned depth;
	struct err *err;
};

static struct sv rest_of(const struct reader *r)
{
	return sv_make(r->at, (size_t)(r->end - r->at));
}

static bool looking_at(const struct reader *r, const char *text)
{
	return sv_starts(rest_of(r), sv_str(text));
}

static void skip_space(struct reader *r)
{
	while (r->at < r->end && isspace((unsigned char)*r->at))
		r->at++;
}

static int fail(struct reader *r, const char *why)
{
	return err_set(r->err, ERR_INVALID, "no XML: %s", why);
}

/* What stands before `until`, which is skipped too. */
static int take_until(struct reader *r, const char *until, struct sv *ret)
{
	ptrdiff_t n = sv_find(rest_of(r), sv_str(until));

	if (n < 0)
		return fail(r, "it ends too early");
	*ret = sv_make(r->at, (size_t)n);
	r->at += (size_t)n + strlen(until);
	return 0;
}

/* --- text --- */

static void add_utf8(struct buf *out, unsigned long c)
{
	if (c < 0x80) {
		buf_char(out, (char)c);
	} else if (c < 0x800) {
		buf_char(out, (char)(0xc0 | c >> 6));
		buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_char(out, (char)(0xe0 | c >> 12));
		buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_char(out, (char)(0xf0 | c >> 18));
		buf_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_char(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* "#65", "#x41"; 0 for what is no character. */
static unsigned long reference(struct sv name)
{
	bool hex = name.len > 1 && name.ptr[1] == 'x';
	unsigned long c = 0;

	for (size_t i = hex ? 2 : 1; i < name.len; i++) {
		int ch = tolower((unsigned char)name.ptr[i]);
		if (!(hex ? isxdigit(ch) : isdigit(ch)) || c > 0x10ffff)
			return 0;
		c = c * (hex ? 16 : 10) + (unsigned long)(isdigit(ch) ? ch - '0' : ch - 'a' + 10);
	}
	return c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : c;
}

static int add_entity(struct reader *r, struct sv name, struct buf *out)
{
	static const struct {
		const char *name;
		char c;
	} known[] = { { "lt", '<' }, { "gt", '>' }, { "amp", '&' }, { "quot", '"' },
		{ "apos", '\'' } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (sv_eq_str(name, known[i].name)) {
			buf_char(out, known[i].c);
			return 0;
		}
	}
	unsigned long c = sv_starts(name, SV_LIT("#")) ? reference(name) : 0;
	if (!c)
		return fail(r, "an unknown entity");
	add_utf8(out, c);
	return 0;
}

static int add_text(struct reader *r, struct sv raw, struct buf *out)
{
	for (;;) {
		ptrdiff_t amp = sv_find_char(raw, '&'), semicolon;
		if (amp < 0)
			break;
		buf_add(out, raw.ptr, (size_t)amp);
		raw = sv_from(raw, (size_t)amp + 1);
		semicolon = sv_find_char(raw, ';');
		if (semicolon < 0)
			return fail(r, "an unknown entity");
		TRY(add_entity(r, sv_make(raw.ptr, (size_t)semicolon), out));
		raw = sv_from(raw, (size_t)semicolon + 1);
	}
	buf_sv_add(out, raw);
	return 0;
}

/* --- elements --- */

static bool in_name(char c)
{
	return isalnum((unsigned char)c) || strchr("_-.:", c) || (unsigned char)c >= 0x80;
}

static int take_name(struct reader *r, struct sv *ret)
{
	const char *from = r->at;

	while (r->at < r->end && *r->at && in_name(*r->at))
		r->at++;
	*ret = sv_make(from, (size_t)(r->at - from));
	return ret->len ? 0 : fail(r, "a name is missing");
}

static struct sv local(struct sv name)
{
	ptrdiff_t colon = sv_find_char(name, ':');

	return colon < 0 ? name : sv_from(name, (size_t)colon + 1);
}

static int read_attribute(struct reader *r, struct json_t *into)
{
	own_in(buf_done) struct buf key = { 0 }, value = { 0 };
	struct sv name, raw;

	TRY(take_name(r, &name));
	skip_space(r);
	if (!looking_at(r, "="))
		return fail(r, "an attribute without value");
	r->at++;
	skip_space(r);
	if (!looking_at(r, "\"") && !looking_at(r, "'"))
		return fail(r, "an attribute without quotes");
	const char quote[2] = { *r->at++, 0 };
	TRY(take_until(r, quote, &raw));
	if (sv_starts(name, SV_LIT("xmlns")))
		return 0;
	buf_init(&key, SIZE_MAX);
	buf_init(&value, SIZE_MAX);
	buf_printf(&key, "@%.*s", SV(local(name)));
	TRY(add_text(r, raw, &value));
	json_set(into, buf_sv(&key), json_new_str(buf_sv(&value)));
	return 0;
}

/* Takes over the reference. */
static void add_child(struct json_t *into, struct sv name, struct json_t *value)
{
	struct json_t *there = json_member(into, name);

	if (!there) {
		json_set(into, name, value);
	} else if (json_kind(there) == JSON_KIND_ARRAY) {
		json_push(there, value);
	} else {
		struct json_t *list = json_new_arr();
		json_push(list, json_ref(there));
		json_push(list, value);
		json_set(into, name, list);
	}
}

static int read_element(struct reader *r, struct sv *ret_name, struct json_t **ret);

/* Up to and with the end tag. */
static int read_content(struct reader *r, struct sv name, struct json_t *into, struct buf *text)
{
	struct json_t *child;
	struct sv raw, child_name;

	for (;;) {
		ptrdiff_t lt = sv_find_char(rest_of(r), '<');
		if (lt < 0)
			return fail(r, "it ends too early");
		TRY(add_text(r, sv_make(r->at, (size_t)lt), text));
		r->at += lt;
		if (looking_at(r, "</")) {
			r->at += 2;
			TRY(take_until(r, ">", &raw));
			return sv_eq(sv_trim(raw), name) ? 0 : fail(r, "tags do not match");
		}
		if (looking_at(r, "<!--")) {
			r->at += 4;
			TRY(take_until(r, "-->", &raw));
		} else if (looking_at(r, "<![CDATA[")) {
			r->at += 9;
			TRY(take_until(r, "]]>", &raw));
			buf_sv_add(text, raw);
		} else if (looking_at(r, "<?")) {
			TRY(take_until(r, "?>", &raw));
		} else {
			TRY(read_element(r, &child_name, &child));
			add_child(into, local(child_name), child);
		}
	}
}

static int read_element(struct reader *r, struct sv *ret_name, struct json_t **ret)
{
	own(json_unref) struct json_t *value = json_new_obj();
	own_in(buf_done) struct buf text = { 0 };

	if (++r->depth > XML_DEPTH_MAX)
		return err_set(r->err, ERR_LIMIT, "XML nested deeper than %d", XML_DEPTH_MAX);
	r->at++;
	TRY(take_name(r, ret_name));
	for (skip_space(r); !looking_at(r, ">") && !looking_at(r, "/>"); skip_space(r))
		TRY(read_attribute(r, value));
	bool empty = *r->at == '/';
	r->at += empty ? 2 : 1;
	buf_init(&text, SIZE_MAX);
	if (!empty)
		TRY(read_content(r, *ret_name, value, &text));
	r->depth--;
	struct sv trimmed = sv_trim(buf_sv(&text));
	if (!json_len(value)) {
		*ret = json_new_str(trimmed.len ? trimmed : SV_LIT(""));
		return 0;
	}
	if (trimmed.len)
		json_set_str(value, "#text", trimmed);
	*ret = take(value);
	return 0;
}

/* What may stand around the root. */
static int skip_misc(struct reader *r)
{
	struct sv raw;

	for (;;) {
		skip_space(r);
		if (looking_at(r, "<?"))
			TRY(take_until(r, "?>", &raw));
		else if (looking_at(r, "<!--"))
			TRY(take_until(r, "-->", &raw));
		else if (looking_at(r, "<!"))
			return fail(r, "document types are not read");
		else
			return 0;
	}
}

int xml_parse(struct sv text, struct json_t **ret, struct err *err)
{
	struct reader r = { .at = text.ptr, .end = text.ptr + text.len, .err = err };
	own(json_unref) struct json_t *out = json_new_obj();
	struct json_t *root;
	struct sv name;

	if (!enc_is_utf8(text))
		return fail(&r, "not UTF-8");
	if (sv_starts(text, SV_LIT("\xef\xbb\xbf")))
		r.at += 3;
	TRY(skip_misc(&r));
	if (!looking_at(&r, "<"))
		return fail(&r, "no element");
	TRY(read_element(&r, &name, &root));
	json_set(out, local(name), root);
	TRY(skip_misc(&r));
	if (r.at != r.end)
		return fail(&r, "something behind the end");
	*ret = take(out);
	return 0;
}

/* --- writing --- */

static void write_escaped(struct buf *out, struct sv text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.ptr[i]) {
		case '<': buf_str(out, "&lt;"); break;
		case '>': buf_str(out, "&gt;"); break;
		case '&': buf_str(out, "&amp;"); break;
		case '"': buf_str(out, "&quot;"); break;
		default: buf_char(out, text.ptr[i]);
		}
	}
}

static void write_scalar(const struct json_t *v, struct buf *out)
{
	own_in(buf_done) struct buf text = { 0 };

	if (json_kind(v) == JSON_KIND_STRING) {
		write_escaped(out, json_sv(v));
		return;
	}
	buf_init(&text, SIZE_MAX);
	if (json_kind(v) != JSON_KIND_NULL)
		json_dump_compact(v, &text);
	write_escaped(out, buf_sv(&text));
}

static int write_element(struct sv name, const struct json_t *v, struct buf *out, struct err *err);

static int write_members(const struct json_t *v, struct buf *out, struct err *err)
{
	struct json_t *val;
	struct sv key;

	for (void *it = NULL; json_next(v, &it, &key, &val);) {
		if (sv_eq_str(key, "#text"))
			write_scalar(val, out);
		else if (!sv_starts(key, SV_LIT("@")))
			TRY(write_element(key, val, out, err));
	}
	return 0;
}

static int check_name(struct sv name, struct err *err)
{
	bool ok = name.len && !isdigit((unsigned char)name.ptr[0]);

	for (size_t i = 0; i < name.len; i++)
		ok = ok && name.ptr[i] && in_name(name.ptr[i]);
	return ok ? 0 : err_set(err, ERR_INVALID, "'%.*s' is no name in XML", SV(name));
}

static int write_element(struct sv name, const struct json_t *v, struct buf *out, struct err *err)
{
	struct json_t *val;
	struct sv key;

	if (json_kind(v) == JSON_KIND_ARRAY) {
		for (size_t i = 0; i < json_len(v); i++)
			TRY(write_element(name, json_item(v, i), out, err));
		return 0;
	}
	TRY(check_name(name, err));
	buf_printf(out, "<%.*s", SV(name));
	bool is_object = json_kind(v) == JSON_KIND_OBJECT;
	for (void *it = NULL; is_object && json_next(v, &it, &key, &val);) {
		if (!sv_starts(key, SV_LIT("@")))
			continue;
		TRY(check_name(sv_from(key, 1), err));
		buf_printf(out, " %.*s=\"", SV(sv_from(key, 1)));
		write_scalar(val, out);
		buf_char(out, '"');
	}
	buf_char(out, '>');
	if (is_object)
		TRY(write_members(v, out, err));
	else
		write_scalar(v, out);
	buf_printf(out, "</%.*s>", SV(name));
	return 0;
}

int xml_write(const struct json_t *v, struct buf *out, struct err *err)
{
	return write_members(v, out, err);
}
