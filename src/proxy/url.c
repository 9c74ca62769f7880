#include "proxy/url.h"

#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/query.h"
#include "data/tmpl.h"
#include "model/provider.h"

#include <ctype.h>
#include <curl/curl.h>

enum { URL_MAX = 256 * 1024, PARAMS_MAX = 2000 };

static int fail(struct err *err, const char **code, const char *which, const char *why)
{
	*code = which;
	return err_set(err, ERR_INVALID, "%s", why);
}

/* strchr would find the NUL, too. */
static bool is_in(const char *set, char c)
{
	return c && strchr(set, c);
}

/* Normalising. */

static bool must_encode(unsigned char c, bool in_query)
{
	if (c <= ' ' || c >= 0x7f)
		return true;
	return in_query ? strchr("\"<>'", c) != NULL : strchr("\"<>`{}", c) != NULL;
}

/* Of "scheme://" at the beginning, whichever way its slashes lean; 0 without one. */
static size_t scheme_len(struct sv s)
{
	size_t i = 0;

	while (i < s.len && (isalnum((unsigned char)s.ptr[i]) || is_in("+-.", s.ptr[i])))
		i++;
	bool found = i && s.len - i > 2 && s.ptr[i] == ':' && is_in("/\\", s.ptr[i + 1]) &&
		     is_in("/\\", s.ptr[i + 2]);
	return found ? i + 3 : 0;
}

/* Where the path begins: behind "scheme://authority". */
static size_t path_start(struct sv s)
{
	size_t i = scheme_len(s);

	while (i < s.len && !is_in("/?#\\", s.ptr[i]))
		i++;
	return i;
}

/* Behind a name and a password in the authority, if there are. */
static size_t host_start(struct sv s, size_t scheme, size_t path)
{
	size_t i = path;

	while (i > scheme && s.ptr[i - 1] != '@')
		i--;
	return i;
}

/* The URL parser of browsers, as far as characters go: what it drops, turns and encodes. */
static void clean(struct sv s, struct buf *out)
{
	size_t scheme = scheme_len(s), path = path_start(s), host = host_start(s, scheme, path);
	bool in_query = false;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '#')
			break;
		if (c == '?' && i >= path)
			in_query = true;
		if (c == '\\' && !in_query)
			c = '/';
		/* Scheme and host; what stands between them is a name and a password. */
		if (i < path && (i >= host || i < scheme))
			buf_char(out, (char)tolower(c));
		else if (must_encode(c, in_query))
			buf_printf(out, "%%%02X", c);
		else
			buf_char(out, (char)c);
	}
}

/* Line ends and tabs vanish wherever they stand, even within "://". */
static void drop_breaks(struct sv s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_in("\t\n\r", s.ptr[i]))
			buf_char(out, s.ptr[i]);
}

/* libcurl checks the parts and removes dot segments and default ports. */
static CURLUcode reparse(const char *text, char **ret)
{
	CURLU *u = curl_url();
	CURLUcode rc = curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);

	if (!rc)
		rc = curl_url_get(u, CURLUPART_URL, ret, CURLU_NO_DEFAULT_PORT);
	curl_url_cleanup(u);
	return rc;
}

int url_normalise(struct sv text, struct arena *a, struct sv *ret, struct err *err)
{
	own_in(buf_done) struct buf whole = { 0 }, b = { 0 };
	char *url = NULL;

	buf_init(&whole, URL_MAX);
	buf_init(&b, URL_MAX);
	drop_breaks(sv_trim(text), &whole);
	clean(buf_sv(&whole), &b);
	if (!buf_ok(&whole) || !buf_ok(&b))
		return err_set(err, ERR_LIMIT, "the URL is longer than %d bytes", URL_MAX);
	struct sv s = buf_sv(&b);
	if (!sv_starts(s, SV_LIT("http://")) && !sv_starts(s, SV_LIT("https://")))
		return err_set(
			err, ERR_INVALID, "not an http or https URL: %.100s", b.ptr ? b.ptr : "");
	CURLUcode rc = reparse(b.ptr, &url);
	if (rc)
		return err_set(err, ERR_INVALID, "%s: %.100s", curl_url_strerror(rc), b.ptr);
	/* A host that was percent-encoded is plain now, in whatever case. */
	struct sv host = url_split(sv_str(url)).host;
	for (size_t i = 0; i < host.len; i++)
		url[host.ptr - url + (ptrdiff_t)i] = (char)tolower((unsigned char)host.ptr[i]);
	*ret = arena_sv(a, sv_str(url));
	curl_free(url);
	return 0;
}

struct url_parts url_split(struct sv url)
{
	struct url_parts p = { 0 };
	ptrdiff_t at = sv_find(url, SV_LIT("://"));
	size_t path = path_start(url);

	if (at < 0)
		return p;
	p.scheme = sv_make(url.ptr, (size_t)at);
	p.host = sv_make(url.ptr + at + 3, path - (size_t)at - 3);
	ptrdiff_t user = sv_find_char(p.host, '@');
	if (user >= 0)
		p.host = sv_from(p.host, (size_t)user + 1);
	struct sv rest = sv_from(url, path);
	ptrdiff_t q = sv_find_char(rest, '?');
	p.path = q < 0 ? rest : sv_make(rest.ptr, (size_t)q);
	p.query = q < 0 ? sv_make("", 0) : sv_from(rest, (size_t)q + 1);
	return p;
}

/* Parameters. */

struct pairs {
	struct proxy_pair *items;
	size_t count;
};

static struct sv decoded(struct arena *a, struct sv s)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, URL_MAX);
	enc_unpercent(&b, s, true);
	return arena_sv(a, buf_sv(&b));
}

static struct pairs pairs_of(struct sv query, size_t room, struct arena *a)
{
	struct sv rest = query, name, value;
	size_t n = 1;

	for (size_t i = 0; i < query.len; i++)
		n += query.ptr[i] == '&';
	struct pairs p = { .items = arena_array(a, n + room, sizeof(struct proxy_pair)) };
	while (query.len && query_next(&rest, &name, &value)) {
		if (name.len == 0 && !value.ptr)
			continue;
		p.items[p.count++] = (struct proxy_pair){ decoded(a, name),
			value.ptr ? decoded(a, value) : SV_LIT("") };
	}
	return p;
}

/* The first pair of that name takes the value, further ones go. */
static void pairs_set(struct pairs *p, const struct proxy_pair *pair)
{
	bool done = false;
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (!sv_eq(p->items[i].name, pair->name)) {
			p->items[n++] = p->items[i];
		} else if (!done) {
			p->items[n++] = *pair;
			done = true;
		}
	}
	if (!done)
		p->items[n++] = *pair;
	p->count = n;
}

struct sv url_set_params(
	struct sv url, const struct proxy_pair *params, size_t count, struct arena *a)
{
	own_in(buf_done) struct buf out = { 0 };
	struct sv query = url_split(url).query;
	size_t base = (size_t)(query.len ? query.ptr - url.ptr - 1 : (ptrdiff_t)url.len);
	struct pairs p = pairs_of(query, count, a);

	/* Each one set looks at all of them. */
	if (p.count + count > PARAMS_MAX)
		return SV_NULL;
	if (url.len && url.ptr[base - 1] == '?')
		base--;
	for (size_t i = 0; i < count; i++)
		pairs_set(&p, &params[i]);
	buf_init(&out, URL_MAX);
	buf_add(&out, url.ptr, base);
	for (size_t i = 0; i < p.count; i++) {
		buf_char(&out, i ? '&' : '?');
		enc_percent(&out, p.items[i].name, ENC_FORM);
		buf_char(&out, '=');
		enc_percent(&out, p.items[i].value, ENC_FORM);
	}
	return buf_ok(&out) ? arena_sv(a, buf_sv(&out)) : SV_NULL;
}

/* Base and endpoint. */

/* A connection_config value counts as there when JavaScript would call it truthy. */
static bool truthy(const struct json_t *v)
{
	switch (json_kind(v)) {
	case JSON_KIND_STRING: return json_sv(v).len > 0;
	case JSON_KIND_NUMBER: return json_num(v) != 0;
	case JSON_KIND_BOOL: return json_truth(v);
	case JSON_KIND_ARRAY:
	case JSON_KIND_OBJECT: return true;
	case JSON_KIND_NULL:
	case JSON_KIND_ABSENT: return false;
	}
	return false;
}

struct sv url_choose_base(const struct proxy_target *t, struct sv base)
{
	ptrdiff_t bar = sv_find(base, SV_LIT("||"));
	ptrdiff_t at = sv_find(base, SV_LIT("connectionConfig."));
	size_t n = 0;

	if (bar < 0 || sv_find(base, SV_LIT("${")) < 0)
		return base;
	struct sv first = sv_trim(sv_make(base.ptr, (size_t)bar));
	struct sv second = sv_from(base, (size_t)bar + 2);
	ptrdiff_t more = sv_find(second, SV_LIT("||"));
	if (more >= 0)
		second = sv_make(second.ptr, (size_t)more);
	if (at < 0)
		return first;
	struct sv name = sv_from(base, (size_t)at + sizeof("connectionConfig.") - 1);
	while (n < name.len && (isalnum((unsigned char)name.ptr[n]) || name.ptr[n] == '_'))
		n++;
	bool there = truthy(json_member(t->connection_config, sv_make(name.ptr, n)));
	return there ? first : sv_trim(second);
}

static struct sv without_first(struct sv text, struct sv piece, struct arena *a)
{
	ptrdiff_t at = piece.len ? sv_find(text, piece) : -1;

	if (at < 0)
		return text;
	return sv_str(arena_printf(
		a, "%.*s%.*s", (int)at, text.ptr, SV(sv_from(text, (size_t)at + piece.len))));
}

/* Where a service of AWS is reached is up to the connection. */
static struct sv connection_base(const struct proxy_target *t)
{
	return t->credentials.type == AUTH_AWS_SIGV4
		       ? json_sv(json_member(t->connection_config, SV_LIT("base_url")))
		       : SV_NULL;
}

static struct sv integration_base(const struct proxy_target *t)
{
	struct sv own_base = json_sv(json_member(t->config, SV_LIT("baseUrl")));

	if (!own_base.len)
		own_base = json_sv(json_member(t->custom, SV_LIT("baseUrl")));
	return own_base.len && t->provider->integration_config ? own_base : t->provider->base_url;
}

/* Absolute endpoints on the same base are as good as relative ones. */
static struct sv relative(struct sv base, struct sv endpoint)
{
	if (!tmpl_is_template(base) && sv_starts(endpoint, base)) {
		struct sv rest = sv_from(endpoint, base.len);
		if (rest.len == 0 || is_in("/?#", rest.ptr[0]))
			endpoint = rest;
	}
	while (endpoint.len && endpoint.ptr[0] == '/')
		endpoint = sv_from(endpoint, 1);
	return endpoint;
}

/* A link begins at the root of the host; what of it the base says already is left out. */
static struct sv below(struct sv base, struct sv link)
{
	struct sv path = sv_from(base, path_start(base));

	if (path.len == 0 || !sv_starts(link, path))
		return link;
	struct sv rest = sv_from(link, path.len);
	return rest.len == 0 || is_in("/?#", rest.ptr[0]) ? rest : link;
}

/* The endpoint's placeholders; `||` in it is the caller's own text, not an alternative. */
static int fill_endpoint(
	const struct proxy_vars *v, struct sv endpoint, struct buf *out, struct err *err)
{
	for (;;) {
		ptrdiff_t bar = sv_find(endpoint, SV_LIT("||"));
		struct sv piece = bar < 0 ? endpoint : sv_make(endpoint.ptr, (size_t)bar), text;
		TRY(proxy_vars_eval(v, VARS_CONNECTION | VARS_CREDENTIALS | VARS_FLAT, piece, &text,
			NULL, err));
		buf_sv_add(out, text);
		if (bar < 0)
			return 0;
		buf_str(out, "||");
		endpoint = sv_from(endpoint, (size_t)bar + 2);
	}
}

static int fill_base(const struct proxy_vars *v, struct sv base, struct sv *ret, const char **code,
	struct err *err)
{
	bool resolved = true;

	TRY(proxy_vars_eval(
		v, VARS_CONNECTION | VARS_CREDENTIALS | VARS_FLAT, base, ret, &resolved, err));
	if (!resolved) {
		*code = "missing_api_url";
		return err_set(err, ERR_INVALID,
			"the base URL '%.*s' needs a value that connection '%.*s' does not have",
			SV(base), SV(v->target->connection_id));
	}
	return 0;
}

/* Base and endpoint joined, templates filled, not yet normalised. */
static int join(const struct proxy_vars *v, const struct proxy_request *req, struct buf *out,
	const char **code, struct err *err)
{
	const struct proxy_target *t = v->target;
	bool override = req->base_url_override.len > 0;
	struct sv base = override ? req->base_url_override : connection_base(t), filled;
	struct sv endpoint = req->endpoint;

	if (!base.len)
		base = integration_base(t);
	if (!base.len)
		return fail(err, code, "missing_api_url",
			"the provider has no base URL: set baseUrlOverride");
	if (!override)
		endpoint = without_first(endpoint, t->provider->base_url, v->arena);
	base = url_choose_base(t, sv_trim(base));
	if (sv_ends(base, SV_LIT("/")))
		base.len--;
	TRY(fill_base(v, base, &filled, code, err));
	buf_sv_add(out, filled);
	if (req->is_link)
		endpoint = below(filled, endpoint);
	endpoint = relative(base, endpoint);
	if (endpoint.len && !is_in("?#", endpoint.ptr[0]))
		buf_char(out, '/');
	return fill_endpoint(v, endpoint, out, err);
}

static int add_raw_params(
	const struct proxy_request *req, struct buf *out, const char **code, struct err *err)
{
	if (!req->raw_params.len)
		return 0;
	if (sv_find_char(buf_sv(out), '?') >= 0)
		return fail(err, code, "invalid_query_params",
			"params is a text but the endpoint has a query already");
	if (req->raw_params.ptr[0] != '?')
		buf_char(out, '?');
	buf_sv_add(out, req->raw_params);
	return 0;
}

/* proxy.query of the provider, where everything in it is known. */
static int provider_params(
	const struct proxy_vars *v, struct proxy_pair *ret, size_t *ret_count, struct err *err)
{
	const struct provider_pairs *query = &v->target->provider->query;
	unsigned sets = VARS_TOKEN | VARS_CONNECTION | VARS_CREDENTIALS | VARS_FLAT;
	size_t n = 0;

	for (size_t i = 0; i < query->count; i++) {
		struct sv value;
		bool resolved = true;
		TRY(proxy_vars_eval(v, sets, query->items[i].value, &value, &resolved, err));
		if (resolved)
			ret[n++] = (struct proxy_pair){ query->items[i].name, value };
	}
	if (proxy_generic_key(v, "query", &ret[n]))
		n++;
	*ret_count = n;
	return 0;
}

bool proxy_generic_key(const struct proxy_vars *v, const char *placement, struct proxy_pair *ret)
{
	const struct proxy_target *t = v->target;
	const struct json_t *from =
		json_member(t->config, SV_LIT("keyName")) ? t->config : t->custom;
	struct sv place = json_sv(json_member(from, SV_LIT("keyPlacement")));
	struct sv name = json_sv(json_member(from, SV_LIT("keyName")));
	struct sv value = json_sv(json_member(from, SV_LIT("valueTemplate")));

	if (!t->provider->integration_config || !name.len || !sv_eq_str(place, placement))
		return false;
	ret->name = name;
	return proxy_vars_eval(v, VARS_CREDENTIALS | VARS_FLAT | VARS_CONNECTION,
		       value.len ? value : SV_LIT("${apiKey}"), &ret->value, NULL, NULL) >= 0;
}

static int set_all_params(const struct proxy_vars *v, const struct proxy_request *req,
	struct sv *url, struct err *err)
{
	size_t room = v->target->provider->query.count + 1, n = 0;
	struct proxy_pair *own_params = arena_array(v->arena, room, sizeof(*own_params));

	if (req->param_count && !req->raw_params.len)
		*url = url_set_params(*url, req->params, req->param_count, v->arena);
	TRY(provider_params(v, own_params, &n, err));
	if (n && url->ptr)
		*url = url_set_params(*url, own_params, n, v->arena);
	if (url->ptr)
		return 0;
	return err_set(err, ERR_LIMIT,
		"the URL is longer than %d bytes or has more than %d parameters", URL_MAX,
		PARAMS_MAX);
}

int proxy_url_build(const struct proxy_vars *v, const struct proxy_request *req, struct sv *ret,
	const char **code, struct err *err)
{
	own_in(buf_done) struct buf b = { 0 };
	struct sv url;

	buf_init(&b, URL_MAX);
	*code = "invalid_url";
	TRY(join(v, req, &b, code, err));
	TRY(add_raw_params(req, &b, code, err));
	TRY(url_normalise(buf_sv(&b), v->arena, &url, err));
	TRY(set_all_params(v, req, &url, err));
	*ret = url;
	return 0;
}
