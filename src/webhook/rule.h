/*
 * What each provider does differently in the webhooks it sends, as data (webhook/rules.def), and
 * the pure functions that read an event by its rule. No database; results are borrowed from the
 * event or live in the arena.
 */
#pragma once

#include "base/mem.h"
#include "webhook/sign.h"

struct json_t;

enum { RULE_WHOM_MAX = 6 };

struct rule {
	const char *provider; /* "" = the general rule */
	enum sign_scheme scheme; /* SIGN_NONE: nothing is signed */
	const char *signature[2]; /* headers, the first that is there */
	enum { RULE_KEY_WEBHOOK_SECRET, RULE_KEY_CLIENT_SECRET } key; /* what signs */
	const char *each; /* list of events in the body; "." = the body itself; NULL = one event */
	const char
		*event_token; /* member of each event that must equal the secret, if one is set */
	/* Identifier of the connection: paths in the event or "header:name", the first that is
	 * there. */
	const char *whom[RULE_WHOM_MAX];
	enum {
		RULE_AS_IS,
		RULE_ORIGIN, /* of a URL */
		RULE_FIRST_LABEL, /* of a URL's host, or of a host */
	} shape;
	const char *property; /* "connectionId", "metadata.X", or a key of connection_config */
	bool guess; /* no identifier means every connection, even if the rule names one */
	const char *type; /* path in the event */
	const char *type_header;
	const char *event_id; /* path in the body, for those who send no header with it */
	enum {
		RULE_HELLO_NONE,
		RULE_HELLO_CHALLENGE, /* {type: url_verification, challenge}: echoed */
		RULE_HELLO_VALIDATION_TOKEN, /* ?validationToken=: echoed as text */
		RULE_HELLO_VERIFICATION_TOKEN, /* {verification_token}: for the app's developer */
	} hello;
};

/* The rule of a provider, or the general one. */
const struct rule *rule_of(struct sv provider);

/*
 * The body as functions get it: parsed JSON; a form as an object, or as the JSON of its `payload`
 * field; anything else as text. A new reference.
 */
struct json_t *rule_body(struct sv body, struct sv content_type);

/* The events of a body: the items of the list the rule names, or the body. Borrowed. */
size_t rule_event_count(const struct rule *r, const struct json_t *body);
struct json_t *rule_event(const struct rule *r, struct json_t *body, size_t i);

/*
 * Whom the event is about: 1 and the identifier, -1 when the rule names one and the event has none,
 * 0 when all connections are meant. headers: {lower-case name: text}.
 */
int rule_whom(const struct rule *r, const struct json_t *headers, const struct json_t *event,
	struct arena *a, struct sv *ret);

/* Whether a connection is meant by the identifier. */
struct rule_connection {
	struct sv connection_id;
	const struct json_t *connection_config, *metadata; /* may be NULL */
};
bool rule_matches(
	const struct rule *r, const struct rule_connection *c, struct sv id, struct arena *a);

/* What the event is: from the event, from the header; both may be absent. */
void rule_types(const struct rule *r, const struct json_t *headers, const struct json_t *event,
	struct sv *ret_type, struct sv *ret_header);

/* Whether a list of subscriptions (JSON array) has the event. */
bool rule_subscribed(const struct json_t *list, struct sv type, struct sv header);

/*
 * A greeting of the provider's own, about no connection: true and the answer (text in the arena,
 * absent: the usual one). No function hears of it.
 */
struct rule_hello {
	struct sv body;
	const char *content_type;
};
bool rule_hello(const struct rule *r, const struct json_t *body, struct sv query, struct arena *a,
	struct rule_hello *ret);
