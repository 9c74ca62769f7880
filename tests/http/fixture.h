/*
 * One loop with a server, a client and a misbehaving peer, for the tests of src/http. The peer and
 * the raw connections run on threads of their own, with blocking sockets.
 */
#pragma once

#include "http/client.h"
#include "http/redirect.h"
#include "http/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	struct guard *guard;
	struct rogue *rogue;
	struct http_call *held; /* the call of /hang */
	int aborts; /* times its hook ran */
	int handled;
	struct timer timer; /* of /later */
	struct http_call *later;
};

/* Opts may be NULL; limit, handler and ctx are the fixture's. */
struct fixture *fixture_new(const struct http_server_opts *opts);
void fixture_free(struct fixture *fx);
OWN_FN(struct fixture, fixture_free)

/* base + path, in the arena. */
struct sv fixture_url(const struct fixture *fx, struct arena *a, const char *path);
struct sv rogue_url(const struct fixture *fx, struct arena *a, const char *path);

/* Runs the loop until the request is done. */
enum err_code send_wait(
	struct fixture *fx, const struct http_request *req, struct http_response *res);
enum err_code fetch_wait(struct fixture *fx, const struct http_request *req,
	struct redirect_policy policy, struct http_response *res);
void run_for(struct fixture *fx, int ms);

/* Runs the loop until cond holds: machines are slow at times, so no test waits a fixed time. */
#define run_until(fx, cond)                                  \
	do {                                                 \
		for (int i_ = 0; i_ < 2000 && !(cond); i_++) \
			run_for(fx, 5);                      \
		assert_true(cond);                           \
	} while (0)

/*
 * A raw conversation on a thread while the loop runs: connects, writes, reads until the peer
 * closes or `want` bytes came or 5 s passed. Returns what was read (mem_free).
 */
struct raw {
	const char *send;
	size_t send_len; /* 0 = strlen */
	size_t want; /* 0 = until closed */
	int close_after_ms; /* > 0: closes then, without reading */
	bool half_close; /* after sending */
	int pause_ms; /* before every byte sent */
	char *got;
	size_t got_len;
	int took_ms;
};
void raw_talk(struct fixture *fx, struct raw *raw);

struct rogue *rogue_new(void);
void rogue_free(struct rogue *r);
unsigned rogue_port(const struct rogue *r);
