#include "data/sourcemap.h"

#include "base/mem.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"

#include <stdlib.h>

#define FRAMES_MAX 50
#define NONE UINT32_MAX

/* A generated column and where it came from; all from 0. */
struct segment {
	uint32_t column;
	uint32_t source, source_line, source_column, name; /* source, name: index or NONE */
};

struct sourcemap {
	struct segment *segments; /* by generated line, then column */
	size_t count, cap;
	size_t *lines; /* index of each line's first segment, and one more at the end */
	size_t line_count, line_cap;
	struct json_t *sources, *names;
};

void sourcemap_free(struct sourcemap *m)
{
	if (!m)
		return;
	mem_free(m->segments);
	mem_free(m->lines);
	json_unref(m->sources);
	json_unref(m->names);
	mem_free(m);
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* A number of base 32 digits, lowest first, bit 0 the sign; false when it is none. */
static bool vlq(struct sv *s, int64_t *ret)
{
	int64_t value = 0;

	for (unsigned shift = 0; s->len && shift <= 35; shift += 5) {
		int digit = base64_digit(s->ptr[0]);
		if (digit < 0)
			return false;
		*s = sv_from(*s, 1);
		value |= (int64_t)(digit & 31) << shift;
		if (!(digit & 32)) {
			*ret = value & 1 ? -(value >> 1) : value >> 1;
			return true;
		}
	}
	return false;
}

/* What the numbers of a segment are relative to. */
struct position {
	int64_t column, source, source_line, source_column, name;
};

static bool in_range(int64_t n, size_t below)
{
	return n >= 0 && n < (int64_t)below;
}

static bool decode_segment(
	const struct sourcemap *m, struct sv text, struct position *at, struct segment *ret)
{
	int64_t n[5];
	size_t count = 0;

	while (text.len && count < 5)
		if (!vlq(&text, &n[count++]))
			return false;
	if (text.len || (count != 1 && count != 4 && count != 5))
		return false;
	at->column += n[0];
	*ret = (struct segment){ .column = (uint32_t)at->column, .source = NONE, .name = NONE };
	if (!in_range(at->column, NONE))
		return false;
	if (count == 1)
		return true;
	at->source += n[1];
	at->source_line += n[2];
	at->source_column += n[3];
	if (!in_range(at->source, json_len(m->sources)) || !in_range(at->source_line, NONE) ||
		!in_range(at->source_column, NONE))
		return false;
	ret->source = (uint32_t)at->source;
	ret->source_line = (uint32_t)at->source_line;
	ret->source_column = (uint32_t)at->source_column;
	if (count == 5) {
		at->name += n[4];
		if (!in_range(at->name, json_len(m->names)))
			return false;
		ret->name = (uint32_t)at->name;
	}
	return true;
}

static void begin_line(struct sourcemap *m)
{
	if (m->line_count == m->line_cap) {
		m->line_cap = m->line_cap ? m->line_cap * 2 : 256;
		m->lines = mem_realloc(m->lines, m->line_cap * sizeof(*m->lines));
	}
	m->lines[m->line_count++] = m->count;
}

static struct segment *new_segment(struct sourcemap *m)
{
	if (m->count == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 1024;
		m->segments = mem_realloc(m->segments, m->cap * sizeof(*m->segments));
	}
	return &m->segments[m->count++];
}

static int segment_cmp(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	return (x->column > y->column) - (x->column < y->column);
}

static int decode_line(struct sourcemap *m, struct sv line, struct position *at, struct err *err)
{
	struct sv text;
	size_t first = m->count;
	bool sorted = true;

	at->column = 0;
	while (line.len && sv_split(&line, ',', &text)) {
		if (text.len == 0)
			continue;
		if (m->count == SOURCEMAP_SEGMENTS_MAX)
			return err_set(err, ERR_LIMIT, "source map: more than %d positions",
				SOURCEMAP_SEGMENTS_MAX);
		struct segment *s = new_segment(m);
		if (!decode_segment(m, text, at, s))
			return err_set(err, ERR_INVALID, "source map: broken mapping in line %zu",
				m->line_count);
		sorted &= m->count - first < 2 || s[-1].column <= s->column;
	}
	if (!sorted)
		qsort(m->segments + first, m->count - first, sizeof(*m->segments), segment_cmp);
	return 0;
}

static int decode(struct sourcemap *m, struct sv mappings, struct err *err)
{
	struct position at = { 0 };
	struct sv line;

	while (sv_split(&mappings, ';', &line)) {
		begin_line(m);
		TRY(decode_line(m, line, &at, err));
	}
	begin_line(m);
	m->line_count--; /* the last entry only ends the last line */
	return 0;
}

int sourcemap_parse(struct sv json, struct sourcemap **ret, struct err *err)
{
	own(sourcemap_free) struct sourcemap *m = NEW(struct sourcemap);
	own(json_unref) struct json_t *doc = NULL;
	struct json_t *sources, *names = NULL;
	struct sv mappings;
	int64_t version;

	if (sv_starts(json, SV_LIT(")]}'"))) {
		ptrdiff_t nl = sv_find_char(json, '\n');
		json = sv_from(json, nl < 0 ? json.len : (size_t)nl + 1);
	}
	TRY(json_parse(json, &doc, err));
	TRY(json_get_int(doc, "version", &version, err));
	if (version != 3 || json_member(doc, SV_LIT("sections")))
		return err_set(err, ERR_INVALID, "source map: only plain maps of version 3");
	TRY(json_get_arr(doc, "sources", &sources, err));
	TRY(json_opt_arr(doc, "names", &names, err));
	TRY(json_get_str(doc, "mappings", &mappings, err));
	if (json_len(sources) > SOURCEMAP_SOURCES_MAX)
		return err_set(
			err, ERR_LIMIT, "source map: more than %d sources", SOURCEMAP_SOURCES_MAX);
	m->sources = json_ref(sources);
	m->names = json_ref(names);
	TRY(decode(m, mappings, err));
	*ret = take(m);
	return 0;
}

static bool is_space(char c)
{
	return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

void sourcemap_split(struct sv bundle, struct sv *ret_code, struct sv *ret_url)
{
	const struct sv comment = SV_LIT("//# sourceMappingURL=");
	size_t end = bundle.len;

	*ret_code = bundle;
	*ret_url = SV_NULL;
	while (end && is_space(bundle.ptr[end - 1]))
		end--;
	size_t start = end;
	while (start && bundle.ptr[start - 1] != '\n')
		start--;
	struct sv line = sv_make(bundle.ptr + start, end - start);
	if (!end || !sv_starts(line, comment))
		return;
	*ret_code = sv_make(bundle.ptr, start);
	*ret_url = sv_from(line, comment.len);
}

int sourcemap_from_bundle(
	struct sv bundle, struct sv *ret_code, struct sourcemap **ret, struct err *err)
{
	own_in(buf_done) struct buf json = { 0 };
	struct sourcemap *m = NULL;
	struct sv code, url;

	sourcemap_split(bundle, &code, &url);
	ptrdiff_t data = sv_find(url, SV_LIT(";base64,"));
	if (sv_starts(url, SV_LIT("data:application/json")) && data >= 0) {
		url = sv_from(url, (size_t)data + 8);
		buf_init(&json, url.len + 3);
		enc_unbase64(&json, url);
		TRY(sourcemap_parse(buf_sv(&json), &m, err));
	}
	*ret_code = code;
	*ret = m;
	return 0;
}

/* The path as people know it: builds run in a folder next to the sources. */
static struct sv clean_source(struct sv path)
{
	for (;;) {
		if (sv_starts(path, SV_LIT("../")))
			path = sv_from(path, 3);
		else if (sv_starts(path, SV_LIT("./")))
			path = sv_from(path, 2);
		else
			return path;
	}
}

static const struct segment *find_segment(const struct sourcemap *m, uint32_t line, uint32_t column)
{
	if (line == 0 || column == 0 || line > m->line_count)
		return NULL;
	size_t first = m->lines[line - 1], low = first, high = m->lines[line];
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (m->segments[mid].column < column)
			low = mid + 1;
		else
			high = mid;
	}
	return low > first ? &m->segments[low - 1] : NULL;
}

bool sourcemap_find(
	const struct sourcemap *m, uint32_t line, uint32_t column, struct sourcemap_pos *ret)
{
	const struct segment *s = find_segment(m, line, column);

	if (!s || s->source == NONE)
		return false;
	*ret = (struct sourcemap_pos){
		.source = clean_source(json_sv(json_item(m->sources, s->source))),
		.line = s->source_line + 1,
		.column = s->source_column + 1,
		.name = s->name == NONE ? SV_NULL : json_sv(json_item(m->names, s->name)),
	};
	return true;
}

/* Stacks. */

struct frame {
	struct sv fn, file;
	uint32_t line, column; /* 0: not known */
};

/* Takes ":123" off the end of *s; 0 when there is none. */
static uint32_t take_number(struct sv *s)
{
	size_t i = s->len;
	int64_t n = 0;

	while (i && s->ptr[i - 1] >= '0' && s->ptr[i - 1] <= '9')
		i--;
	if (i == 0 || i == s->len || s->ptr[i - 1] != ':' || !sv_to_i64(sv_from(*s, i), &n) ||
		n >= UINT32_MAX)
		return 0;
	s->len = i - 1;
	return (uint32_t)n;
}

/* "fn@file:1:2", or without "fn@" for what has no name. */
static struct frame parse_frame(struct sv text)
{
	ptrdiff_t at = sv_find_char(text, '@');
	struct frame f = { .file = text };

	if (at >= 0) {
		f.fn = sv_make(text.ptr, (size_t)at);
		f.file = sv_from(text, (size_t)at + 1);
	}
	f.column = take_number(&f.file);
	f.line = take_number(&f.file);
	if (f.column && !f.line) {
		f.line = f.column;
		f.column = 1;
	}
	/* The engine's words for code outside functions. */
	if (sv_eq_str(f.fn, "global code") || sv_eq_str(f.fn, "module code") ||
		sv_eq_str(f.fn, "eval code"))
		f.fn = SV_NULL;
	return f;
}

static void map_frame(const struct sourcemap *m, uint32_t prefix_columns, struct frame *f)
{
	struct sourcemap_pos pos;

	if (f->line == 1)
		f->column = f->column > prefix_columns ? f->column - prefix_columns : 1;
	if (!m || !sourcemap_find(m, f->line, f->column, &pos))
		return;
	f->file = pos.source;
	f->line = pos.line;
	f->column = pos.column;
}

static void put_frame(const struct frame *f, struct buf *out)
{
	buf_str(out, "    at ");
	if (f->fn.len) {
		buf_sv_add(out, f->fn);
		buf_str(out, " (");
	}
	buf_sv_add(out, sv_eq_str(f->file, "[native code]") ? SV_LIT("native") : f->file);
	if (f->line)
		buf_printf(out, ":%u:%u", f->line, f->column);
	if (f->fn.len)
		buf_char(out, ')');
}

void sourcemap_rewrite_stack(
	const struct sourcemap *m, uint32_t prefix_columns, struct sv stack, struct buf *out)
{
	struct sv line;
	int frames = 0;

	while (stack.len && frames < FRAMES_MAX && sv_split(&stack, '\n', &line)) {
		struct frame f = parse_frame(line);
		if (line.len == 0 || sv_starts(f.file, SV_LIT("tidemark:")))
			continue;
		map_frame(m, prefix_columns, &f);
		if (frames++)
			buf_char(out, '\n');
		put_frame(&f, out);
	}
}
