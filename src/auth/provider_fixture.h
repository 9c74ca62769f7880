/*
 * For the tests of whole conversations with a provider: a world (model/run_fixture.h) on a loop, a
 * provider on the same loop, and a client that reaches nobody else.
 */
#pragma once

#include "http/client.h"
#include "http/server.h"
#include "model/run_fixture.h"

struct providers;

struct provider_net {
	struct world world;
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	struct guard *guard;
	struct providers *providers;
};

/* handler(ctx, call) is the provider, at http_server_url(n->server). */
void provider_net_open(struct provider_net *n, http_handler_fn *handler, void *ctx);
/* What the catalogue says; once, before providers are used. */
void provider_net_catalogue(struct provider_net *n, const char *text);
/* A job on the database, now; fails the test with the job's message. */
void provider_net_run(struct provider_net *n, enum db_mode mode, db_job_fn *job, void *arg);
/* Callback: ends loop_run. ctx is the net. */
void provider_net_stop(void *ctx);
/* Nothing is in flight but answers. */
void provider_net_close(struct provider_net *n);
