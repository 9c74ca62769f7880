#include "auth/oauth1.h"

#include "base/sv.h"
#include "crypto/hash.h"
#include "data/enc.h"
#include "data/query.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1 << 20, PARAMS_MAX = 1024 };

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

static struct sv decoded(struct arena *a, struct sv s)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, TEXT_MAX);
	enc_unpercent(&b, s, true);
	return arena_sv(a, buf_sv(&b));
}

/* Names and values, encoded as they are signed. */
struct param {
	struct sv name, value;
};

struct params {
	struct param *items;
	size_t count;
};

static void add(struct params *p, struct arena *a, struct sv name, struct sv value)
{
	if (p->count < PARAMS_MAX)
		p->items[p->count++] = (struct param){ encoded(a, name), encoded(a, value) };
}

/* The pairs of a query or form. */
static void add_pairs(struct params *p, struct arena *a, struct sv text)
{
	struct sv key, value;

	while (text.len && query_next(&text, &key, &value))
		if (key.len || value.len)
			add(p, a, decoded(a, key), decoded(a, value));
}

/* The protocol's own, but for realm and signature. */
static void add_protocol(struct params *p, const struct oauth1 *o, struct arena *a)
{
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld", (long long)o->timestamp);
	add(p, a, SV_LIT("oauth_consumer_key"), o->consumer_key);
	add(p, a, SV_LIT("oauth_nonce"), o->nonce);
	add(p, a, SV_LIT("oauth_signature_method"), sv_str(names[o->method]));
	add(p, a, SV_LIT("oauth_timestamp"), sv_str(seconds));
	add(p, a, SV_LIT("oauth_token"), o->token);
	if (!o->no_version)
		add(p, a, SV_LIT("oauth_version"), SV_LIT("1.0"));
}

static int compare(struct sv a, struct sv b)
{
	int d = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return d ? d : (a.len > b.len) - (a.len < b.len);
}

static int by_name_and_value(const void *x, const void *y)
{
	const struct param *a = x, *b = y;
	int d = compare(a->name, b->name);

	return d ? d : compare(a->value, b->value);
}

static struct params new_params(struct arena *a)
{
	return (struct params){ .items = arena_array(a, PARAMS_MAX, sizeof(struct param)) };
}

static struct sv normalised_params(const struct oauth1 *o, struct arena *a)
{
	struct params p = new_params(a);
	own_in(buf_done) struct buf b = { 0 };

	add_protocol(&p, o, a);
	add_pairs(&p, a, o->query);
	add_pairs(&p, a, o->form);
	qsort(p.items, p.count, sizeof(*p.items), by_name_and_value);
	buf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < p.count; i++)
		buf_printf(
			&b, "%s%.*s=%.*s", i ? "&" : "", SV(p.items[i].name), SV(p.items[i].value));
	return arena_sv(a, buf_sv(&b));
}

struct sv oauth1_base_string(const struct oauth1 *o, struct arena *a)
{
	char *method = arena_str(a, o->http_method);

	for (char *at = method; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	return sv_str(arena_printf(a, "%s&%.*s&%.*s", method, SV(encoded(a, o->url)),
		SV(encoded(a, normalised_params(o, a)))));
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
	if (o->method == OAUTH1_HMAC_SHA256) {
		hash_hmac_sha256(key, base, mac);
		return sv_str(hash_base64(mac, HASH_SHA256_SIZE, text));
	}
	hash_hmac_sha1(key, base, mac);
	return sv_str(hash_base64(mac, HASH_SHA1_SIZE, text));
}

struct sv oauth1_header(const struct oauth1 *o, struct arena *a)
{
	struct params p = new_params(a);
	own_in(buf_done) struct buf b = { 0 };

	add_protocol(&p, o, a);
	add(&p, a, SV_LIT("oauth_signature"), signature(o, a));
	buf_init(&b, TEXT_MAX);
	buf_str(&b, "OAuth ");
	if (o->realm.ptr)
		buf_printf(&b, "realm=\"%.*s\", ", SV(encoded(a, o->realm)));
	for (size_t i = 0; i < p.count; i++)
		buf_printf(&b, "%s%.*s=\"%.*s\"", i ? ", " : "", SV(p.items[i].name),
			SV(p.items[i].value));
	return arena_sv(a, buf_sv(&b));
}
