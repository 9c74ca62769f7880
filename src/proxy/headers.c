#include "proxy/headers.h"

#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "model/provider.h"
#include "proxy/sign.h"
#include "proxy/url.h"

enum { HEADERS_MAX = 1000 };

/* The transfer's own business; the client writes what is needed of these. */
static const char *const not_forwarded[] = { "host", "content-length", "connection", "keep-alive",
	"transfer-encoding", "te", "trailer", "upgrade", "expect", "proxy-connection",
	"user-agent" };

static int set_checked(
	struct arena *a, struct http_headers *h, struct sv name, struct sv value, struct err *err)
{
	if (!http_token_ok(name))
		return err_set(err, ERR_INVALID, "'%.*s' cannot be the name of a header", SV(name));
	if (!http_header_value_ok(value))
		return err_set(err, ERR_INVALID,
			"the value of header '%.*s' holds characters that no header may", SV(name));
	http_headers_set(a, h, arena_lower(a, name), value);
	return 0;
}

/* Authorization by type. */

static struct sv basic(const struct proxy_vars *v)
{
	const struct json_t *c = v->target->credentials.json;
	struct sv user = json_sv(json_member(c, SV_LIT("username")));
	struct sv password = json_sv(json_member(c, SV_LIT("password")));
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 64 * 1024);
	const char *pair = arena_printf(v->arena, "%.*s:%.*s", SV(user), SV(password));
	buf_str(&b, "Basic ");
	enc_base64(&b, sv_str(pair));
	return arena_sv(v->arena, buf_sv(&b));
}

static struct sv bearer(const struct proxy_vars *v)
{
	struct sv token = credentials_token(&v->target->credentials);

	return token.ptr ? sv_str(arena_printf(v->arena, "Bearer %.*s", SV(token))) : SV_NULL;
}

/* A two-step provider that says itself where its token goes. */
static bool provider_places_token(const struct provider *p)
{
	for (size_t i = 0; i < p->headers.count; i++) {
		struct sv value = p->headers.items[i].value;
		if (sv_find(value, SV_LIT("${accessToken}")) >= 0 ||
			sv_find(value, SV_LIT("${credentials._cookies}")) >= 0)
			return true;
	}
	return false;
}

static struct sv default_authorization(const struct proxy_vars *v)
{
	switch (v->target->credentials.type) {
	case AUTH_BASIC:
	case AUTH_INSTALL_PLUGIN: return basic(v);
	case AUTH_TWO_STEP: return provider_places_token(v->target->provider) ? SV_NULL : bearer(v);
	case AUTH_OAUTH2:
	case AUTH_OAUTH2_CC:
	case AUTH_APP:
	case AUTH_APP_STORE:
	case AUTH_CUSTOM:
	case AUTH_JWT:
	case AUTH_SIGNATURE:
	case AUTH_TABLEAU:
	case AUTH_MCP_OAUTH2:
	case AUTH_MCP_OAUTH2_GENERIC: return bearer(v);
	case AUTH_NONE:
	case AUTH_API_KEY:
	case AUTH_BILL:
	case AUTH_OAUTH1:
	case AUTH_TBA:
	case AUTH_AWS_SIGV4:
	case AUTH_TYPE_COUNT: break;
	}
	return SV_NULL;
}

/* The provider's fields. */

static unsigned sets_for(enum auth_type type, struct sv value)
{
	if (sv_find(value, SV_LIT("connectionConfig")) >= 0)
		return VARS_ALL;
	switch (type) {
	case AUTH_OAUTH2:
	case AUTH_MCP_OAUTH2:
	case AUTH_MCP_OAUTH2_GENERIC: return VARS_TOKEN | VARS_APP;
	case AUTH_JWT:
	case AUTH_OAUTH2_CC:
	case AUTH_SIGNATURE: return VARS_TOKEN;
	case AUTH_TWO_STEP: return VARS_TOKEN | VARS_CREDENTIALS | VARS_REQUEST;
	case AUTH_NONE:
	case AUTH_API_KEY:
	case AUTH_BASIC:
	case AUTH_OAUTH1:
	case AUTH_APP:
	case AUTH_APP_STORE:
	case AUTH_CUSTOM:
	case AUTH_BILL:
	case AUTH_TBA:
	case AUTH_TABLEAU:
	case AUTH_AWS_SIGV4:
	case AUTH_INSTALL_PLUGIN:
	case AUTH_TYPE_COUNT: break;
	}
	return VARS_CREDENTIALS | VARS_FLAT | VARS_REQUEST;
}

static int add_provider_headers(const struct proxy_vars *v, struct http_headers *h, struct err *err)
{
	const struct provider_pairs *own_headers = &v->target->provider->headers;

	for (size_t i = 0; i < own_headers->count; i++) {
		struct sv tmpl = own_headers->items[i].value, value;
		unsigned sets = sets_for(v->target->credentials.type, tmpl);
		bool resolved = true;
		TRY(proxy_vars_eval(v, sets, tmpl, &value, &resolved, err));
		if (!resolved && sets == VARS_ALL)
			continue;
		TRY(set_checked(v->arena, h, own_headers->items[i].name, value, err));
	}
	return 0;
}

/* The caller's. */

static bool forwarded(struct sv name)
{
	for (size_t i = 0; i < ARRAY_LEN(not_forwarded); i++)
		if (sv_eq_nocase(name, sv_str(not_forwarded[i])))
			return false;
	return true;
}

static int add_caller_headers(const struct proxy_vars *v, const struct proxy_request *req,
	struct http_headers *h, struct err *err)
{
	/* Each one set looks at all of them. */
	if (req->header_count > HEADERS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d headers", HEADERS_MAX);
	for (size_t i = 0; i < req->header_count; i++)
		if (forwarded(req->headers[i].name))
			TRY(set_checked(
				v->arena, h, req->headers[i].name, req->headers[i].value, err));
	return 0;
}

int proxy_headers_build(const struct proxy_vars *v, const struct proxy_request *req,
	struct http_headers *ret, struct err *err)
{
	struct http_headers h = { 0 };
	struct proxy_pair key;

	http_headers_add(
		v->arena, &h, SV_LIT("accept"), SV_LIT("application/json, text/plain, */*"));
	http_headers_add(v->arena, &h, SV_LIT("accept-encoding"), SV_LIT("gzip, deflate, br"));
	http_headers_add(v->arena, &h, SV_LIT("user-agent"), SV_LIT("tidemark/" TIDEMARK_VERSION));
	struct sv authorization;
	TRY(proxy_sign(v, req, &authorization, err));
	if (!authorization.ptr)
		authorization = default_authorization(v);
	if (authorization.ptr)
		TRY(set_checked(v->arena, &h, SV_LIT("authorization"), authorization, err));
	TRY(add_provider_headers(v, &h, err));
	if (proxy_generic_key(v, "header", &key))
		TRY(set_checked(v->arena, &h, key.name, key.value, err));
	TRY(add_caller_headers(v, req, &h, err));
	*ret = h;
	return 0;
}
