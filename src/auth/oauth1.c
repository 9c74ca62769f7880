#include "auth/oauth1.h"

#include "base/sv.h"
#include "crypto/hash.h"
#include "data/enc.h"
#include "data/params.h"

#include <ctype.h>
#include <stdio.h>

enum { TEXT_MAX = 4 << 20 };

static const char *const names[] = {
	[OAUTH1_HMAC_SHA1] = "HMAC-SHA1",
	[OAUTH1_HMAC_SHA256] = "HMAC-SHA256",
	[OAUTH1_PLAINTEXT] = "PLAINTEXT",
};

enum oauth1_method oauth1_method(struct sv name)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (sv_eq_nocase(name, sv_str(names[i])))
			return (enum oauth1_method)i;
	return OAUTH1_HMAC_SHA1;
}

static struct sv encoded(struct arena *a, struct sv s)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, TEXT_MAX);
	enc_percent(&b, s, ENC_RFC3986);
	return arena_sv(a, buf_sv(&b));
}

/* The protocol's own, but for realm and signature. */
static void add_protocol(struct params *p, const struct oauth1 *o)
{
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld", (long long)o->timestamp);
	params_add(p, SV_LIT("oauth_consumer_key"), o->consumer_key);
	params_add(p, SV_LIT("oauth_nonce"), o->nonce);
	params_add(p, SV_LIT("oauth_signature_method"), sv_str(names[o->method]));
	params_add(p, SV_LIT("oauth_timestamp"), sv_str(seconds));
	const struct {
		const char *name;
		struct sv value;
	} optional[] = { { "oauth_token", o->token }, { "oauth_callback", o->callback },
		{ "oauth_verifier", o->verifier } };
	for (size_t i = 0; i < ARRAY_LEN(optional); i++)
		if (optional[i].value.ptr)
			params_add(p, sv_str(optional[i].name), optional[i].value);
	if (!o->no_version)
		params_add(p, SV_LIT("oauth_version"), SV_LIT("1.0"));
}

static struct sv normalised_params(const struct oauth1 *o, struct arena *a)
{
	struct params p;

	params_init(&p, a);
	add_protocol(&p, o);
	params_add_pairs(&p, o->query);
	params_add_pairs(&p, o->form);
	return params_canonical(&p);
}

struct sv oauth1_base_string(const struct oauth1 *o, struct arena *a)
{
	char *method = arena_str(a, o->http_method);

	struct sv params = normalised_params(o, a);
	if (!params.ptr)
		return SV_NULL;
	for (char *at = method; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	return sv_str(arena_printf(
		a, "%s&%.*s&%.*s", method, SV(encoded(a, o->url)), SV(encoded(a, params))));
}

static struct sv signature(const struct oauth1 *o, struct arena *a)
{
	struct sv key = sv_str(arena_printf(a, "%.*s&%.*s", SV(encoded(a, o->consumer_secret)),
		SV(encoded(a, o->token_secret))));
	unsigned char mac[HASH_SHA256_SIZE];
	char *text = arena_alloc(a, HASH_BASE64_SIZE);

	if (o->method == OAUTH1_PLAINTEXT)
		return key;
	struct sv base = oauth1_base_string(o, a);
	if (!base.ptr)
		return SV_NULL;
	if (o->method == OAUTH1_HMAC_SHA256) {
		hash_hmac_sha256(key, base, mac);
		return sv_str(hash_base64(mac, HASH_SHA256_SIZE, text));
	}
	hash_hmac_sha1(key, base, mac);
	return sv_str(hash_base64(mac, HASH_SHA1_SIZE, text));
}

struct sv oauth1_header(const struct oauth1 *o, struct arena *a)
{
	own_in(buf_done) struct buf b = { 0 };
	struct params p;

	struct sv signed_by = signature(o, a);
	if (!signed_by.ptr)
		return SV_NULL;
	params_init(&p, a);
	add_protocol(&p, o);
	params_add(&p, SV_LIT("oauth_signature"), signed_by);
	buf_init(&b, TEXT_MAX);
	buf_str(&b, "OAuth ");
	if (o->realm.ptr)
		buf_printf(&b, "realm=\"%.*s\", ", SV(encoded(a, o->realm)));
	for (size_t i = 0; i < p.count; i++)
		buf_printf(&b, "%s%.*s=\"%.*s\"", i ? ", " : "", SV(p.items[i].name),
			SV(p.items[i].value));
	return arena_sv(a, buf_sv(&b));
}
