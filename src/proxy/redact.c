#include "proxy/redact.h"

#include "base/buf.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"

enum { SECRET_MIN = 4, SECRETS_MAX = 64, TEXT_MAX = 256 * 1024 };

static const struct sv hidden = SV_LIT("REDACTED");

/* Headers that carry no information for people who debug a sync. */
static const char *const noise[] = { "age", "alt-svc", "cf-cache-status", "cf-ray", "connection",
	"content-security-policy", "content-security-policy-report-only",
	"cross-origin-embedder-policy", "cross-origin-opener-policy",
	"cross-origin-resource-policy", "expect-ct", "keep-alive", "nel", "origin-agent-cluster",
	"p3p", "permissions-policy", "pragma", "referrer-policy", "report-to",
	"reporting-endpoints", "server", "server-timing", "set-cookie", "strict-transport-security",
	"timing-allow-origin", "transfer-encoding", "vary", "via", "x-amz-cf-id", "x-amz-cf-pop",
	"x-cache", "x-content-type-options", "x-dns-prefetch-control", "x-download-options",
	"x-envoy-upstream-service-time", "x-frame-options", "x-permitted-cross-domain-policies",
	"x-powered-by", "x-robots-tag", "x-served-by", "x-timer", "x-ua-compatible",
	"x-xss-protection" };
static const char *const secret_names[] = { "authorization", "proxy-authorization", "cookie" };

static bool listed(const char *const *names, size_t count, struct sv name)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq_nocase(name, sv_str(names[i])))
			return true;
	return false;
}

static void add_secret(struct redactor *r, struct sv s)
{
	own_in(buf_done) struct buf b = { 0 };

	if (s.len < SECRET_MIN || r->count + 2 > SECRETS_MAX)
		return;
	r->secrets[r->count++] = s;
	buf_init(&b, TEXT_MAX);
	enc_percent(&b, s, ENC_COMPONENT);
	if (buf_ok(&b) && !sv_eq(buf_sv(&b), s))
		r->secrets[r->count++] = arena_sv(r->arena, buf_sv(&b));
}

static void collect(struct redactor *r, const struct json_t *v)
{
	struct json_t *val;
	struct sv key;
	void *it = NULL;

	if (json_kind(v) == JSON_KIND_STRING) {
		add_secret(r, json_sv(v));
	} else if (json_kind(v) == JSON_KIND_ARRAY) {
		for (size_t i = 0; i < json_len(v); i++)
			collect(r, json_item(v, i));
	} else if (json_kind(v) == JSON_KIND_OBJECT) {
		while (json_next(v, &it, &key, &val))
			if (!sv_eq_str(key, "type"))
				collect(r, val);
	}
}

void redactor_init(struct redactor *r, const struct proxy_target *t, struct arena *a)
{
	*r = (struct redactor){ .arena = a };
	r->secrets = arena_array(a, SECRETS_MAX, sizeof(struct sv));
	collect(r, t->credentials.json);
	collect(r, json_member(t->app, SV_LIT("client_secret")));
	collect(r, t->custom);
}

static struct sv replace(struct arena *a, struct sv text, struct sv secret)
{
	own_in(buf_done) struct buf b = { 0 };
	ptrdiff_t at = sv_find(text, secret);

	if (at < 0)
		return text;
	buf_init(&b, TEXT_MAX);
	for (; at >= 0; at = sv_find(text, secret)) {
		buf_add(&b, text.ptr, (size_t)at);
		buf_sv_add(&b, hidden);
		text = sv_from(text, (size_t)at + secret.len);
	}
	buf_sv_add(&b, text);
	return buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : hidden;
}

struct sv redact_text(const struct redactor *r, struct sv text)
{
	for (size_t i = 0; i < r->count; i++)
		text = replace(r->arena, text, r->secrets[i]);
	return text;
}

static bool holds_secret(const struct redactor *r, struct sv value)
{
	for (size_t i = 0; i < r->count; i++)
		if (sv_find(value, r->secrets[i]) >= 0)
			return true;
	return false;
}

struct http_headers redact_headers(
	const struct redactor *r, const struct http_header *items, size_t count)
{
	struct http_headers out = { 0 };

	for (size_t i = 0; i < count; i++) {
		bool secret = listed(secret_names, ARRAY_LEN(secret_names), items[i].name) ||
			      holds_secret(r, items[i].value);
		if (!listed(noise, ARRAY_LEN(noise), items[i].name))
			http_headers_add(
				r->arena, &out, items[i].name, secret ? hidden : items[i].value);
	}
	return out;
}
