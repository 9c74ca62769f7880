#include "data/yaml.h"

#include "base/buf.h"
#include "base/mem.h"
#include "data/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define CORE "tag:yaml.org,2002:"

struct loader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	const char *name;
	struct err *err;
	unsigned depth;
};

static int node(struct loader *l, struct json_t **ret);

static int fail(const struct loader *l, enum err_code code, const char *what)
{
	const yaml_mark_t *at = &l->event.start_mark;

	return err_set(l->err, code, "%s:%zu:%zu: %s", l->name, at->line + 1, at->column + 1, what);
}

static int refuse(const struct loader *l, const char *what)
{
	return fail(l, ERR_INVALID, what);
}

static int parser_error(const struct loader *l)
{
	const yaml_parser_t *p = &l->parser;
	const char *problem = p->problem ? p->problem : "broken YAML";

	if (p->error == YAML_READER_ERROR)
		return err_set(l->err, ERR_INVALID, "%s: byte %zu: %s", l->name, p->problem_offset,
			problem);
	return err_set(l->err, ERR_INVALID, "%s:%zu:%zu: %s%s%s", l->name, p->problem_mark.line + 1,
		p->problem_mark.column + 1, p->context ? p->context : "", p->context ? ": " : "",
		problem);
}

static int next(struct loader *l)
{
	yaml_event_delete(&l->event);
	return yaml_parser_parse(&l->parser, &l->event) ? 0 : parser_error(l);
}

/* Scalars. */

static bool one_of(struct sv s, const char *a, const char *b, const char *c)
{
	return sv_eq_str(s, a) || sv_eq_str(s, b) || sv_eq_str(s, c);
}

static size_t digits(struct sv s, size_t from, const char *set)
{
	size_t i = from;

	while (i < s.len && s.ptr[i] && strchr(set, s.ptr[i]))
		i++;
	return i - from;
}

static struct json_t *based_integer(struct sv s)
{
	bool octal = s.ptr[1] == 'o';
	const char *set = octal ? "01234567" : "0123456789abcdefABCDEF";

	if (s.len < 3 || s.len > 18 || digits(s, 2, set) != s.len - 2)
		return NULL;
	/* The scalar is NUL-terminated by the library. */
	unsigned long long n = strtoull(s.ptr + 2, NULL, octal ? 8 : 16);
	return n <= INT64_MAX ? json_new_int((int64_t)n) : json_new_num((double)n);
}

/* Numbers of the core schema; NULL when s is none. `.inf` and `.nan`, which JSON lacks, are text.
 */
static struct json_t *plain_number(struct sv s)
{
	static const char decimal[] = "0123456789";
	size_t sign = s.ptr[0] == '-' || s.ptr[0] == '+', i = sign;

	if (s.len > 2 && s.ptr[0] == '0' && (s.ptr[1] == 'o' || s.ptr[1] == 'x'))
		return based_integer(s);
	size_t whole = digits(s, i, decimal), fraction = 0;
	i += whole;
	if (whole && i == s.len) {
		errno = 0;
		long long n = strtoll(s.ptr, NULL, 10);
		return errno ? json_new_num(strtod(s.ptr, NULL)) : json_new_int(n);
	}
	if (i < s.len && s.ptr[i] == '.') {
		fraction = digits(s, i + 1, decimal);
		i += fraction + 1;
	}
	if (whole + fraction == 0)
		return NULL;
	if (i < s.len && (s.ptr[i] == 'e' || s.ptr[i] == 'E')) {
		i++;
		i += i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+');
		size_t exponent = digits(s, i, decimal);
		if (!exponent)
			return NULL;
		i += exponent;
	}
	return i == s.len ? json_new_num(strtod(s.ptr, NULL)) : NULL;
}

static struct json_t *plain_scalar(struct sv s)
{
	struct json_t *number;

	if (s.len == 0 || sv_eq_str(s, "~") || one_of(s, "null", "Null", "NULL"))
		return json_new_null();
	if (one_of(s, "true", "True", "TRUE"))
		return json_new_bool(true);
	if (one_of(s, "false", "False", "FALSE"))
		return json_new_bool(false);
	/* Nearly everything begins with a letter. */
	number = s.ptr[0] > '9' ? NULL : plain_number(s);
	return number ? number : json_new_str(s);
}

static bool tag_is(const yaml_char_t *tag, const char *want)
{
	return tag && strcmp((const char *)tag, want) == 0;
}

static int scalar(struct loader *l, struct json_t **ret)
{
	yaml_event_t *e = &l->event;
	struct sv text = sv_make((const char *)e->data.scalar.value, e->data.scalar.length);
	bool string = !e->data.scalar.plain_implicit;
	const yaml_char_t *tag = e->data.scalar.tag;

	if (e->data.scalar.anchor)
		return refuse(l, "anchors are not supported");
	if (tag && !tag_is(tag, "!") && !tag_is(tag, CORE "str"))
		return refuse(l, "tags are not supported");
	own(json_unref) struct json_t *v = string || tag ? json_new_str(text) : plain_scalar(text);
	TRY(next(l));
	*ret = take(v);
	return 0;
}

/* Containers. */

static int enter(struct loader *l, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return refuse(l, "anchors are not supported");
	if (tag && !tag_is(tag, CORE "map") && !tag_is(tag, CORE "seq"))
		return refuse(l, "tags are not supported");
	if (l->depth == YAML_DEPTH_MAX)
		return fail(l, ERR_LIMIT, "nested too deeply");
	l->depth++;
	return next(l);
}

static int sequence(struct loader *l, struct json_t **ret)
{
	own(json_unref) struct json_t *arr = json_new_arr();

	TRY(enter(l, l->event.data.sequence_start.anchor, l->event.data.sequence_start.tag));
	while (l->event.type != YAML_SEQUENCE_END_EVENT) {
		struct json_t *item = NULL;
		TRY(node(l, &item));
		json_push(arr, item);
	}
	l->depth--;
	TRY(next(l));
	*ret = take(arr);
	return 0;
}

static int member(struct loader *l, struct json_t *obj)
{
	own_in(buf_done) struct buf key = { 0 };
	struct json_t *val = NULL;
	const yaml_event_t *e = &l->event;

	if (e->type == YAML_ALIAS_EVENT)
		return refuse(l, "aliases are not supported");
	if (e->type != YAML_SCALAR_EVENT)
		return refuse(l, "a key must be a scalar");
	if (e->data.scalar.anchor || e->data.scalar.tag)
		return refuse(l, "keys take no anchors and tags");
	if (memchr(e->data.scalar.value, 0, e->data.scalar.length))
		return refuse(l, "a key cannot contain a NUL character");
	buf_init(&key, e->data.scalar.length);
	buf_add(&key, e->data.scalar.value, e->data.scalar.length);
	if (json_member(obj, buf_sv(&key)))
		return refuse(l, "duplicate key");
	TRY(next(l));
	TRY(node(l, &val));
	json_set(obj, buf_sv(&key), val);
	return 0;
}

static int mapping(struct loader *l, struct json_t **ret)
{
	own(json_unref) struct json_t *obj = json_new_obj();

	TRY(enter(l, l->event.data.mapping_start.anchor, l->event.data.mapping_start.tag));
	while (l->event.type != YAML_MAPPING_END_EVENT)
		TRY(member(l, obj));
	l->depth--;
	TRY(next(l));
	*ret = take(obj);
	return 0;
}

/* Reads the node that begins at the current event and stops at the event behind it. */
static int node(struct loader *l, struct json_t **ret)
{
	switch (l->event.type) {
	case YAML_SCALAR_EVENT: return scalar(l, ret);
	case YAML_SEQUENCE_START_EVENT: return sequence(l, ret);
	case YAML_MAPPING_START_EVENT: return mapping(l, ret);
	case YAML_ALIAS_EVENT: return refuse(l, "aliases are not supported");
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: break;
	}
	return refuse(l, "expected a value");
}

static int document(struct loader *l, struct json_t **ret)
{
	own(json_unref) struct json_t *v = NULL;

	TRY(next(l)); /* stream start */
	TRY(next(l));
	if (l->event.type == YAML_STREAM_END_EVENT) {
		*ret = json_new_null();
		return 0;
	}
	TRY(next(l));
	TRY(node(l, &v));
	TRY(next(l));
	if (l->event.type != YAML_STREAM_END_EVENT)
		return refuse(l, "more than one document");
	*ret = take(v);
	return 0;
}

int yaml_load(struct sv text, const char *name, struct json_t **ret, struct err *err)
{
	struct loader l = { .name = name, .err = err };

	if (text.len > YAML_SIZE_MAX)
		return err_set(err, ERR_LIMIT, "%s: larger than %u bytes", name, YAML_SIZE_MAX);
	int ok = yaml_parser_initialize(&l.parser);
	assert(ok);
	yaml_parser_set_input_string(
		&l.parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
	int rc = document(&l, ret);
	yaml_event_delete(&l.event);
	yaml_parser_delete(&l.parser);
	return rc;
}

static int read_file(const char *path, FILE *f, struct buf *out, struct err *err)
{
	char *at;
	size_t n;

	while ((at = buf_reserve(out, 65536)) && (n = fread(at, 1, 65536, f)) > 0)
		buf_grow(out, n);
	if (ferror(f))
		return err_errno(err, errno, "cannot read %s", path);
	if (!buf_ok(out))
		return err_set(err, ERR_LIMIT, "%s: larger than %u bytes", path, YAML_SIZE_MAX);
	return 0;
}

int yaml_read_file(const char *path, struct buf *out, struct err *err)
{
	FILE *f = fopen(path, "re");

	buf_init(out, YAML_SIZE_MAX + 65536);
	if (!f)
		return err_errno(err, errno, "cannot open %s", path);
	int rc = read_file(path, f, out, err);
	fclose(f);
	return rc;
}

int yaml_load_file(const char *path, struct json_t **ret, struct err *err)
{
	own_in(buf_done) struct buf text = { 0 };

	TRY(yaml_read_file(path, &text, err));
	return yaml_load(buf_sv(&text), path, ret, err);
}
