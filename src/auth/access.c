#include "auth/access.h"

#include "base/sv.h"
#include "data/json.h"

static const struct auth_refusal missing = { 401, "missing_auth_header",
	"Authentication failed. The request is missing the Authorization header." };
static const struct auth_refusal malformed = { 401, "malformed_auth_header",
	"Authentication failed. The Authorization header is malformed." };
static const struct auth_refusal bad_format = { 401, "invalid_secret_key_format",
	"Authentication failed. The provided secret key is not a UUID v4." };
static const struct auth_refusal unknown = { 401, "unknown_account",
	"Authentication failed. The provided secret key does not match any account." };

static struct sv behind_last_bearer(struct sv header)
{
	struct sv bearer = SV_LIT("Bearer ");

	for (ptrdiff_t at; (at = sv_find(header, bearer)) >= 0;)
		header = sv_from(header, (size_t)at + bearer.len);
	return sv_trim(header);
}

bool auth_key_of_header(struct sv header, struct sv *ret_key, struct auth_refusal *ret)
{
	if (!header.ptr) {
		*ret = missing;
		return false;
	}
	struct sv key = behind_last_bearer(header);
	if (!key.len || sv_eq_str(key, "Bearer")) {
		*ret = malformed;
		return false;
	}
	if (!api_key_format_ok(key)) {
		*ret = bad_format;
		return false;
	}
	*ret_key = key;
	return true;
}

int auth_api_key(struct dbc *c, struct sv header, struct arena *arena, struct api_key *ret,
	struct auth_refusal *ret_refusal, struct err *err)
{
	struct sv key;

	if (!auth_key_of_header(header, &key, ret_refusal))
		return 0;
	int rc = api_key_find(c, key, arena, ret, err);
	if (rc >= 0)
		return 1;
	if (rc != ERR_NOT_FOUND)
		return rc;
	*ret_refusal = unknown;
	return 0;
}

/* "a:b:*" covers "a:b:c" and "a:b:c:d"; anything else only itself. */
static bool covers(struct sv granted, struct sv required)
{
	if (!sv_ends(granted, SV_LIT(":*")))
		return sv_eq(granted, required);
	return sv_starts(required, sv_make(granted.ptr, granted.len - 1));
}

bool auth_scope_covers(struct sv granted, const char *required)
{
	own(json_unref) struct json_t *list = NULL;

	if (json_parse(granted, &list, NULL) < 0)
		return false;
	for (size_t i = 0; i < json_len(list); i++)
		if (covers(json_sv(json_item(list, i)), sv_str(required)))
			return true;
	return false;
}
