#include "auth/token.h"

#include "auth/grant.h"
#include "auth/quirks.h"
#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

enum { MARGIN_MS = 15 * 60 * 1000 };

bool token_renewable(const struct provider *p, const struct credentials *c)
{
	const struct grant_mode *mode = grant_mode(c->type);

	return mode && mode->able(p, c->json);
}

/* From issue to expiry; 0 = unknown. */
static int64_t life_ms(const struct json_t *credentials, int64_t expiry_ms)
{
	int64_t seconds = grant_number(json_find(credentials, SV_LIT("raw.expires_in"))), issued;
	struct sv at = json_sv(json_member(credentials, SV_LIT("issued_at")));

	if (at.ptr && clock_parse_iso(at, &issued))
		return expiry_ms - issued / 1000;
	return seconds > 0 && seconds < MARGIN_MS ? seconds * 1000 : 0;
}

static int64_t margin_ms(
	const struct provider *p, const struct json_t *credentials, int64_t expiry_ms)
{
	int64_t seconds = 0, life = life_ms(credentials, expiry_ms);

	if (json_opt_int(p->json, "token_expiration_buffer", &seconds, NULL) > 0 && seconds >= 0)
		return seconds * 1000;
	return life > 0 && life / 2 < MARGIN_MS ? life / 2 : MARGIN_MS;
}

static bool has_token(const struct credentials *c)
{
	return credentials_token(c).len || json_member(c->json, SV_LIT("session_id")) ||
	       json_member(c->json, SV_LIT("secret_access_key"));
}

enum token_state token_state(const struct provider *p, const struct credentials *c, int64_t now_ms)
{
	int64_t expiry = credentials_expiry_ms(c);

	if (!token_renewable(p, c) || quirk_of(p)->on_demand)
		return TOKEN_FRESH;
	if (!has_token(c))
		return TOKEN_EXPIRED;
	if (!expiry && c->type == AUTH_OAUTH2 && quirk_of(p)->introspects)
		return TOKEN_DUE;
	if (!expiry || expiry - now_ms >= margin_ms(p, c->json, expiry))
		return TOKEN_FRESH;
	return expiry > now_ms ? TOKEN_DUE : TOKEN_EXPIRED;
}
