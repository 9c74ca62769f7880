#include "auth/credentials.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"

#include <stdio.h>

/* How a type gets into a request: by itself as a bearer token, or by what the provider says. */
static const struct {
	const char *name;
	const char *token; /* member that holds the bearer token, NULL = none */
	/* Members that must be there, as text; "a|b": one of them (the token, or what it is had
	 * with). */
	const char *required[3];
} types[AUTH_TYPE_COUNT] = {
	[AUTH_NONE] = { "NONE", NULL, { NULL } },
	[AUTH_API_KEY] = { "API_KEY", NULL, { "apiKey" } },
	[AUTH_BASIC] = { "BASIC", NULL, { "username" } },
	[AUTH_OAUTH2] = { "OAUTH2", "access_token", { "access_token" } },
	[AUTH_OAUTH2_CC] = { "OAUTH2_CC", "token", { "token|client_id" } },
	[AUTH_OAUTH1] = { "OAUTH1", NULL, { "oauth_token", "oauth_token_secret" } },
	[AUTH_APP] = { "APP", "access_token", { "access_token|installation_id" } },
	[AUTH_APP_STORE] = { "APP_STORE", "access_token", { "access_token|privateKey" } },
	[AUTH_CUSTOM] = { "CUSTOM", "access_token", { NULL } },
	[AUTH_TWO_STEP] = { "TWO_STEP", "token", { NULL } },
	[AUTH_JWT] = { "JWT", "token", { NULL } },
	[AUTH_SIGNATURE] = { "SIGNATURE", "token", { "token|username", "token|password" } },
	[AUTH_BILL] = { "BILL", NULL, { "session_id|username", "session_id|password" } },
	[AUTH_TBA] = { "TBA", NULL, { "token_id", "token_secret" } },
	[AUTH_TABLEAU] = { "TABLEAU", "token", { "token|pat_name", "token|pat_secret" } },
	[AUTH_AWS_SIGV4] = { "AWS_SIGV4", NULL,
		{ "role_arn|access_key_id", "role_arn|secret_access_key" } },
	[AUTH_INSTALL_PLUGIN] = { "INSTALL_PLUGIN", NULL, { "username" } },
	[AUTH_MCP_OAUTH2] = { "MCP_OAUTH2", "access_token", { "access_token" } },
	[AUTH_MCP_OAUTH2_GENERIC] = { "MCP_OAUTH2_GENERIC", "access_token", { "access_token" } },
};

const char *auth_type_name(enum auth_type type)
{
	return types[type].name;
}

bool auth_type_parse(struct sv name, enum auth_type *ret)
{
	for (int i = 0; i < AUTH_TYPE_COUNT; i++) {
		if (sv_eq_str(name, types[i].name)) {
			*ret = (enum auth_type)i;
			return true;
		}
	}
	return false;
}

static bool has_one_of(const struct json_t *json, struct sv keys)
{
	struct sv key;

	while (sv_split(&keys, '|', &key))
		if (json_sv(json_member(json, key)).ptr)
			return true;
	return false;
}

static int check_required(const struct json_t *json, enum auth_type type, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(types[type].required); i++) {
		const char *key = types[type].required[i];
		if (!key)
			break;
		if (!has_one_of(json, sv_str(key)))
			return err_set(err, ERR_INVALID,
				"credentials of type %s: $.%s: expected string, got %s",
				types[type].name, key,
				json_kind_name(json_kind(json_member(json, sv_str(key)))));
	}
	return 0;
}

static int type_of(const struct json_t *json, enum auth_type *ret, struct err *err)
{
	struct sv name;

	TRY(json_get_str(json, "type", &name, err));
	if (!auth_type_parse(name, ret))
		return err_set(err, ERR_INVALID, "unknown type of credentials '%.*s'", SV(name));
	return 0;
}

int credentials_parse(struct sv text, struct credentials *ret, struct err *err)
{
	own(json_unref) struct json_t *json = NULL;
	enum auth_type type = AUTH_NONE;

	/* A connection without credentials may store an empty object. */
	if (json_parse(text, &json, err) < 0 || json_kind(json) != JSON_KIND_OBJECT)
		return err_set(err, ERR_INVALID, "the credentials are no JSON object");
	if (json_len(json))
		TRY(type_of(json, &type, err));
	TRY(check_required(json, type, err));
	*ret = (struct credentials){ .type = type, .json = take(json) };
	return 0;
}

void credentials_done(struct credentials *c)
{
	json_unref(take(c->json));
}

/* expires_at as people give it (ms, s, ISO text) becomes ISO text. */
static void normalise_expiry(struct json_t *json)
{
	const struct credentials c = { .json = json };
	int64_t ms = credentials_expiry_ms(&c);
	char iso[CLOCK_ISO_SIZE];

	if (ms)
		json_set_str(json, "expires_at", sv_str(clock_iso_ms(ms, iso)));
}

/* Ids of apps and installations look like numbers, and are given as such. */
static void normalise_id(struct json_t *json, const char *key)
{
	const struct json_t *v = json_member(json, sv_str(key));
	char text[24];

	if (!json_is_int(v))
		return;
	snprintf(text, sizeof(text), "%lld", (long long)json_int(v));
	json_set_str(json, key, sv_str(text));
}

int credentials_import(
	enum auth_type mode, const struct json_t *given, struct buf *out, struct err *err)
{
	own(json_unref) struct json_t *json = NULL;
	enum auth_type type = mode;

	if (json_kind(given) == JSON_KIND_OBJECT)
		json = json_clone(given);
	else
		json = json_new_obj();
	if (json_member(json, SV_LIT("type")))
		TRY(type_of(json, &type, err));
	if (type != mode)
		return err_set(err, ERR_INVALID,
			"credentials of type %s where the provider takes %s", types[type].name,
			types[mode].name);
	json_set_str(json, "type", sv_str(types[mode].name));
	normalise_id(json, "app_id");
	normalise_id(json, "installation_id");
	TRY(check_required(json, mode, err));
	normalise_expiry(json);
	json_dump_compact(json, out);
	return buf_ok(out) ? 0 : err_set(err, ERR_LIMIT, "the credentials are too large");
}

struct sv credentials_token(const struct credentials *c)
{
	const char *key = types[c->type].token;

	return key ? json_sv(json_member(c->json, sv_str(key))) : SV_NULL;
}

/* Seconds or milliseconds, which of them the size says; 0 for what is no time. */
static int64_t from_number(double d)
{
	const double latest_ms = 1e15, latest_s = 1e11; /* as seconds this is the year 5138 */

	if (!(d > 0 && d < latest_ms))
		return 0;
	return (int64_t)(d < latest_s ? d * 1000 : d);
}

int64_t credentials_expiry_ms(const struct credentials *c)
{
	const struct json_t *v = json_member(c->json, SV_LIT("expires_at"));
	struct sv text = json_sv(v);
	int64_t us, n;

	if (json_kind(v) == JSON_KIND_NUMBER)
		return from_number(json_num(v));
	if (text.ptr && clock_parse_iso(text, &us))
		return us / 1000;
	return sv_to_i64(sv_trim(text), &n) ? from_number((double)n) : 0;
}
