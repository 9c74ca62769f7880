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

/* By character: VALUE and six bits, FOREIGN for those of the URL alphabet only; 0 is no value. */
enum { VALUE = 128, FOREIGN = 64 };
/* clang-format off */
static const unsigned char base64_values[256] = {
	['A'] = 128, ['B'] = 129, ['C'] = 130, ['D'] = 131, ['E'] = 132, ['F'] = 133, ['G'] = 134, ['H'] = 135,
	['I'] = 136, ['J'] = 137, ['K'] = 138, ['L'] = 139, ['M'] = 140, ['N'] = 141, ['O'] = 142, ['P'] = 143,
	['Q'] = 144, ['R'] = 145, ['S'] = 146, ['T'] = 147, ['U'] = 148, ['V'] = 149, ['W'] = 150, ['X'] = 151,
	['Y'] = 152, ['Z'] = 153, ['a'] = 154, ['b'] = 155, ['c'] = 156, ['d'] = 157, ['e'] = 158, ['f'] = 159,
	['g'] = 160, ['h'] = 161, ['i'] = 162, ['j'] = 163, ['k'] = 164, ['l'] = 165, ['m'] = 166, ['n'] = 167,
	['o'] = 168, ['p'] = 169, ['q'] = 170, ['r'] = 171, ['s'] = 172, ['t'] = 173, ['u'] = 174, ['v'] = 175,
	['w'] = 176, ['x'] = 177, ['y'] = 178, ['z'] = 179, ['0'] = 180, ['1'] = 181, ['2'] = 182, ['3'] = 183,
	['4'] = 184, ['5'] = 185, ['6'] = 186, ['7'] = 187, ['8'] = 188, ['9'] = 189, ['+'] = 190, ['/'] = 191,
	['-'] = 254, ['_'] = 255,
};
/* clang-format on */

static int base64_value(unsigned char c)
{
	return base64_values[c] ? base64_values[c] & 63 : -1;
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

/* Three bytes of four characters; false when one of them is wrong. */
static bool unbase64_four(const unsigned char *in, char *out)
{
	unsigned a = base64_values[in[0]], b = base64_values[in[1]], c = base64_values[in[2]],
		 d = base64_values[in[3]];

	out[0] = (char)(a << 2 | (b & 63) >> 4);
	out[1] = (char)(b << 4 | (c & 63) >> 2);
	out[2] = (char)(c << 6 | (d & 63));
	return (a & b & c & d & VALUE) && !((a | b | c | d) & FOREIGN);
}

bool enc_unbase64_strict(struct buf *out, struct sv text)
{
	const unsigned char *in = (const unsigned char *)text.ptr;
	size_t n = text.len, done = 0;
	unsigned char tail[4] = "AAAA";
	bool right = true;

	if (n % 4)
		return false;
	while (n && text.len - n < 2 && in[n - 1] == '=')
		n--;
	char *at = buf_reserve(out, text.len / 4 * 3 + 3);
	if (!at)
		return true; /* the buffer tells its owner */
	for (; done + 4 <= n; done += 4, at += 3)
		right &= unbase64_four(in + done, at);
	if (done < n) {
		memcpy(tail, in + done, n - done);
		/* Bits that no byte takes must be zero: one text per value. */
		right &= unbase64_four(tail, at) && at[n - done - 1] == 0;
	}
	if (right)
		buf_grow(out, n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0));
	return right;
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
