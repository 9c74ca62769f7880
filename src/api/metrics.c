/* GET /metrics: the text format of Prometheus. */
#include "api/metrics.h"

#include "api/handlers.h"
#include "auth/refresh.h"
#include "base/clock.h"
#include "db/db.h"
#include "http/client.h"
#include "http/limiter.h"
#include "proxy/proxy.h"
#include "runner/pool.h"
#include "sync/runs.h"
#include "webhook/outbox.h"

void metrics_count(struct metrics *m, size_t route, int status, int64_t took_us)
{
	size_t at = route < METRIC_ROUTES_MAX ? route : METRIC_ROUTES_MAX;
	int class = status / 100;

	m->requests[at][class > 0 && class < METRIC_CLASSES ? class : 0]++;
	m->total_us[at] += took_us;
}

void api_set_server(struct api *api, struct http_server *server)
{
	api_metrics(api)->server = server;
}

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP tidemark_%s %s\n# TYPE tidemark_%s %s\n", name, help, name, type);
}

static void single(struct buf *out, const char *name, const char *type, const char *help, int64_t n)
{
	family(out, name, type, help);
	buf_printf(out, "tidemark_%s %lld\n", name, (long long)n);
}

static void write_route(struct buf *out, const struct api_route *r, const uint64_t *counts)
{
	for (int class = 0; class < METRIC_CLASSES; class ++) {
		if (!counts[class])
			continue;
		buf_printf(out,
			"tidemark_http_requests_total{method=\"%s\",route=\"%s\",status=\"%dxx\"} "
			"%llu\n",
			r ? r->method : "", r ? r->pattern : "none", class,
			(unsigned long long)counts[class]);
	}
}

static void write_requests(const struct metrics *m, struct buf *out)
{
	size_t count;
	const struct api_route *routes = api_routes(&count);

	assert(count <= METRIC_ROUTES_MAX);
	family(out, "http_requests_total", "counter", "Requests answered");
	for (size_t i = 0; i < count; i++)
		write_route(out, &routes[i], m->requests[i]);
	write_route(out, NULL, m->requests[METRIC_ROUTES_MAX]);
	family(out, "http_request_seconds_total", "counter", "Time from request line to reply");
	for (size_t i = 0; i < count; i++) {
		if (m->total_us[i])
			buf_printf(out,
				"tidemark_http_request_seconds_total{method=\"%s\",route=\"%s\"} "
				"%.6f\n",
				routes[i].method, routes[i].pattern, (double)m->total_us[i] / 1e6);
	}
}

static void write_server(const struct metrics *m, struct buf *out)
{
	if (!m->server)
		return;
	struct http_server_stats s = http_server_stats(m->server);
	single(out, "http_connections", "gauge", "Open client connections", (int64_t)s.connections);
	single(out, "http_active", "gauge", "Requests being handled", (int64_t)s.active);
	single(out, "http_body_bytes", "gauge", "Request bodies in memory", (int64_t)s.body_bytes);
	single(out, "http_refused_total", "counter", "Requests refused for their size",
		(int64_t)s.refused);
}

static void write_db(struct db *db, struct buf *out)
{
	struct db_stats s;

	db_stats(db, &s);
	single(out, "db_jobs_total", "counter", "Database jobs done", s.jobs);
	single(out, "db_commits_total", "counter", "Database commits", s.commits);
	single(out, "db_queued", "gauge", "Database jobs waiting", s.queued);
}

static void write_runs(const struct engine *e, struct buf *out)
{
	struct runner_pool_stats pool;
	struct runs_stats runs;

	runner_pool_stats(e->runners, &pool);
	single(out, "runner_processes", "gauge", "Runner processes", pool.processes);
	single(out, "runner_running", "gauge", "Functions executing", pool.running);
	single(out, "runner_queued", "gauge", "Functions waiting for a runner", pool.queued);
	single(out, "runner_deaths_total", "counter", "Runner processes that died", pool.deaths);
	runs_stats(e->runs, &runs);
	single(out, "runs_in_flight", "gauge", "Runs in flight", runs.in_flight);
	single(out, "runs_started_total", "counter", "Runs started", runs.started);
	single(out, "runs_succeeded_total", "counter", "Runs that succeeded", runs.succeeded);
	single(out, "runs_failed_total", "counter", "Runs that failed", runs.failed);
	single(out, "runs_lost_total", "counter", "Runs lost with their process", runs.lost);
}

static void write_outgoing(const struct engine *e, struct buf *out)
{
	struct outbox_stats o = outbox_stats(e->outbox);
	struct http_client_stats c = http_client_stats(e->client);

	single(out, "webhooks_delivered_total", "counter", "Webhooks delivered", o.delivered);
	single(out, "webhooks_failed_total", "counter", "Failed webhook attempts", o.failed);
	single(out, "webhooks_dead_total", "counter", "Webhooks given up", o.dead);
	single(out, "webhooks_in_flight", "gauge", "Webhook deliveries in flight", o.in_flight);
	single(out, "client_requests_total", "counter", "Requests sent", (int64_t)c.sent);
	single(out, "client_failed_total", "counter", "Requests without response",
		(int64_t)c.failed);
	single(out, "client_active", "gauge", "Requests in flight", (int64_t)c.active);
}

static void write_limiter(const struct engine *e, struct buf *out)
{
	struct limiter_stats s = { 0 };

	if (e->proxy->limiter)
		s = limiter_stats(e->proxy->limiter);
	single(out, "rate_limit_connections", "gauge", "Connections whose rate limit is watched",
		(int64_t)s.entries);
	single(out, "rate_limit_waiting", "gauge", "Requests waiting for a provider's rate limit",
		(int64_t)s.waiting);
	single(out, "rate_limit_waits_total", "counter", "Requests that had to wait for one",
		(int64_t)s.waits);
	family(out, "rate_limit_wait_seconds_total", "counter", "Time they waited");
	buf_printf(out, "tidemark_rate_limit_wait_seconds_total %.3f\n", (double)s.waited_ms / 1e3);
	single(out, "rate_limit_refused_total", "counter", "Requests given up for want of time",
		(int64_t)s.refused);
	single(out, "rate_limit_answers_total", "counter", "Answers that refused for the rate",
		(int64_t)s.limited);
}

static void write_tokens(const struct engine *e, struct buf *out)
{
	struct refresher_stats s = refresher_stats(e->refresher);

	single(out, "tokens_renewed_total", "counter", "Tokens of connections renewed", s.renewed);
	single(out, "tokens_failed_total", "counter", "Tokens that could not be renewed", s.failed);
	single(out, "tokens_in_flight", "gauge", "Tokens being looked at or renewed", s.in_flight);
}

bool metrics(struct api_call *call)
{
	const struct engine *e = call->eng;
	const struct metrics *m = api_metrics(call->api);
	struct buf *out = &call->out;

	call->content_type = "text/plain; version=0.0.4; charset=utf-8";
	single(out, "uptime_seconds", "gauge", "Seconds since the start",
		(clock_now_ms() - e->started_ms) / 1000);
	family(out, "process_cpu_seconds_total", "counter", "CPU time of the server process");
	buf_printf(out, "tidemark_process_cpu_seconds_total %.3f\n", (double)clock_cpu_us() / 1e6);
	write_requests(m, out);
	write_server(m, out);
	write_db(e->db, out);
	write_runs(e, out);
	write_outgoing(e, out);
	write_limiter(e, out);
	write_tokens(e, out);
	return false;
}
