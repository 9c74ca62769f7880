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

/* Length of the valid UTF-8 sequence at p (RFC 3629), 0 if there is none. */
size_t enc_utf8_len(const char *p, size_t n);
bool enc_is_utf8(struct sv text);
void enc_utf8(struct buf *out, struct sv text); /* what is not UTF-8 becomes U+FFFD */
