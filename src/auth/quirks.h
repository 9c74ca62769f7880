/*
 * OAuth 2 providers that have tokens renewed in a way of their own. They are known by name, because
 * entries of the public schema cannot say it; what an entry can say (refresh_url, body_format,
 * token_request_auth_method, alternate_access_token_response_path) comes first. Pure.
 */
#pragma once

#include "base/base.h"

struct provider;

/* How the client says who it is, where the entry does not say so. */
enum quirk_client {
	QUIRK_CLIENT_IN_BODY, /* client_id, client_secret */
	QUIRK_CLIENT_BASIC,
	QUIRK_CLIENT_KEY, /* client_key, client_secret */
	QUIRK_CLIENT_APP_ID, /* app_id, secret */
	QUIRK_CLIENT_SECRET_AS_USER, /* Basic, with the secret as the user's name */
	QUIRK_CLIENT_NONE,
};

struct quirk {
	const char *names; /* of providers, with | between */
	enum quirk_client client;
	const char *format; /* of the body, where the entry does not say; NULL = form */
	const char *holder; /* member of the answer that holds the tokens; NULL = the answer */
	/* The access token itself is exchanged for a younger one: under this name, by this grant.
	 */
	const char *exchange, *exchange_grant;
	const char *refresh_url; /* where the entry has none; NULL = the token_url */
	bool get; /* asked for with GET */
	bool on_demand; /* never renewed but by demand */
	bool introspects; /* does not say when tokens end, but can be asked */
	bool user_token; /* a second token, in raw.authed_user, is renewed along */
	bool sharepoint; /* a second token, for the connection's SharePoint, is had along */
};

/* Never NULL; all zero for a provider without. */
const struct quirk *quirk_of(const struct provider *p);
