/*
 * The HTTP client: libcurl on our loop, one pool of connections for the whole process. One request
 * is one exchange: redirects are redirect.h's business, retries proxy/'s. Every connection passes
 * the egress guard when it opens, and again before each use. Certificates are always verified.
 * Loop thread only.
 *
 * An answer with any status is success. Otherwise the op fails and response.error says why in the
 * words of Node (ECONNREFUSED, ENOTFOUND...), since that is what functions look at.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/guard.h"
#include "http/header.h"
#include "io/flow.h"

struct http_client;

struct http_client_opts {
	const struct guard *guard; /* borrowed; NULL refuses nothing */
	unsigned max_total; /* connections, 0 = 1000; one host gets half: more requests wait, but
			       never all for one provider that hangs */
	unsigned max_idle; /* 0 = 256 kept open */
	const char *proxy; /* a forward proxy's URL; NULL: none, whatever the environment says */
	const char *ca_file; /* NULL: the system's */
	const char *const *resolve; /* "host:port:address" entries, NULL-terminated; or NULL */
};

struct http_client *http_client_new(struct loop *l, const struct http_client_opts *opts);
void http_client_free(struct http_client *c); /* nothing in flight any more; NULL is fine */
OWN_FN(struct http_client, http_client_free)

/* Zero means the default. Everything is borrowed until the op is done. */
struct http_request {
	struct sv method; /* any token; absent = GET */
	struct sv url;
	const struct http_header *headers; /* sent in this order, and nothing else but what the
					      protocol needs; content-length is ours */
	size_t header_count;
	struct sv body; /* ptr NULL: none */
	unsigned connect_timeout_ms; /* 10 s */
	unsigned idle_timeout_ms; /* 60 s without a byte, rounded up to seconds */
	unsigned total_timeout_ms; /* 10 min */
	size_t max_response; /* decoded bytes, 256 MiB */
	size_t max_header_bytes; /* 256 KiB */
	unsigned max_header_count; /* 2000 */
	struct sv client_cert, client_key; /* PEM */
	const struct guard *guard; /* instead of the client's */
};

struct http_error {
	const char *code; /* "ECONNRESET", "denied_ip"...; NULL when there is a response */
	struct sv message;
	struct sv host; /* whom it was about */
};

struct http_response {
	int status; /* 0 = none */
	struct sv reason; /* may be empty (HTTP/2) */
	struct http_headers headers; /* names in lower case, order kept, repeats kept */
	struct buf body; /* decoded; yours to take */
	struct sv url; /* asked last */
	unsigned hops; /* redirects followed (http_fetch) */
	int64_t start_ms; /* wall clock */
	int64_t ttfb_ms, total_ms; /* since the start */
	struct http_error error;
	struct arena arena; /* holds all of the above but the body */
};
void http_response_init(struct http_response *r);
void http_response_done(struct http_response *r);

/*
 * Sends req; res must be initialised and is filled when op is done. op->done and op->ctx are the
 * caller's, the rest of op is set here; op->cancel ends it early (done then says ERR_CANCELLED).
 */
void http_send(struct http_client *c, struct op *op, const struct http_request *req,
	struct http_response *res);

struct http_client_stats {
	uint64_t sent, failed;
	size_t active;
};
struct http_client_stats http_client_stats(const struct http_client *c);
