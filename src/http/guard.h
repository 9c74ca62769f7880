/*
 * The egress guard: which addresses functions may make this server talk to. Loopback, private,
 * link-local, metadata and other special addresses are refused unless an allow rule names them.
 * Names are checked before a request starts, and the actual socket address when it connects, so
 * that a name which resolves differently the second time gains nothing.
 *
 * Built once at start, then only read. Pure functions, no I/O.
 */
#pragma once

#include "base/err.h"

struct guard;
struct sockaddr;

enum guard_verdict {
	GUARD_OK,
	GUARD_INVALID_URL,
	GUARD_INVALID_SCHEME,
	GUARD_DENIED_HOSTNAME,
	GUARD_DENIED_IP,
};

/* "denied_ip" and so on: the code that functions see. */
const char *guard_code(enum guard_verdict v);

struct guard *guard_new(void);
void guard_free(struct guard *g);
OWN_FN(struct guard, guard_free)

/* Allows "10.1.0.0/16", "::1/128", or a single address. ERR_INVALID when it is none of these. */
int guard_allow(struct guard *g, struct sv cidr, struct err *err);

/* Refuses nothing at all (tests, and operators who say so). */
void guard_allow_all(struct guard *g);

/*
 * Whether a request to url may start: scheme, form, well-known names, literal addresses. On a
 * refusal err says what was refused and how to allow it.
 */
enum guard_verdict guard_check_url(const struct guard *g, struct sv url, struct err *err);

/* The host part alone (name or literal, brackets allowed). */
enum guard_verdict guard_check_host(const struct guard *g, struct sv host, struct err *err);

/* The address a socket is about to connect to; host is only for the message. */
enum guard_verdict guard_check_addr(
	const struct guard *g, const struct sockaddr *addr, struct sv host, struct err *err);
