/*
 * The credentials of a connection: JSON with a "type" (spec/function-runtime.md 5.1). What a
 * request needs of them is asked here by type, never by provider. Pure functions, any thread; the
 * text borrowed from a struct credentials lives as long as it does. Never logged.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct json_t;

enum auth_type {
#define AUTH(name) AUTH_##name,
#include "auth/types.def"
#undef AUTH
	AUTH_TYPE_COUNT
};

struct credentials {
	enum auth_type type;
	struct json_t *json; /* an object, "type" included */
};

/* "OAUTH2"; also what the API calls auth_mode. */
const char *auth_type_name(enum auth_type type);
bool auth_type_parse(struct sv name, enum auth_type *ret);

/* ERR_INVALID for a broken object, an unknown type, or a missing field of its type. */
int credentials_parse(struct sv text, struct credentials *ret, struct err *err);
void credentials_done(struct credentials *c);

/*
 * Checks what a caller of POST /connections gave ({type?, ...}) against the auth mode of the
 * provider, and completes it: the type is added, expires_at normalised. ERR_INVALID says which
 * field of which type is missing.
 */
int credentials_import(
	enum auth_type mode, const struct json_t *given, struct buf *out, struct err *err);

/* The token that goes behind "Bearer "; absent when the type has none. */
struct sv credentials_token(const struct credentials *c);

/* The expiry in ms, 0 when unknown or never. */
int64_t credentials_expiry_ms(const struct credentials *c);
