/*
 * Figures of src/http alone. `http_bench serve [address]` answers `/` at once and `/async` in the
 * next turn, for a load generator; `http_bench client N C` sends N requests, C at a time, to a
 * server in the same loop.
 */
#include "base/clock.h"
#include "http/client.h"
#include "http/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct loop *loop;

struct pending {
	struct timer timer;
	struct http_call *call;
};

static const struct http_answer answer = {
	.status = 200,
	.content_type = "application/json",
	.body_static = SV_LIT("{\"result\":\"ok\"}"),
};

static void answer_now(struct timer *t)
{
	http_reply(container_of(t, struct pending, timer)->call, &answer);
}

static void handle(void *ctx UNUSED, struct http_call *call)
{
	if (call->path.len < 2) {
		http_reply(call, &answer);
		return;
	}
	struct pending *p = ARENA_NEW(&call->arena, struct pending);
	p->call = call;
	timer_start(loop, &p->timer, 0, answer_now);
}

static struct http_server *serve(const char *address)
{
	struct http_server_opts o = { .listen = sv_str(address), .handler = handle };
	struct http_server *s;
	struct err err = { 0 };

	if (http_server_new(loop, &o, &s, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	return s;
}

struct sender {
	struct op op;
	struct http_response res;
};

static struct http_client *client;
static struct http_request req;
static long left, running;

static void next(struct sender *s);

static void came(void *ctx, const struct err *err)
{
	struct sender *s = ctx;

	if (err->code != ERR_OK || s->res.status != 200) {
		fprintf(stderr, "%s\n", err->msg);
		exit(1);
	}
	http_response_done(&s->res);
	running--;
	next(s);
}

static void next(struct sender *s)
{
	if (left <= 0) {
		if (!running)
			loop_stop(loop);
		return;
	}
	left--;
	running++;
	s->op = (struct op){ .done = came, .ctx = s };
	http_send(client, &s->op, &req, &s->res);
}

static void bench_client(long count, int at_a_time)
{
	struct http_server *s = serve("127.0.0.1:0");
	struct sender *senders = mem_array((size_t)at_a_time, sizeof(*senders));

	client = http_client_new(loop, &(struct http_client_opts){ .max_total = 2000 });
	req.url = sv_str(http_server_url(s));
	left = count;
	int64_t start = clock_mono_us(), cpu = clock_cpu_us();
	for (int i = 0; i < at_a_time; i++)
		next(&senders[i]);
	loop_run(loop);
	double took = (double)(clock_mono_us() - start), used = (double)(clock_cpu_us() - cpu);
	printf("http.client_%d %.0f requests/s, %.1f us CPU each, server included\n", at_a_time,
		(double)count / took * 1e6, used / (double)count);
	http_client_free(client);
	http_server_free(s);
	mem_free(senders);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	if (argc == 4 && strcmp(argv[1], "client") == 0) {
		bench_client(atol(argv[2]), atoi(argv[3]));
	} else {
		struct http_server *s = serve(argc > 2 ? argv[2] : "127.0.0.1:0");
		printf("listening on %s\n", http_server_url(s));
		fflush(stdout);
		loop_run(loop);
	}
	loop_free(loop);
	return 0;
}
