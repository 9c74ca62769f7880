/*
 * Whether the token of a connection can still be used, and whether a new one can be had. Pure
 * functions of credentials, provider and time; any thread.
 */
#pragma once

#include "auth/credentials.h"

struct provider;

enum token_state {
	TOKEN_FRESH, /* use it; also what never expires, or cannot be renewed */
	TOKEN_DUE, /* still good, but time to renew it */
	TOKEN_EXPIRED, /* gone, or not there yet */
};

/* Whether these credentials hold what a new token can be had with. */
bool token_renewable(const struct provider *p, const struct credentials *c);

/*
 * Due 15 minutes before expiry (the provider's token_expiration_buffer, in seconds, says
 * otherwise), but never before half of the token's life is over.
 */
enum token_state token_state(const struct provider *p, const struct credentials *c, int64_t now_ms);
