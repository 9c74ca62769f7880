#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
	mem_free(b->ptr);
	*b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->over = false;
	if (b->ptr)
		b->ptr[0] = 0;
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->over || n > b->max - b->len) {
		b->over = true;
		return NULL;
	}
	if (n > b->cap - b->len || !b->ptr) {
		size_t cap = b->cap ? b->cap : 64;
		while (cap - b->len < n)
			cap = cap > b->max / 2 ? b->max : cap * 2;
		b->ptr = mem_realloc(b->ptr, cap + 1);
		b->cap = cap;
	}
	return b->ptr + b->len;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	char *at = buf_reserve(b, n);
	if (!at)
		return;
	if (n)
		memcpy(at, p, n);
	buf_grow(b, n);
}

void buf_sv_add(struct buf *b, struct sv s)
{
	buf_add(b, s.ptr, s.len);
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, ap2;

	va_start(ap, fmt);
	va_copy(ap2, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	/* vsnprintf writes a NUL too: the spare byte behind cap takes it. */
	char *at = buf_reserve(b, (size_t)n);
	if (at) {
		vsnprintf(at, (size_t)n + 1, fmt, ap2);
		buf_grow(b, (size_t)n);
	}
	va_end(ap2);
}

void buf_i64(struct buf *b, int64_t n)
{
	char tmp[24];
	int len = snprintf(tmp, sizeof(tmp), "%lld", (long long)n);
	buf_add(b, tmp, (size_t)len);
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	memmove(b->ptr, b->ptr + n, b->len - n);
	b->len -= n;
	b->ptr[b->len] = 0;
}

/* Length of the valid UTF-8 sequence at p, 0 if there is none (RFC 3629 table). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	if (p[0] < 0x80)
		return 1;
	size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	if (p[0] < 0xC2 || p[0] > 0xF4 || n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
		(p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return len;
}

static void json_escape(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"': buf_str(b, "\\\""); break;
	case '\\': buf_str(b, "\\\\"); break;
	case '\n': buf_str(b, "\\n"); break;
	case '\r': buf_str(b, "\\r"); break;
	case '\t': buf_str(b, "\\t"); break;
	case '\b': buf_str(b, "\\b"); break;
	case '\f': buf_str(b, "\\f"); break;
	default: buf_printf(b, "\\u%04x", c);
	}
}

void buf_json_str(struct buf *b, struct sv s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t i = 0, plain = 0; /* plain: start of the run of bytes that go out as they are */

	buf_char(b, '"');
	while (i < s.len) {
		size_t n = utf8_len(p + i, s.len - i);
		if (n && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
			i += n;
			continue;
		}
		buf_add(b, p + plain, i - plain);
		if (n)
			json_escape(b, p[i]);
		else
			buf_str(b, "\xEF\xBF\xBD");
		plain = ++i;
	}
	buf_add(b, p + plain, i - plain);
	buf_char(b, '"');
}

char *buf_steal(struct buf *b, size_t *ret_len)
{
	if (!buf_reserve(b, 0))
		return NULL;
	char *p = b->ptr;
	p[b->len] = 0;
	if (ret_len)
		*ret_len = b->len;
	*b = (struct buf){ .max = b->max };
	return p;
}
