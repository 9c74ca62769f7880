/*
 * The HTTP server: libmicrohttpd driven by our loop. A handler is called once per complete
 * request and owes exactly one http_reply, now or at any later time on the loop, whether or not
 * the client is still there. Loop thread only.
 *
 * A call and everything borrowed from it (headers, body, arena) lives until http_reply; after
 * that it must not be touched.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/header.h"
#include "io/loop.h"

struct http_server;

struct http_call {
	struct sv method; /* as sent: "GET" */
	struct sv path_raw; /* still percent-encoded, without query */
	struct sv path; /* decoded */
	struct sv query; /* raw, without the '?' ; absent when there is none */
	struct http_headers headers;
	struct sv body; /* complete, empty when there is none */
	struct sv remote; /* the peer's address: "127.0.0.1" */
	struct arena arena; /* for whoever handles the call */
	int64_t start_us; /* monotonic, when the request line had been read */
	bool aborted; /* the client is gone (known only with an abort hook) */
	void *user; /* the handler's own; untouched here */
};

typedef void http_handler_fn(void *ctx, struct http_call *call);

/*
 * Called when the header is there and no body has been read: the largest body to accept for this
 * request, in bytes. May look at method, path, query and headers, and may set call->user.
 */
typedef size_t http_limit_fn(void *ctx, struct http_call *call);

/*
 * Called instead of the handler for a request that was not accepted: status 413 (body over its
 * limit) or 503 (too many bodies in memory). Owes a reply like the handler, but at once.
 */
typedef void http_refuse_fn(void *ctx, struct http_call *call, int status);

struct http_server_opts {
	struct sv listen; /* "127.0.0.1:3003", "[::1]:0", "0.0.0.0:80"; port 0 = any free one */
	http_handler_fn *handler;
	http_limit_fn *limit; /* NULL: no bodies */
	http_refuse_fn *refuse; /* NULL: a plain JSON error */
	void *ctx;
	unsigned max_connections; /* 0 = 4096; more wait in the backlog */
	unsigned idle_timeout_ms; /* 0 = 65 s without a byte; whole seconds count */
	unsigned receive_timeout_ms; /* 0 = 5 min for one request to arrive */
	size_t max_bodies; /* 0 = 1 GiB: request bodies held at once */
};

/* Listens. ERR_INVALID for a broken address, ERR_CONFLICT when the port is in use, else ERR_IO. */
int http_server_new(struct loop *l, const struct http_server_opts *opts, struct http_server **ret,
	struct err *err);

/* Every call must have been answered (drain first). NULL is fine. */
void http_server_free(struct http_server *s);
OWN_FN(struct http_server, http_server_free)

/* "http://127.0.0.1:3003" with the real port. */
const char *http_server_url(const struct http_server *s);
unsigned http_server_port(const struct http_server *s);

struct http_server_stats {
	uint64_t requests; /* complete ones handed to the handler, since start */
	uint64_t refused;
	size_t active; /* requests being received, handled or answered */
	size_t connections;
	size_t body_bytes; /* of requests, held now */
};
struct http_server_stats http_server_stats(const struct http_server *s);

/*
 * Stops accepting, lets requests in flight be answered, then closes every connection and calls
 * done on a later turn of the loop; http_server_free is then allowed, also from done.
 */
void http_server_drain(struct http_server *s, void (*done)(void *ctx), void *ctx);

/* Marks every unanswered call aborted and runs its hook: the impatient part of a shutdown. */
void http_server_abort_calls(struct http_server *s);

/*
 * fn runs at most once, when the client goes away before the reply; the reply is still owed.
 * Setting a hook is what makes the server look for a departed client.
 */
void http_call_on_abort(
	struct http_call *call, void (*fn)(struct http_call *call, void *ctx), void *ctx);

/* A reply. Everything is copied but the two bodies that say otherwise. */
struct http_answer {
	int status;
	const char *content_type; /* NULL: none */
	struct sv body; /* copied */
	struct buf *buf; /* taken instead of body: emptied, its bytes are freed when sent */
	struct sv body_static; /* borrowed forever instead of body */
	const struct http_header *headers;
	size_t header_count;
	bool close; /* the connection ends after this reply */
};
void http_reply(struct http_call *call, const struct http_answer *answer);
