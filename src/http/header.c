#include "http/header.h"

#include "base/sv.h"
#include "data/enc.h"

#include <microhttpd.h>

void http_headers_add(struct arena *a, struct http_headers *h, struct sv name, struct sv value)
{
	if (h->count == h->cap) {
		size_t cap = h->cap ? 2 * h->cap : 16;
		struct http_header *items = arena_array(a, cap, sizeof(*items));
		if (h->count)
			memcpy(items, h->items, h->count * sizeof(*items));
		h->items = items;
		h->cap = cap;
	}
	h->items[h->count++] = (struct http_header){ .name = name, .value = value };
}

struct sv http_header_find(const struct http_header *items, size_t count, struct sv name)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq_nocase(items[i].name, name))
			return items[i].value;
	return SV_NULL;
}

void http_headers_remove(struct http_headers *h, struct sv name)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->count; i++)
		if (!sv_eq_nocase(h->items[i].name, name))
			h->items[kept++] = h->items[i];
	h->count = kept;
}

void http_headers_set(struct arena *a, struct http_headers *h, struct sv name, struct sv value)
{
	http_headers_remove(h, name);
	http_headers_add(a, h, name, value);
}

static bool is_token_char(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

bool http_token_ok(struct sv name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!is_token_char((unsigned char)name.ptr[i]))
			return false;
	return name.len > 0;
}

bool http_header_value_ok(struct sv value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == 0)
			return false;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool http_status_line_parse(struct sv line, int *ret_status, struct sv *ret_reason)
{
	line = sv_trim(line);
	if (!sv_starts(line, SV_LIT("HTTP/")))
		return false;
	ptrdiff_t space = sv_find_char(line, ' ');
	if (space < 0)
		return false;
	struct sv rest = sv_trim(sv_from(line, (size_t)space));
	if (rest.len < 3 || !is_digit(rest.ptr[0]) || !is_digit(rest.ptr[1]) ||
		!is_digit(rest.ptr[2]) || (rest.len > 3 && rest.ptr[3] != ' '))
		return false;
	*ret_status = (rest.ptr[0] - '0') * 100 + (rest.ptr[1] - '0') * 10 + (rest.ptr[2] - '0');
	*ret_reason = sv_trim(sv_from(rest, 3));
	return true;
}

bool http_header_line_parse(struct sv line, struct http_header *ret)
{
	ptrdiff_t colon = sv_find_char(line, ':');

	if (colon <= 0)
		return false;
	ret->name = sv_trim(sv_make(line.ptr, (size_t)colon));
	ret->value = sv_trim(sv_from(line, (size_t)colon + 1));
	return ret->name.len > 0;
}

const char *http_reason(int status)
{
	const char *text = MHD_get_reason_phrase_for((unsigned)status);
	return strcmp(text, "Unknown") == 0 ? "" : text;
}

struct sv http_unpercent(struct arena *a, struct sv raw)
{
	own_in(buf_done) struct buf out = { .max = raw.len };

	if (sv_find_char(raw, '%') < 0)
		return raw;
	enc_unpercent(&out, raw, false);
	return arena_sv(a, buf_sv(&out));
}
