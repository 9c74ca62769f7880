/* tidemark serve: opens every part in order, answers, and ends them in the other order. */
#include "sync/engine.h"

#include "api/api.h"
#include "auth/idle.h"
#include "auth/refresh.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/first_start.h"
#include "cli/store.h"
#include "cli/upkeep.h"
#include "conf/environ.h"
#include "conf/settings.h"
#include "db/db.h"
#include "http/client.h"
#include "http/guard.h"
#include "http/server.h"
#include "model/oplog.h"
#include "model/provider.h"
#include "os/file.h"
#include "os/signals.h"
#include "proxy/proxy.h"
#include "runner/pool.h"
#include "sync/runs.h"
#include "webhook/inbox.h"
#include "webhook/outbox.h"

#include <stdio.h>
#include <unistd.h>

struct serve {
	struct engine eng;
	struct settings *conf;
	struct store store;
	struct guard *guard;
	struct proxy proxy;
	struct inbox inbox;
	struct api *api;
	struct http_server *server;
	struct upkeep *upkeep;
	struct idle_refresh *idle;
	struct watch *signals;
	int signal_fd;
	char exe[4096];
	struct flow drain;
	struct timer impatience;
	bool draining;
};

/* --- opening --- */

static int open_store(struct serve *s, struct err *err)
{
	struct first_start first = { .conf = s->conf, .node = &s->store.node };

	TRY(store_open(s->conf, STORE_SERVE, &s->store, err));
	first.keys = s->eng.keys = s->store.keys;
	s->eng.db = s->store.db;
	s->eng.loop = s->store.loop;
	s->eng.node = &s->store.node;
	TRY(db_run(s->eng.db, DB_WRITE, first_start_job, &first, err));
	int settled = store_settle_key(&s->store, err);
	TRY(settled);
	if (settled)
		log_warn(NULL, "finished an interrupted rotation of the key file");
	if (first.is_first && s->conf->database)
		fprintf(stderr,
			"tidemark: first start in this database\n"
			"  keys  of the environments dev and prod: tidemark keys --database URL\n");
	else if (first.is_first)
		fprintf(stderr,
			"tidemark: first start\n"
			"  data  %s\n"
			"  keys  of the environments dev and prod: tidemark keys --data %s\n",
			s->store.path, s->conf->data);
	return 0;
}

static void webhooks_owed(void *ctx)
{
	struct serve *s = ctx;

	outbox_wake(s->eng.outbox);
}

static void open_refresher(struct serve *s)
{
	struct refresher_config cfg = { .loop = s->eng.loop,
		.db = s->eng.db,
		.keys = s->eng.keys,
		.client = s->eng.client,
		.providers = s->eng.providers,
		.node = s->eng.node,
		.backoff_ms = s->conf->refresh_backoff_ms,
		.owed = webhooks_owed,
		.ctx = s };

	s->eng.refresher = refresher_new(&cfg);
}

static int open_client(struct serve *s, struct err *err)
{
	s->guard = guard_new();
	for (size_t i = 0; i < s->conf->allow_egress.count; i++)
		TRY(guard_allow(s->guard, sv_str(s->conf->allow_egress.items[i]), err));
	struct http_client_opts opts = { .guard = s->guard,
		.max_total = (unsigned)s->conf->provider_connections };
	s->eng.client = http_client_new(s->eng.loop, &opts);
	open_refresher(s);
	s->proxy = (struct proxy){ .loop = s->eng.loop,
		.db = s->eng.db,
		.keys = s->eng.keys,
		.client = s->eng.client,
		.providers = s->eng.providers,
		.refresher = s->eng.refresher };
	s->eng.proxy = &s->proxy;
	return 0;
}

static int open_runners(struct serve *s, struct err *err)
{
	TRY(exe_path(s->exe, sizeof(s->exe), err));
	struct runner_pool_config cfg = { .exe = s->exe,
		.processes = (unsigned)s->conf->runner_processes,
		.runs_each = (unsigned)s->conf->runner_runs,
		.memory_bytes = s->conf->runner_memory };
	s->eng.runners = runner_pool_new(s->eng.loop, &cfg);
	return 0;
}

static void heard(void *ctx)
{
	sync_look_again(ctx);
}

static int open_work(struct serve *s, struct err *err)
{
	struct outbox_config cfg = { .loop = s->eng.loop,
		.db = s->eng.db,
		.keys = s->eng.keys,
		.node = s->eng.node,
		.client = s->eng.client };
	struct runs_config runs = { .shared = s->conf->database != NULL };

	s->eng.oplog = oplog_new(s->eng.loop, s->eng.db);
	s->inbox = (struct inbox){ .keys = s->eng.keys, .providers = s->eng.providers };
	s->eng.inbox = &s->inbox;
	s->eng.outbox = outbox_new(&cfg);
	s->eng.runs = runs_new(&s->eng, &runs);
	runs_on_owed(s->eng.runs, webhooks_owed, s);
	return db_hear(s->eng.db, heard, &s->eng, err);
}

static int open_server(struct serve *s, struct err *err)
{
	s->api = api_new(&s->eng, err);
	if (!s->api)
		return err->code;
	struct http_server_opts opts = {
		.listen = sv_str(s->conf->listen),
		.handler = api_handle,
		.limit = api_body_limit,
		.refuse = api_refuse_call,
		.ctx = s->api,
		.max_connections = (unsigned)s->conf->max_connections,
		.max_bodies = (size_t)s->conf->max_bodies,
	};
	TRY(http_server_new(s->eng.loop, &opts, &s->server, err));
	api_set_server(s->api, s->server);
	return 0;
}

static int open_all(struct serve *s, struct err *err)
{
	TRY(providers_open(
		s->conf->providers.items, s->conf->providers.count, &s->eng.providers, err));
	TRY(open_store(s, err));
	TRY(open_client(s, err));
	TRY(open_runners(s, err));
	/* Before anything works that would have to be drained: it may fail. */
	TRY(open_server(s, err));
	return open_work(s, err);
}

static void close_all(struct serve *s)
{
	upkeep_free(s->upkeep);
	idle_refresh_free(s->idle);
	http_server_free(s->server);
	api_free(s->api);
	runs_free(s->eng.runs);
	outbox_free(s->eng.outbox);
	oplog_free(s->eng.oplog);
	runner_pool_free(s->eng.runners);
	proxy_done(&s->proxy);
	refresher_free(s->eng.refresher);
	http_client_free(s->eng.client);
	guard_free(s->guard);
	providers_close(s->eng.providers);
	watch_free(s->signals);
	store_close(&s->store);
	if (s->signal_fd)
		close(s->signal_fd);
	settings_free(s->conf);
}

/* --- ending --- */

enum {
	DRAIN_HTTP,
	DRAIN_RUNS,
	DRAIN_IDLE,
	DRAIN_TOKENS,
	DRAIN_OUTBOX,
	DRAIN_LOG,
	DRAIN_JOBS,
	DRAIN_DONE
};

static struct serve *serve_of(struct flow *f)
{
	return container_of(f, struct serve, drain);
}

static void drained(void *ctx)
{
	flow_wake(ctx, NULL);
}

/*
 * Requests that wait for a provider have had their time; and those that go on without their client
 * (a connection that is being validated) do not outlast the function they wait for.
 */
static void end_requests(struct timer *t)
{
	struct serve *s = container_of(t, struct serve, impatience);

	http_server_abort_calls(s->server);
	runs_abort_waited(s->eng.runs);
}

static int drain_http(struct flow *f)
{
	struct serve *s = serve_of(f);

	timer_start(s->eng.loop, &s->impatience, s->conf->drain_timeout_ms, end_requests);
	http_server_drain(s->server, drained, f);
	return flow_wait(f, DRAIN_RUNS);
}

static int drain_runs(struct flow *f)
{
	struct serve *s = serve_of(f);

	timer_stop(s->eng.loop, &s->impatience);
	f->op.done = flow_wake;
	f->op.ctx = f;
	runs_drain(s->eng.runs, s->conf->drain_timeout_ms, &f->op);
	return flow_wait(f, DRAIN_IDLE);
}

static int drain_idle(struct flow *f)
{
	idle_refresh_stop(serve_of(f)->idle, drained, f);
	return flow_wait(f, DRAIN_TOKENS);
}

/* A token that was asked for must be saved: the old one may be gone. */
static int drain_tokens(struct flow *f)
{
	refresher_drain(serve_of(f)->eng.refresher, drained, f);
	return flow_wait(f, DRAIN_OUTBOX);
}

static int drain_outbox(struct flow *f)
{
	outbox_drain(serve_of(f)->eng.outbox, drained, f);
	return flow_wait(f, DRAIN_LOG);
}

static int drain_log(struct flow *f)
{
	f->op.done = flow_wake;
	f->op.ctx = f;
	oplog_flush(serve_of(f)->eng.oplog, &f->op);
	return flow_wait(f, DRAIN_JOBS);
}

/* Nobody waits for the last of what is done now and then, but it writes to what is freed next. */
static int drain_jobs(struct flow *f)
{
	f->op.done = flow_wake;
	f->op.ctx = f;
	db_idle(serve_of(f)->eng.db, &f->op);
	return flow_wait(f, DRAIN_DONE);
}

static int drain_done(struct flow *f)
{
	(void)f;
	return FLOW_END;
}

enum { FOREVER_MS = 24 * 3600 * 1000 };

/* No wait is cut short here: each part bounds its own, and a second signal ends the process. */
static const struct flow_step drain_steps[] = {
	[DRAIN_HTTP] = { "finish requests", drain_http, .timeout_ms = FOREVER_MS },
	[DRAIN_RUNS] = { "end runs", drain_runs, .timeout_ms = FOREVER_MS, .catches = true },
	[DRAIN_IDLE] = { "end upkeep of tokens", drain_idle, .timeout_ms = FOREVER_MS,
		.catches = true },
	[DRAIN_TOKENS] = { "save tokens", drain_tokens, .timeout_ms = FOREVER_MS, .catches = true },
	[DRAIN_OUTBOX] = { "end deliveries", drain_outbox, .timeout_ms = FOREVER_MS,
		.catches = true },
	[DRAIN_LOG] = { "flush the log", drain_log, .timeout_ms = FOREVER_MS, .catches = true },
	[DRAIN_JOBS] = { "end upkeep", drain_jobs, .timeout_ms = FOREVER_MS, .catches = true },
	[DRAIN_DONE] = { "end", drain_done, .catches = true },
};

static void drain_ended(struct flow *f)
{
	struct serve *s = serve_of(f);

	if (f->err.code != ERR_OK)
		log_warn(NULL, "did not end cleanly", LOG_ERR(&f->err));
	flow_done(f);
	loop_stop(s->eng.loop);
}

static void on_signal(void *ctx, int events)
{
	struct serve *s = ctx;
	char numbers[16];

	(void)events;
	if (read(s->signal_fd, numbers, sizeof(numbers)) <= 0 || s->draining)
		return;
	s->draining = true;
	signals_default();
	log_info(NULL, "ending");
	upkeep_stop(s->upkeep);
	flow_init(&s->drain, s->eng.loop, drain_steps, drain_ended);
	flow_start(&s->drain, DRAIN_HTTP);
}

/* --- the command --- */

static int start(struct serve *s, struct err *err)
{
	enum log_level level;

	if (log_level_parse(sv_str(s->conf->log_level), &level))
		log_set_level(level);
	files_raise();
	s->eng.conf = s->conf;
	s->eng.started_ms = clock_now_ms();
	TRY(open_all(s, err));
	TRY(signals_open(&s->signal_fd, err));
	s->signals = watch_new(s->eng.loop, s->signal_fd, on_signal, s);
	watch_set(s->signals, WATCH_READ);
	runs_open(s->eng.runs);
	s->upkeep = upkeep_new(&s->eng);
	s->idle = idle_refresh_new(
		s->eng.loop, s->eng.db, s->eng.refresher, s->conf->refresh_idle_ms);
	printf("listening on %s\n", http_server_url(s->server));
	fflush(stdout);
	return 0;
}

static int serve(int argc, char **argv, struct err *err)
{
	own_in(environ_done) struct environ_vars vars = { 0 };
	own_in(close_all) struct serve s = { 0 };

	TRY(environ_load(environ, ".env", &vars, err));
	TRY(settings_load(argc, argv, &vars, &s.conf, err));
	TRY(start(&s, err));
	loop_run(s.eng.loop);
	return 0;
}

static int help(void)
{
	own_in(buf_done) struct buf text = { 0 };

	cli_usage("serve", 0);
	buf_init(&text, 1 << 16);
	settings_help(&text);
	printf("\n%s", text.ptr);
	return 0;
}

int cmd_serve(int argc, char **argv)
{
	struct err err = { 0 };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help();
	}
	int rc = serve(argc - 1, argv + 1, &err);
	if (rc < 0)
		cli_fail("cannot serve", &err);
	return rc == ERR_INVALID ? 2 : rc < 0 ? 1 : 0;
}
