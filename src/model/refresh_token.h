/*
 * Refresh tokens never leave the server unless they are asked for: what is shown of credentials
 * and connection configuration goes through here. Pure, any thread.
 */
#pragma once

struct json_t;

/* A copy (a new reference) without the keys that spell "refresh token", at any depth. */
struct json_t *without_refresh_tokens(const struct json_t *v);
