/*
 * AWS_SIGV4: requests are signed with keys (proxy/sign.c); keys of a role are had here, for an
 * hour, from the Security Token Service (AssumeRole), as the integration or the connection itself.
 */
#include "auth/grant.h"
#include "auth/sigv4.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

enum { LIFE_S = 3600, REGION_MAX = 32 };

static struct sv given(const struct grant *g, const char *key)
{
	return json_sv(json_member(g->credentials, sv_str(key)));
}

static bool role_able(const struct provider *p UNUSED, const struct json_t *credentials)
{
	return json_sv(json_member(credentials, SV_LIT("role_arn"))).len > 0;
}

/* It becomes a part of a host's name. */
static bool region_ok(struct sv s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!(s.ptr[i] >= 'a' && s.ptr[i] <= 'z') &&
			!(s.ptr[i] >= '0' && s.ptr[i] <= '9') && s.ptr[i] != '-')
			return false;
	return s.len > 0 && s.len <= REGION_MAX;
}

static int fill_url(const struct grant *g, struct sv region, struct sv *ret, struct err *err)
{
	struct sv custom = json_sv(json_member(g->custom, SV_LIT("sts_url")));

	if (custom.len) {
		*ret = custom;
		return 0;
	}
	if (json_member(g->provider->json, SV_LIT("token_url")))
		return grant_url(g, "token_url", ret, err);
	*ret = sv_str(arena_printf(g->arena, "https://sts.%.*s.amazonaws.com/", SV(region)));
	return 0;
}

static struct json_t *params_of(const struct grant *g)
{
	struct json_t *params = json_new_obj();

	json_set_str(params, "Action", SV_LIT("AssumeRole"));
	json_set_str(params, "Version", SV_LIT("2011-06-15"));
	json_set_str(params, "RoleArn", given(g, "role_arn"));
	json_set_str(params, "RoleSessionName", SV_LIT("tidemark"));
	json_set_int(params, "DurationSeconds", LIFE_S);
	if (given(g, "external_id").len)
		json_set_str(params, "ExternalId", given(g, "external_id"));
	return params;
}

/* As whom the role is assumed: the integration's keys. */
static int sign(const struct grant *g, struct sv region, struct http_request *req, struct err *err)
{
	struct sigv4 s = { .access_key_id =
				   json_sv(json_member(g->custom, SV_LIT("access_key_id"))),
		.secret_access_key = json_sv(json_member(g->custom, SV_LIT("secret_access_key"))),
		.region = region,
		.service = SV_LIT("sts") };

	if (!s.access_key_id.len || !s.secret_access_key.len)
		return err_set(err, ERR_INVALID,
			"the integration has no keys to assume roles with: set access_key_id and "
			"secret_access_key in its custom values");
	return sigv4_sign_request(&s, g->now_ms, g->arena, req, err);
}

static int role_ask(struct grant *g, unsigned step, struct http_request *ret, struct err *err)
{
	own(json_unref) struct json_t *params = NULL;
	struct grant_ask a = { 0 };
	struct sv region = sigv4_region(g->credentials, g->config);

	if (step > 0)
		return 0;
	if (!region_ok(region))
		return err_set(err, ERR_INVALID, "'%.*s' is no AWS region", SV(region));
	params = params_of(g);
	a.params = params;
	TRY(fill_url(g, region, &a.url, err));
	TRY(grant_post(g, &a, ret, err));
	TRY(sign(g, region, ret, err));
	return 1;
}

/* STS speaks JSON if asked to, and XML otherwise. */
static const struct json_t *keys_in(const struct json_t *answer)
{
	return json_find(answer, SV_LIT("AssumeRoleResponse.AssumeRoleResult.Credentials"));
}

static int role_accept(
	struct grant *g, unsigned step UNUSED, const struct json_t *answer, struct err *err)
{
	static const char *const names[][2] = { { "AccessKeyId", "access_key_id" },
		{ "SecretAccessKey", "secret_access_key" }, { "SessionToken", "session_token" } };
	own(json_unref) struct json_t *said = json_new_obj();
	const struct json_t *keys = keys_in(answer);
	struct json_t *until = json_member(keys, SV_LIT("Expiration"));

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct sv v = json_sv(json_member(keys, sv_str(names[i][0])));
		if (!v.len)
			return err_set(err, ERR_UPSTREAM, "the answer holds no %s", names[i][0]);
		json_set_str(g->next, names[i][1], v);
	}
	if (until)
		json_set(said, SV_LIT("expires_at"), json_clone(until));
	grant_set_expiry(g, said, (int64_t)LIFE_S * 1000);
	json_set(g->next, SV_LIT("raw"), json_clone(answer));
	return 0;
}

const struct grant_mode grant_aws = { role_able, role_ask, role_accept };
