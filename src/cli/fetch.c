#include "cli/fetch.h"

#include "io/loop.h"

struct once {
	struct op op;
	struct loop *loop;
};

static void done(void *ctx, const struct err *err UNUSED)
{
	struct once *o = ctx;

	loop_stop(o->loop);
}

void fetch_once(
	const struct http_request *req, struct redirect_policy policy, struct http_response *ret)
{
	const struct http_client_opts opts = { 0 };
	own(loop_free) struct loop *loop = loop_new();
	own(http_client_free) struct http_client *client = http_client_new(loop, &opts);
	struct once o = { .op = { .done = done, .ctx = &o }, .loop = loop };

	http_response_init(ret);
	http_fetch(client, &o.op, req, policy, ret);
	loop_run(loop);
}
