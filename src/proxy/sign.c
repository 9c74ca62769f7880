#include "proxy/sign.h"

#include "auth/oauth1.h"
#include "auth/sigv4.h"
#include "base/sv.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "data/json.h"
#include "model/provider.h"
#include "proxy/body.h"
#include "proxy/target.h"

#include <ctype.h>

enum { NONCE_BYTES = 16 };

static struct sv text_in(const struct json_t *obj, const char *path)
{
	return json_sv(json_find(obj, sv_str(path)));
}

/* The first that is there. */
static struct sv either(struct sv a, struct sv b)
{
	return a.len ? a : b;
}

/* "123-SB1" is the realm "123_SB1". */
static struct sv realm_of(const struct proxy_vars *v)
{
	char *realm = arena_str(v->arena, text_in(v->target->connection_config, "accountId"));
	char *dash = strchr(realm, '-');

	if (dash)
		*dash = '_';
	for (char *at = realm; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	return sv_str(realm);
}

static void fill_oauth1(const struct proxy_vars *v, struct oauth1 *o)
{
	const struct proxy_target *t = v->target;

	o->method = oauth1_method(text_in(t->provider->json, "signature_method"));
	o->consumer_key = text_in(t->app, "client_id");
	o->consumer_secret = text_in(t->app, "client_secret");
	o->token = text_in(t->credentials.json, "oauth_token");
	o->token_secret = text_in(t->credentials.json, "oauth_token_secret");
}

static int fill_tba(const struct proxy_vars *v, struct oauth1 *o, struct err *err)
{
	const struct json_t *c = v->target->credentials.json;
	const struct json_t *config = v->target->connection_config, *app = v->target->app;

	if (!text_in(config, "accountId").len)
		return err_set(err, ERR_INVALID,
			"connection '%.*s' has no accountId in its connection_config",
			SV(v->target->connection_id));
	o->method = OAUTH1_HMAC_SHA256;
	o->realm = realm_of(v);
	o->consumer_key = either(text_in(c, "config_override.client_id"),
		either(text_in(config, "oauth_client_id"), text_in(app, "client_id")));
	o->consumer_secret = either(text_in(c, "config_override.client_secret"),
		either(text_in(config, "oauth_client_secret"), text_in(app, "client_secret")));
	o->token = text_in(c, "token_id");
	o->token_secret = text_in(c, "token_secret");
	return 0;
}

int proxy_sign(const struct proxy_vars *v, const struct proxy_request *req, struct sv *ret,
	struct err *err)
{
	enum auth_type type = v->target->credentials.type;
	unsigned char random[NONCE_BYTES];
	char nonce[HASH_HEX_SIZE];
	struct oauth1 o = { .timestamp = v->now_ms / 1000,
		.http_method = v->method,
		.query = v->query,
		.form = proxy_is_form(proxy_content_type(req)) ? req->body : SV_NULL };

	*ret = SV_NULL;
	if (type == AUTH_TBA)
		TRY(fill_tba(v, &o, err));
	else if (type == AUTH_OAUTH1)
		fill_oauth1(v, &o);
	else
		return 0;
	if (!o.consumer_key.len)
		return err_set(err, ERR_INVALID,
			"integration '%.*s' has no client_id to sign requests with",
			SV(v->target->integration));
	random_bytes(random, sizeof(random));
	o.nonce = sv_str(hash_hex(random, sizeof(random), nonce));
	o.url = sv_str(
		arena_printf(v->arena, "%.*s://%.*s%.*s", SV(v->scheme), SV(v->host), SV(v->path)));
	*ret = oauth1_header(&o, v->arena);
	return ret->ptr ? 0 : err_set(err, ERR_LIMIT, "too many parameters to sign");
}

int proxy_sign_aws(const struct proxy_vars *v, struct http_request *req, struct err *err)
{
	const struct proxy_target *t = v->target;
	const struct json_t *c = t->credentials.json;
	const struct sigv4 s = {
		.access_key_id = text_in(c, "access_key_id"),
		.secret_access_key = text_in(c, "secret_access_key"),
		.session_token = text_in(c, "session_token"),
		.region = sigv4_region(c, t->connection_config),
		.service = either(
			text_in(c, "service"), either(text_in(t->connection_config, "service"),
						       text_in(t->provider->json, "service"))),
	};

	if (t->credentials.type != AUTH_AWS_SIGV4)
		return 0;
	if (!s.access_key_id.len || !s.secret_access_key.len)
		return err_set(err, ERR_INVALID, "connection '%.*s' has no keys to sign with",
			SV(t->connection_id));
	if (!s.service.len)
		return err_set(err, ERR_INVALID,
			"connection '%.*s' does not say which AWS service it is for: give its "
			"credentials or its connection_config a service",
			SV(t->connection_id));
	return sigv4_sign_request(&s, v->now_ms, v->arena, req, err);
}
