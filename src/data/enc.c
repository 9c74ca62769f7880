#include "data/enc.h"

#include <ctype.h>

static const char STANDARD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void base64_with(struct buf *out, struct sv bytes, const char *alphabet, bool pad)
{
	const unsigned char *p = (const unsigned char *)bytes.ptr;
	size_t n = bytes.len;
	char *at = buf_reserve(out, (n + 2) / 3 * 4);
	char *start = at;

	if (!at)
		return;
	for (; n >= 3; n -= 3, p += 3) {
		*at++ = alphabet[p[0] >> 2];
		*at++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
		*at++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
		*at++ = alphabet[p[2] & 63];
	}
	if (n) {
		unsigned second = n == 2 ? p[1] : 0;
		*at++ = alphabet[p[0] >> 2];
		*at++ = alphabet[(p[0] & 3) << 4 | second >> 4];
		if (n == 2)
			*at++ = alphabet[(second & 15) << 2];
		for (; pad && n < 3; n++)
			*at++ = '=';
	}
	buf_grow(out, (size_t)(at - start));
}

void enc_base64(struct buf *out, struct sv bytes)
{
	base64_with(out, bytes, STANDARD, true);
}

void enc_base64url(struct buf *out, struct sv bytes)
{
	base64_with(out, bytes, URL, false);
}

static int base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

void enc_unbase64(struct buf *out, struct sv text)
{
	unsigned bits = 0, have = 0;
	char *at = buf_reserve(out, text.len / 4 * 3 + 3);
	char *start = at;

	if (!at)
		return;
	for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
		int v = base64_value((unsigned char)text.ptr[i]);
		if (v < 0)
			continue;
		bits = (bits << 6 | (unsigned)v) & 0xFFFF;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*at++ = (char)(bits >> have & 0xFF);
		}
	}
	buf_grow(out, (size_t)(at - start));
}

bool enc_unbase64_strict(struct buf *out, struct sv text)
{
	size_t n = text.len;

	if (n % 4)
		return false;
	while (n && text.len - n < 2 && text.ptr[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		if (base64_value((unsigned char)text.ptr[i]) < 0 || text.ptr[i] == '-' ||
			text.ptr[i] == '_')
			return false;
	/* Bits that no byte takes must be zero: one text per value. */
	int last = n ? base64_value((unsigned char)text.ptr[n - 1]) : 0;
	if ((n % 4 == 2 && last & 15) || (n % 4 == 3 && last & 3))
		return false;
	enc_unbase64(out, text);
	return true;
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void enc_hex(struct buf *out, struct sv bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];
		buf_char(out, "0123456789abcdef"[c >> 4]);
		buf_char(out, "0123456789abcdef"[c & 15]);
	}
}

bool enc_unhex(struct buf *out, struct sv text)
{
	if (text.len % 2)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (hex_value((unsigned char)text.ptr[i]) < 0)
			return false;
	for (size_t i = 0; i < text.len; i += 2)
		buf_char(out, (char)(hex_value((unsigned char)text.ptr[i]) << 4 |
				      hex_value((unsigned char)text.ptr[i + 1])));
	return true;
}

static bool percent_keeps(unsigned char c, enum enc_percent rule)
{
	static const char *const extra[] = {
		[ENC_COMPONENT] = "-_.!~*'()",
		[ENC_RFC3986] = "-_.~",
		[ENC_FORM] = "*-._",
		[ENC_PATH] = "-_.!~*'()/",
	};
	return c < 0x80 && (isalnum(c) || (c && strchr(extra[rule], c)));
}

void enc_percent(struct buf *out, struct sv text, enum enc_percent rule)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (percent_keeps(c, rule)) {
			buf_char(out, (char)c);
		} else if (c == ' ' && rule == ENC_FORM) {
			buf_char(out, '+');
		} else {
			buf_char(out, '%');
			buf_char(out, "0123456789ABCDEF"[c >> 4]);
			buf_char(out, "0123456789ABCDEF"[c & 15]);
		}
	}
}

void enc_unpercent(struct buf *out, struct sv text, bool plus_is_space)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		int high = -1, low = -1;
		if (c == '%' && text.len - i > 2) {
			high = hex_value((unsigned char)text.ptr[i + 1]);
			low = hex_value((unsigned char)text.ptr[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_char(out, (char)(high << 4 | low));
			i += 2;
		} else {
			buf_char(out, c == '+' && plus_is_space ? ' ' : c);
		}
	}
}

bool enc_is_utf8(struct sv text)
{
	for (size_t i = 0; i < text.len;) {
		size_t n = enc_utf8_len(text.ptr + i, text.len - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}

void enc_utf8(struct buf *out, struct sv text)
{
	for (size_t i = 0; i < text.len;) {
		size_t n = enc_utf8_len(text.ptr + i, text.len - i);
		if (n)
			buf_add(out, text.ptr + i, n);
		else
			buf_str(out, "\xEF\xBF\xBD");
		i += n ? n : 1;
	}
}
