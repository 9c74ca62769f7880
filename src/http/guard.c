#include "http/guard.h"

#include "base/mem.h"
#include "base/sv.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

/* Every address is 128 bits here; IPv4 lives in ::ffff:0:0/96, so that one comparison serves. */
struct ip {
	uint8_t b[16];
};

struct range {
	struct ip net;
	unsigned bits;
};

enum { GUARD_ALLOW_MAX = 256 };

struct guard {
	struct range allow[GUARD_ALLOW_MAX];
	size_t allow_count;
	bool all;
};

#define V4(a, b, c, d, n)                                                            \
	{                                                                            \
		{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, a, b, c, d } }, 96 + (n) \
	}
#define V6(a, b, n)                                             \
	{                                                       \
		{ { (a) >> 8, (a)&255, (b) >> 8, (b)&255 } }, n \
	}

static const struct special {
	struct range range;
	const char *what;
} special[] = {
	{ V4(127, 0, 0, 0, 8), "a loopback address" },
	{ V4(10, 0, 0, 0, 8), "a private address" },
	{ V4(172, 16, 0, 0, 12), "a private address" },
	{ V4(192, 168, 0, 0, 16), "a private address" },
	{ V4(100, 64, 0, 0, 10), "a private (carrier) address" },
	{ V4(169, 254, 169, 254, 32), "the metadata service" },
	{ V4(168, 63, 129, 16, 32), "a cloud platform's own service" },
	{ V4(169, 254, 0, 0, 16), "a link-local address" },
	{ V4(0, 0, 0, 0, 8), "an unspecified address" },
	{ V4(192, 0, 0, 0, 24), "a reserved address" },
	{ V4(192, 0, 2, 0, 24), "a documentation address" },
	{ V4(192, 88, 99, 0, 24), "a reserved address" },
	{ V4(198, 18, 0, 0, 15), "a benchmark address" },
	{ V4(198, 51, 100, 0, 24), "a documentation address" },
	{ V4(203, 0, 113, 0, 24), "a documentation address" },
	{ V4(224, 0, 0, 0, 4), "a multicast address" },
	{ V4(240, 0, 0, 0, 4), "a reserved address" },
	{ V6(0xfc00, 0, 7), "a private address" },
	{ V6(0xfe80, 0, 10), "a link-local address" },
	{ V6(0xfec0, 0, 10), "a site-local address" },
	{ V6(0xff00, 0, 8), "a multicast address" },
	{ V6(0x2001, 0, 32), "a Teredo address" },
	{ V6(0x2001, 0x0db8, 32), "a documentation address" },
	{ V6(0x0100, 0, 64), "a discard address" },
	{ { { { 0, 0x64, 0xff, 0x9b, 0, 1 } }, 48 }, "a local translation address" },
	{ { { { [15] = 1 } }, 128 }, "a loopback address" },
	{ { { { 0 } }, 128 }, "an unspecified address" },
};

static const struct range mapped = { { { [10] = 255, [11] = 255 } }, 96 };

/* Forms that carry an IPv4 address inside: what counts is the address carried. */
static const struct embedding {
	struct range range;
	unsigned at;
} embeddings[] = {
	{ { { { 0 } }, 96 }, 12 }, /* IPv4-compatible */
	{ { { { 0, 0x64, 0xff, 0x9b } }, 96 }, 12 }, /* NAT64 */
	{ V6(0x2002, 0, 16), 2 }, /* 6to4 */
};

static bool range_has(const struct range *r, const struct ip *ip)
{
	unsigned bytes = r->bits / 8, rest = r->bits % 8;

	if (memcmp(r->net.b, ip->b, bytes) != 0)
		return false;
	unsigned mask = rest ? (0xffu << (8 - rest)) & 0xff : 0;
	return ((r->net.b[bytes % 16] ^ ip->b[bytes % 16]) & mask) == 0;
}

static struct ip ip_from_v4(const void *four)
{
	struct ip ip = mapped.net;
	memcpy(ip.b + 12, four, 4);
	return ip;
}

static bool ip_is_v4(const struct ip *ip)
{
	return range_has(&mapped, ip);
}

static bool ip_parse(struct sv text, struct ip *ret)
{
	char buf[INET6_ADDRSTRLEN];
	struct in_addr v4;

	if (text.len == 0 || text.len >= sizeof(buf))
		return false;
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = 0;
	if (inet_pton(AF_INET, buf, &v4) == 1) {
		*ret = ip_from_v4(&v4);
		return true;
	}
	return inet_pton(AF_INET6, buf, ret->b) == 1;
}

static const char *ip_text(const struct ip *ip, char out[INET6_ADDRSTRLEN])
{
	bool v4 = ip_is_v4(ip);
	inet_ntop(v4 ? AF_INET : AF_INET6, ip->b + (v4 ? 12 : 0), out, INET6_ADDRSTRLEN);
	return out;
}

static bool range_parse(struct sv cidr, struct range *ret)
{
	struct sv addr = cidr;
	ptrdiff_t slash = sv_find_char(cidr, '/');
	int64_t bits = -1;

	if (slash >= 0) {
		addr.len = (size_t)slash;
		if (!sv_to_i64(sv_from(cidr, (size_t)slash + 1), &bits) || bits < 0)
			return false;
	}
	if (!ip_parse(addr, &ret->net))
		return false;
	/* "::ffff:10.0.0.0/104" is written with IPv6 bits, "10.0.0.0/8" with IPv4 bits. */
	bool v4 = sv_find_char(addr, ':') < 0;
	if (bits > (v4 ? 32 : 128))
		return false;
	ret->bits = bits < 0 ? 128 : (unsigned)bits + (v4 ? 96 : 0);
	return true;
}

struct guard *guard_new(void)
{
	return NEW(struct guard);
}

void guard_free(struct guard *g)
{
	mem_free(g);
}

void guard_allow_all(struct guard *g)
{
	g->all = true;
}

int guard_allow(struct guard *g, struct sv cidr, struct err *err)
{
	struct range r;

	if (!range_parse(sv_trim(cidr), &r))
		return err_set(err, ERR_INVALID,
			"'%.*s' is not an address range (write 10.1.0.0/16 or ::1)", SV(cidr));
	if (g->allow_count == GUARD_ALLOW_MAX)
		return err_set(
			err, ERR_LIMIT, "more than %d egress ranges allowed", GUARD_ALLOW_MAX);
	g->allow[g->allow_count++] = r;
	return 0;
}

const char *guard_code(enum guard_verdict v)
{
	switch (v) {
	case GUARD_OK: return "ok";
	case GUARD_INVALID_URL: return "invalid_url";
	case GUARD_INVALID_SCHEME: return "invalid_scheme";
	case GUARD_DENIED_HOSTNAME: return "denied_hostname";
	case GUARD_DENIED_IP: return "denied_ip";
	}
	return "denied_ip";
}

static bool is_allowed(const struct guard *g, const struct ip *ip)
{
	for (size_t i = 0; i < g->allow_count; i++)
		if (range_has(&g->allow[i], ip))
			return true;
	return false;
}

static const char *special_kind(const struct ip *ip)
{
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (range_has(&special[i].range, ip))
			return special[i].what;
	return NULL;
}

/* What makes ip special, following IPv4 addresses carried inside; NULL for a public address. */
static const char *denied_kind(const struct guard *g, const struct ip *ip)
{
	const char *what = special_kind(ip);

	if (what)
		return is_allowed(g, ip) ? NULL : what;
	for (size_t i = 0; i < ARRAY_LEN(embeddings); i++) {
		if (!range_has(&embeddings[i].range, ip))
			continue;
		struct ip inner = ip_from_v4(ip->b + embeddings[i].at);
		what = special_kind(&inner);
		return what && !is_allowed(g, ip) && !is_allowed(g, &inner) ? what : NULL;
	}
	return NULL;
}

static enum guard_verdict check_ip(
	const struct guard *g, const struct ip *ip, struct sv host, struct err *err)
{
	char text[INET6_ADDRSTRLEN];
	const char *what = g->all ? NULL : denied_kind(g, ip);

	if (!what)
		return GUARD_OK;
	ip_text(ip, text);
	unsigned bits = ip_is_v4(ip) ? 32 : 128;
	if (host.len == 0 || sv_eq_str(host, text))
		err_set(err, ERR_INVALID, "%s is %s (allow it with --allow-egress %s/%u)", text,
			what, text, bits);
	else
		err_set(err, ERR_INVALID, "'%.*s' is %s, %s (allow it with --allow-egress %s/%u)",
			host.len > 80 ? 80 : (int)host.len, host.ptr, text, what, text, bits);
	return GUARD_DENIED_IP;
}

/* Names that always mean a special address: refused before any look-up unless that is allowed. */
static const struct special_name {
	struct sv name;
	bool subdomains;
	bool metadata; /* else loopback */
} special_names[] = {
	{ SV_LIT("localhost"), true, false },
	{ SV_LIT("localhost.localdomain"), false, false },
	{ SV_LIT("ip6-localhost"), false, false },
	{ SV_LIT("ip6-loopback"), false, false },
	{ SV_LIT("metadata"), false, true },
	{ SV_LIT("metadata.google.internal"), true, true },
	{ SV_LIT("metadata.goog"), true, true },
	{ SV_LIT("instance-data"), false, true },
};

static bool name_matches(const struct special_name *n, struct sv host)
{
	if (sv_eq_nocase(host, n->name))
		return true;
	if (!n->subdomains || host.len <= n->name.len)
		return false;
	struct sv tail = sv_from(host, host.len - n->name.len);
	return tail.ptr[-1] == '.' && sv_eq_nocase(tail, n->name);
}

static bool name_allowed(const struct guard *g, const struct special_name *n)
{
	const struct ip v4 = { { [10] = 255, [11] = 255, [12] = 127, [15] = 1 } };
	const struct ip v6 = { { [15] = 1 } };
	const struct ip meta = { { [10] = 255, [11] = 255, 169, 254, 169, 254 } };

	return n->metadata ? is_allowed(g, &meta) : is_allowed(g, &v4) || is_allowed(g, &v6);
}

static enum guard_verdict check_name(const struct guard *g, struct sv host, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(special_names); i++) {
		const struct special_name *n = &special_names[i];
		if (!name_matches(n, host) || name_allowed(g, n))
			continue;
		err_set(err, ERR_INVALID, "'%.*s' is %s (allow it with --allow-egress %s)",
			SV(host), n->metadata ? "the metadata service" : "this machine",
			n->metadata ? "169.254.169.254/32" : "127.0.0.1/32");
		return GUARD_DENIED_HOSTNAME;
	}
	return GUARD_OK;
}

enum guard_verdict guard_check_host(const struct guard *g, struct sv host, struct err *err)
{
	struct ip ip;

	if (g->all)
		return GUARD_OK;
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = sv_make(host.ptr + 1, host.len - 2);
	ptrdiff_t zone = sv_find_char(host, '%');
	if (ip_parse(zone >= 0 ? sv_make(host.ptr, (size_t)zone) : host, &ip))
		return check_ip(g, &ip, SV_NULL, err);
	while (host.len && host.ptr[host.len - 1] == '.')
		host.len--;
	return check_name(g, host, err);
}

enum guard_verdict guard_check_addr(
	const struct guard *g, const struct sockaddr *addr, struct sv host, struct err *err)
{
	struct ip ip;

	if (g->all)
		return GUARD_OK;
	if (addr->sa_family == AF_INET) {
		ip = ip_from_v4(&((const struct sockaddr_in *)addr)->sin_addr);
	} else if (addr->sa_family == AF_INET6) {
		memcpy(ip.b, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
	} else {
		err_set(err, ERR_INVALID, "'%.*s' is not an internet address", SV(host));
		return GUARD_DENIED_IP;
	}
	return check_ip(g, &ip, host, err);
}

static void curl_free_p(char **p)
{
	curl_free(*p);
}

static void curl_url_p(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* The URL is taken apart by the same parser that will connect: no room for two readings. */
enum guard_verdict guard_check_url(const struct guard *g, struct sv url, struct err *err)
{
	own_mem char *text = mem_svdup(url);
	__attribute__((cleanup(curl_url_p))) CURLU *u = curl_url();
	__attribute__((cleanup(curl_free_p))) char *scheme = NULL;
	__attribute__((cleanup(curl_free_p))) char *host = NULL;

	int shown = url.len > 120 ? 120 : (int)url.len;
	if (url.len == 0 || strlen(text) != url.len ||
		curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME)) {
		err_set(err, ERR_INVALID, "'%.*s' is not a URL", shown, url.ptr ? url.ptr : "");
		return GUARD_INVALID_URL;
	}
	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
		(strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
		err_set(err, ERR_INVALID, "'%.*s' is neither http nor https", shown, url.ptr);
		return GUARD_INVALID_SCHEME;
	}
	if (curl_url_get(u, CURLUPART_HOST, &host, 0) || !host[0]) {
		err_set(err, ERR_INVALID, "'%.*s' names no host", shown, url.ptr);
		return GUARD_INVALID_URL;
	}
	return guard_check_host(g, sv_str(host), err);
}
