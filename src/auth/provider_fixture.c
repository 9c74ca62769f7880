#include "auth/provider_fixture.h"

#include "model/provider.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static size_t limit(void *ctx UNUSED, struct http_call *call UNUSED)
{
	return 1 << 20;
}

void provider_net_open(struct provider_net *n, http_handler_fn *handler, void *ctx)
{
	struct http_server_opts opts = {
		.listen = SV_LIT("127.0.0.1:0"), .handler = handler, .limit = limit, .ctx = ctx
	};
	struct err err = { 0 };

	*n = (struct provider_net){ 0 };
	n->loop = n->world.loop = loop_new();
	world_open(&n->world);
	if (http_server_new(n->loop, &opts, &n->server, &err) < 0)
		fail_msg("%s", err.msg);
	n->guard = guard_new();
	assert_int_equal(guard_allow(n->guard, SV_LIT("127.0.0.1"), &err), 0);
	n->client = http_client_new(n->loop, &(struct http_client_opts){ .guard = n->guard });
}

void provider_net_catalogue(struct provider_net *n, const char *text)
{
	struct err err = { 0 };

	if (providers_parse(sv_str(text), &n->providers, &err) < 0)
		fail_msg("%s", err.msg);
}

void provider_net_run(struct provider_net *n, enum db_mode mode, db_job_fn *job, void *arg)
{
	struct err err = { 0 };

	if (db_run(n->world.db, mode, job, arg, &err) < 0)
		fail_msg("%s", err.msg);
}

void provider_net_stop(void *ctx)
{
	loop_stop(((struct provider_net *)ctx)->loop);
}

void provider_net_close(struct provider_net *n)
{
	http_server_drain(n->server, provider_net_stop, n);
	loop_run(n->loop);
	http_client_free(n->client);
	http_server_free(n->server);
	world_close(&n->world);
	providers_close(n->providers);
	guard_free(n->guard);
	loop_free(n->loop);
}
