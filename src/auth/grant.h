/*
 * How a new token is had, per type of credentials: what to ask of whom, and what to make of the
 * answer. A grant is one such conversation; refresh.c conducts it. Nothing here does I/O or
 * touches the store. One grant, one thread; everything lives in its arena.
 */
#pragma once

#include "auth/credentials.h"
#include "base/mem.h"
#include "http/client.h"

struct json_t;
struct provider;

struct grant {
	enum auth_type type;
	const struct provider *provider;
	struct arena *arena;
	int64_t now_ms;
	const struct json_t *credentials; /* as they are */
	const struct json_t *config; /* of the connection; may be NULL */
	const struct json_t *app; /* the integration's credentials; may be NULL */
	const struct json_t *custom; /* its free secrets; may be NULL */
	struct json_t *next; /* what they become; starts as a copy */
	struct json_t *answers[8]; /* of the requests so far */
	const struct http_headers *answer_headers; /* of the one that is accepted */
	/*
	 * Set by ask: it tries a shorter way (a refresh token instead of a login). When that is
	 * refused, `long_way` is set and the conversation begins again.
	 */
	bool short_way, long_way;
	bool forced; /* a new token is wanted even if the old one lives */
	char random[37];
};

enum { GRANT_STEPS_MAX = 8 };

struct grant_mode {
	/* Whether there is something to ask with. */
	bool (*able)(const struct provider *p, const struct json_t *credentials);
	/*
	 * The request number `step` (from 0): 1 and *ret; 0 when there is none (any more), and
	 * g->next is what the credentials become.
	 */
	int (*ask)(struct grant *g, unsigned step, struct http_request *ret, struct err *err);
	/* Takes the answer to it, which is a JSON value and no refusal. */
	int (*accept)(struct grant *g, unsigned step, const struct json_t *answer, struct err *err);
	/*
	 * Whether the conversation goes on if this step fails: it is accepted with a NULL answer
	 * then. NULL: never.
	 */
	bool (*optional)(const struct grant *g, unsigned step);
};

/* NULL when tokens of this type are not had but given, or there are none. */
const struct grant_mode *grant_mode(enum auth_type type);
extern const struct grant_mode grant_oauth2, grant_oauth2_cc, grant_jwt, grant_app_store,
	grant_signature, grant_app, grant_bill, grant_two_step, grant_tableau, grant_aws;

/* For the modes. */

/* How values are put into a template. */
enum grant_place {
	GRANT_TEXT, /* as they are */
	GRANT_URL, /* percent-encoded behind the host; in the host only what a host may hold */
};

/*
 * A template over connectionConfig.*, credentials.* (also by their bare names), clientId,
 * clientSecret and step<N>.*, in the arena. ERR_INVALID when something in it has no value.
 */
int grant_eval(const struct grant *g, struct sv tmpl, enum grant_place place, struct sv *ret,
	struct err *err);
/* The same for every text in a JSON value; a new reference. */
int grant_fill(
	const struct grant *g, const struct json_t *tmpl, struct json_t **ret, struct err *err);
/* A URL of the provider by its key; maps of URLs per mode give that of the grant's type. */
int grant_url(const struct grant *g, const char *key, struct sv *ret, struct err *err);

/* A URL with these parameters behind it, percent-encoded. ERR_LIMIT over 64 KiB. */
int grant_add_params(const struct grant *g, struct sv url, const struct json_t *params,
	struct sv *ret, struct err *err);

/* The app's client id and secret, or those the connection brings itself; absent = none. */
struct sv grant_client_id(const struct grant *g);
struct sv grant_client_secret(const struct grant *g);

/* A POST with these parameters, in the format (form, json, xml, query; absent = form). */
struct grant_ask {
	struct sv url, format;
	const struct json_t *params;
	struct sv basic_user, basic_password; /* absent user: no authorization header */
	const struct json_t *headers; /* templates; may be NULL */
	struct sv method; /* absent = POST */
};
int grant_post(const struct grant *g, const struct grant_ask *a, struct http_request *ret,
	struct err *err);

/* The same by an OAuth 2 client, who says who it is, with this method (absent = POST). */
int grant_oauth2_post(const struct grant *g, struct sv method, struct sv url, struct json_t *params,
	struct http_request *ret, struct err *err);

/* Puts what such an answer holds into g->next. ERR_UPSTREAM when that is no token. */
int grant_oauth2_take(struct grant *g, const struct json_t *answer, struct err *err);

/*
 * Sets expires_at by expires_at or expires_in of an answer, else by the default (0 = none). A time
 * that is over already is not believed.
 */
void grant_set_expiry(struct grant *g, const struct json_t *answer, int64_t default_ms);

/* How long a token lives by the provider's entry (token.expires_in_ms, token_expires_in_ms). */
int64_t grant_life_ms(const struct grant *g, int64_t otherwise);

/* Tokens that say who we are: as an app (RS256, 10 minutes), as a client (RFC 7523). */
int grant_app_token(const struct grant *g, struct sv *ret, struct err *err);
int grant_client_assertion(const struct grant *g, struct sv client, struct sv key, struct sv url,
	struct sv *ret, struct err *err);

/* What an answer said when it gave no token. */
struct grant_refusal {
	char code[64]; /* "invalid_grant", "http_503"... */
	bool final; /* asking again with the same credentials cannot help */
};
/*
 * The answer as JSON (forms and XML are read as such), a new reference; or ERR_UPSTREAM with
 * *refusal, in words that hold no secret of the grant.
 */
int grant_answer(const struct grant *g, struct sv url, const struct http_response *res,
	struct json_t **ret, struct grant_refusal *refusal, struct err *err);

/* A number, also one given as text; 0 for anything else. Within 9e18 of zero. */
int64_t grant_number(const struct json_t *v);
