/*
 * What server.c (daemon, connections, drain) and call.c (one request) share. Nobody else
 * includes this. Loop thread only.
 */
#pragma once

#include "http/server.h"

#include <microhttpd.h>
#include <netinet/in.h>

/* A connection; `until_us` is when its present request must have arrived, 0 = it has. */
struct conn {
	struct conn *prev, *next;
	int fd;
	int64_t until_us;
	char remote[INET6_ADDRSTRLEN];
};

/* Always forward; the library owns the call until CALL_HANDLED, the handler until CALL_REPLIED. */
enum call_state {
	CALL_NEW, /* the request line was read */
	CALL_BODY, /* collecting the body */
	CALL_DISCARD, /* reading a body nobody wants, so that the client gets to see the reply */
	CALL_HANDLED, /* the handler has it and owes a reply */
	CALL_PARKED, /* the same, with the connection suspended */
	CALL_REPLIED, /* the reply is here, not yet with the library */
	CALL_SENT, /* the reply is with the library */
};

struct call {
	struct http_call pub;
	struct call *prev, *next;
	struct http_server *server;
	struct conn *conn;
	struct MHD_Connection *mhd;
	enum call_state state;
	int refused; /* the status to refuse with, 0 = none */
	size_t limit, discarded;
	struct buf body;
	struct MHD_Response *response;
	int status;
	void (*abort)(struct http_call *call, void *ctx);
	void *abort_ctx;
	struct watch *watch; /* for the client's departure */
};

struct http_server {
	struct loop *loop;
	struct http_server_opts opts; /* defaults filled in */
	struct MHD_Daemon *daemon;
	struct watch *watch;
	struct timer run_timer, sweep_timer, drain_timer;
	unsigned port;
	char url[INET6_ADDRSTRLEN + 24];
	struct conn *conns;
	struct call *calls;
	struct http_server_stats stats;
	bool draining, quiesced;
	void (*drained)(void *ctx);
	void *drained_ctx;
};

struct call *call_new(
	struct http_server *s, struct MHD_Connection *mhd, struct conn *conn, const char *uri);
/* The library's callback for every piece of a request. */
enum MHD_Result call_feed(struct call *c, const char *method, const char *data, size_t *len);
void call_free(struct call *c);
/* The client is gone, or is to be treated so. */
void call_abort(struct call *c);

/* Lets the library look at resumed connections, in the next turn. */
void server_wake(struct http_server *s);
/* To be called when a call has ended: the drain may be complete. */
void server_call_ended(struct http_server *s);
