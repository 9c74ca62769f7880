/*
 * Text encodings: base64, hex, percent. Encoders append to a struct buf; decoders append what
 * they decoded. Pure, any thread.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

void enc_base64(struct buf *out, struct sv bytes); /* standard alphabet, padded */
void enc_base64url(struct buf *out, struct sv bytes); /* URL alphabet, no padding */

/* As Node's Buffer.from(s, "base64"): both alphabets, padding optional, junk skipped. Never
 * fails; what follows the padding is ignored. */
void enc_unbase64(struct buf *out, struct sv text);

/* Standard alphabet, full padding, nothing else: keys and cursors of our own. False and *out
 * unchanged otherwise. */
bool enc_unbase64_strict(struct buf *out, struct sv text);

void enc_hex(struct buf *out, struct sv bytes); /* lower case */
bool enc_unhex(struct buf *out, struct sv text); /* false: odd length or another character */

enum enc_percent {
	ENC_COMPONENT, /* encodeURIComponent: letters, digits and -_.!~*'() stay */
	ENC_RFC3986, /* OAuth 1: letters, digits and -_.~ stay */
	ENC_FORM, /* URLSearchParams: letters, digits and *-._ stay, space is + */
	ENC_PATH, /* ENC_COMPONENT, but / stays too */
};

void enc_percent(struct buf *out, struct sv text, enum enc_percent rule);

/* %XX to bytes; a % without two hex digits stays. `plus_is_space` for forms and queries. */
void enc_unpercent(struct buf *out, struct sv text, bool plus_is_space);

/* Length of the valid UTF-8 sequence at `at` (RFC 3629), 0 if there is none. */
static inline size_t enc_utf8_len(const char *at, size_t n)
{
	const unsigned char *p = (const unsigned char *)at;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xC2 || p[0] > 0xF4)
		return 0;
	if (p[0] < 0xE0)
		return n > 1 && (p[1] & 0xC0) == 0x80 ? 2 : 0;
	/* The second byte's range excludes over-long forms, surrogates, beyond U+10FFFF. */
	unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
	size_t len = p[0] < 0xF0 ? 3 : 4;
	if (n < len || p[1] < low || p[1] > high || (p[2] & 0xC0) != 0x80)
		return 0;
	return len == 3 || (p[3] & 0xC0) == 0x80 ? len : 0;
}

bool enc_is_utf8(struct sv text);
void enc_utf8(struct buf *out, struct sv text); /* what is not UTF-8 becomes U+FFFD */
