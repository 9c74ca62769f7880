#include "auth/sigv4.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/sv.h"
#include "crypto/hash.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/params.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 8 << 20 };

char *sigv4_date(int64_t now_ms, char out[SIGV4_DATE_SIZE])
{
	char iso[CLOCK_ISO_SIZE];
	size_t n = 0;

	clock_iso_ms(now_ms, iso);
	for (size_t i = 0; iso[i] && iso[i] != '.'; i++)
		if (!strchr("-:", iso[i]) && n < SIGV4_DATE_SIZE - 2)
			out[n++] = iso[i];
	snprintf(out + n, SIGV4_DATE_SIZE - n, "Z");
	return out;
}

static void add_segment(struct buf *out, struct sv segment, bool decode)
{
	own_in(buf_done) struct buf plain = { 0 };

	buf_init(&plain, TEXT_MAX);
	if (decode)
		enc_unpercent(&plain, segment, false);
	else
		buf_sv_add(&plain, segment);
	enc_percent(out, buf_sv(&plain), ENC_RFC3986);
}

/*
 * S3 names its objects by the decoded path: encoded once, nothing normalised. The others encode
 * the path as it was sent, so that what was encoded is so twice, and see "//" as "/".
 */
static void write_path(struct buf *out, const struct sigv4 *s)
{
	bool s3 = sv_eq_str(s->service, "s3");
	struct sv rest = s->path, segment;

	if (sv_starts(rest, SV_LIT("/")))
		rest = sv_from(rest, 1);
	buf_char(out, '/');
	while (rest.len) {
		bool more = sv_find_char(rest, '/') >= 0;
		sv_split(&rest, '/', &segment);
		add_segment(out, segment, s3);
		if (more && (s3 || segment.len))
			buf_char(out, '/');
	}
}

/* Names in lower case, values without superfluous spaces, sorted by name. */

static struct sv squeezed(struct arena *a, struct sv s)
{
	char *out = arena_str(a, sv_trim(s));
	size_t n = 0;

	for (size_t i = 0; out[i]; i++)
		if (out[i] != ' ' || n == 0 || out[n - 1] != ' ')
			out[n++] = out[i];
	return sv_make(out, n);
}

static int by_name(const void *x, const void *y)
{
	const struct http_header *a = x, *b = y;

	return strcmp(a->name.ptr, b->name.ptr);
}

static const struct http_header *sorted(const struct sigv4 *s, struct arena *a)
{
	struct http_header *all = arena_array(a, s->header_count + 1, sizeof(*all));

	for (size_t i = 0; i < s->header_count; i++)
		all[i] = (struct http_header){ arena_lower(a, s->headers[i].name),
			squeezed(a, s->headers[i].value) };
	qsort(all, s->header_count, sizeof(*all), by_name);
	return all;
}

static struct sv names_of(const struct http_header *all, size_t count, struct arena *a)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < count; i++)
		buf_printf(&b, "%s%.*s", i ? ";" : "", SV(all[i].name));
	return arena_sv(a, buf_sv(&b));
}

static struct sv canonical(
	const struct sigv4 *s, const struct http_header *all, struct sv names, struct arena *a)
{
	struct sv query = params_canonical_pairs(s->query, a);
	own_in(buf_done) struct buf b = { 0 };

	if (!query.ptr)
		return SV_NULL;
	buf_init(&b, TEXT_MAX);
	buf_printf(&b, "%.*s\n", SV(s->method));
	write_path(&b, s);
	buf_printf(&b, "\n%.*s\n", SV(query));
	for (size_t i = 0; i < s->header_count; i++)
		buf_printf(&b, "%.*s:%.*s\n", SV(all[i].name), SV(all[i].value));
	buf_printf(&b, "\n%.*s\n%.*s", SV(names), SV(s->payload_hash));
	return buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NULL;
}

struct sv sigv4_canonical_request(const struct sigv4 *s, struct arena *a)
{
	const struct http_header *all = sorted(s, a);

	return canonical(s, all, names_of(all, s->header_count, a), a);
}

/* A key for this day, region and service only. */
static void derive_key(const struct sigv4 *s, struct arena *a, unsigned char key[HASH_SHA256_SIZE])
{
	const struct sv parts[] = { sv_make(s->date.ptr, 8), s->region, s->service,
		SV_LIT("aws4_request") };
	struct sv with = sv_str(arena_printf(a, "AWS4%.*s", SV(s->secret_access_key)));
	unsigned char next[HASH_SHA256_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		hash_hmac_sha256(with, parts[i], next);
		memcpy(key, next, sizeof(next));
		with = sv_make((const char *)key, HASH_SHA256_SIZE);
	}
}

struct sv sigv4_authorization(const struct sigv4 *s, struct arena *a)
{
	const struct http_header *all = sorted(s, a);
	struct sv names = names_of(all, s->header_count, a);
	struct sv request = canonical(s, all, names, a);
	unsigned char digest[HASH_SHA256_SIZE], key[HASH_SHA256_SIZE];
	char hex[HASH_HEX_SIZE];

	if (!request.ptr)
		return SV_NULL;
	const char *scope = arena_printf(
		a, "%.8s/%.*s/%.*s/aws4_request", s->date.ptr, SV(s->region), SV(s->service));
	hash_sha256(request, digest);
	struct sv to_sign = sv_str(arena_printf(a, "AWS4-HMAC-SHA256\n%.*s\n%s\n%s", SV(s->date),
		scope, hash_hex(digest, sizeof(digest), hex)));
	derive_key(s, a, key);
	hash_hmac_sha256(sv_make((const char *)key, sizeof(key)), to_sign, digest);
	return sv_str(arena_printf(a,
		"AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=%.*s, Signature=%s",
		SV(s->access_key_id), scope, SV(names), hash_hex(digest, sizeof(digest), hex)));
}

/* --- a whole request --- */

/* "host:port" and path of a URL without name and password. */
static void split_url(struct sv url, struct sv *ret_host, struct sigv4 *s)
{
	ptrdiff_t scheme = sv_find(url, SV_LIT("://"));
	struct sv rest = scheme < 0 ? url : sv_from(url, (size_t)scheme + 3);
	ptrdiff_t question = sv_find_char(rest, '?');

	s->query = question < 0 ? SV_LIT("") : sv_from(rest, (size_t)question + 1);
	if (question >= 0)
		rest = sv_make(rest.ptr, (size_t)question);
	ptrdiff_t slash = sv_find_char(rest, '/');
	*ret_host = slash < 0 ? rest : sv_make(rest.ptr, (size_t)slash);
	s->path = slash < 0 ? SV_LIT("/") : sv_from(rest, (size_t)slash);
}

static struct sv hash_of(struct sv body, struct arena *a)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char *hex = arena_alloc(a, HASH_HEX_SIZE);

	hash_sha256(body, digest);
	return sv_str(hash_hex(digest, sizeof(digest), hex));
}

int sigv4_sign_request(const struct sigv4 *keys, int64_t now_ms, struct arena *a,
	struct http_request *req, struct err *err)
{
	struct http_headers all = { 0 }, with_host = { 0 };
	char *date = arena_alloc(a, SIGV4_DATE_SIZE);
	struct sigv4 s = *keys;
	struct sv host;

	for (size_t i = 0; i < req->header_count; i++)
		http_headers_add(a, &all, req->headers[i].name, req->headers[i].value);
	s.date = sv_str(sigv4_date(now_ms, date));
	s.method = req->method;
	split_url(req->url, &host, &s);
	s.payload_hash = http_headers_get(&all, "x-amz-content-sha256");
	if (!s.payload_hash.len || !sv_eq_str(s.service, "s3"))
		s.payload_hash = hash_of(req->body, a);
	http_headers_remove(&all, SV_LIT("authorization"));
	http_headers_set(a, &all, SV_LIT("x-amz-date"), s.date);
	http_headers_set(a, &all, SV_LIT("x-amz-content-sha256"), s.payload_hash);
	if (s.session_token.len) {
		if (!http_header_value_ok(s.session_token))
			return err_set(err, ERR_INVALID, "the session token is none");
		http_headers_set(a, &all, SV_LIT("x-amz-security-token"), s.session_token);
	}
	/* The client writes the host itself; but it is signed. */
	for (size_t i = 0; i < all.count; i++)
		http_headers_add(a, &with_host, all.items[i].name, all.items[i].value);
	http_headers_set(a, &with_host, SV_LIT("host"), host);
	s.headers = with_host.items;
	s.header_count = with_host.count;
	struct sv authorization = sigv4_authorization(&s, a);
	if (!authorization.ptr || !http_header_value_ok(authorization))
		return err_set(err, ERR_LIMIT, "the request cannot be signed: too many parameters");
	http_headers_add(a, &all, SV_LIT("authorization"), authorization);
	req->headers = all.items;
	req->header_count = all.count;
	return 0;
}

struct sv sigv4_region(const struct json_t *credentials, const struct json_t *config)
{
	struct sv region = json_sv(json_member(credentials, SV_LIT("region")));

	if (!region.len)
		region = json_sv(json_member(config, SV_LIT("region")));
	return region.len ? region : SV_LIT("us-east-1");
}
