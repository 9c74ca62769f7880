/*
 * The client certificate of providers that want one (require_client_certificate): PEM out of the
 * connection's credentials, `client_certificate` and `client_private_key`. The server's certificate
 * is verified as always.
 */
#pragma once

#include "base/err.h"
#include "http/client.h"
#include "proxy/target.h"

/*
 * Sets req->client_cert and client_key, in the arena, when the provider asks for them. ERR_INVALID
 * when they are missing or no PEM.
 */
int proxy_client_cert(
	const struct proxy_target *t, struct arena *a, struct http_request *req, struct err *err);

/* PEM whose line ends got lost on the way (a form field, a shell variable), restored; absent when
 * it is none. */
struct sv pem_repair(struct sv text, struct arena *a);
