#include "js/utf8.h"

static const uint64_t HIGH_BITS = 0x8080808080808080u;

/* Length of the run of ASCII at p, copied to out as it goes. */
static size_t copy_ascii(const unsigned char *p, size_t n, uint16_t *out)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t eight;
		memcpy(&eight, p + i, 8);
		if (eight & HIGH_BITS)
			break;
		for (size_t k = 0; k < 8; k++)
			out[i + k] = p[i + k];
	}
	for (; i < n && p[i] < 0x80; i++)
		out[i] = p[i];
	return i;
}

struct lead {
	unsigned more; /* continuation bytes that must follow */
	unsigned low, high; /* allowed range of the first of them */
	unsigned bits; /* payload of the lead byte */
};

/* The table of RFC 3629. False: c cannot start a sequence. */
static bool lead_of(unsigned c, struct lead *ret)
{
	if (c < 0xC2 || c > 0xF4)
		return false;
	*ret = (struct lead){ .low = 0x80, .high = 0xBF };
	if (c < 0xE0) {
		ret->more = 1;
		ret->bits = c & 0x1F;
	} else if (c < 0xF0) {
		ret->more = 2;
		ret->bits = c & 0x0F;
		ret->low = c == 0xE0 ? 0xA0 : 0x80;
		ret->high = c == 0xED ? 0x9F : 0xBF;
	} else {
		ret->more = 3;
		ret->bits = c & 0x07;
		ret->low = c == 0xF0 ? 0x90 : 0x80;
		ret->high = c == 0xF4 ? 0x8F : 0xBF;
	}
	return true;
}

/*
 * One character at p, *ret_len bytes long. False and U+FFFD for what is no character; its length is
 * then what was right about it, at least one byte.
 */
static bool decode_one(const unsigned char *p, size_t n, uint32_t *ret_char, size_t *ret_len)
{
	struct lead lead;
	size_t i = 1;

	*ret_char = 0xFFFD;
	*ret_len = 1;
	if (!lead_of(p[0], &lead))
		return false;
	uint32_t c = lead.bits;
	for (; i <= lead.more && i < n && p[i] >= lead.low && p[i] <= lead.high; i++) {
		c = c << 6 | (p[i] & 0x3F);
		lead.low = 0x80;
		lead.high = 0xBF;
	}
	*ret_len = i;
	if (i <= lead.more)
		return false;
	*ret_char = c;
	return true;
}

size_t utf8_to_utf16(struct sv s, uint16_t *out, bool *ret_valid)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t at = 0, to = 0;

	*ret_valid = true;
	while (at < s.len) {
		size_t plain = copy_ascii(p + at, s.len - at, out + to);
		at += plain;
		to += plain;
		if (at == s.len)
			break;
		uint32_t c;
		size_t len;
		if (!decode_one(p + at, s.len - at, &c, &len))
			*ret_valid = false;
		at += len;
		if (c > 0xFFFF) {
			out[to++] = (uint16_t)(0xD7C0 + (c >> 10));
			out[to++] = (uint16_t)(0xDC00 | (c & 0x3FF));
		} else {
			out[to++] = (uint16_t)c;
		}
	}
	return to;
}
