#include "proxy/lines.h"

#include "base/sv.h"
#include "proxy/limit.h"
#include "proxy/request_impl.h"
#include "proxy/retry.h"

static void log_line(struct request *r, struct proxy_log *line)
{
	line->attempt = r->tries;
	line->max = (unsigned)r->req.retries + 1;
	r->req.log(r->req.log_ctx, line);
}

void lines_attempt(struct request *r)
{
	const struct http_response *res = &r->reply->response;
	bool good = res->status >= 200 && res->status < 300;
	struct proxy_log line = { .level = good ? "info" : "error", .method = r->http.method };
	struct http_headers sent, received;

	if (!r->req.log)
		return;
	line.url = redact_text(&r->redactor, r->http.url);
	sent = redact_headers(&r->redactor, r->http.headers, r->http.header_count);
	received = redact_headers(&r->redactor, res->headers.items, res->headers.count);
	line.sent = sent.items, line.sent_count = sent.count;
	line.received = received.items, line.received_count = received.count;
	line.status = res->status;
	line.start_ms = res->start_ms;
	line.took_ms = res->total_ms;
	if (res->status)
		line.message = arena_printf(&r->attempt, "%.*s %.*s %d (%lld ms)", SV(line.method),
			SV(line.url), res->status, (long long)line.took_ms);
	else
		line.message = arena_printf(&r->attempt, "%.*s %.*s %s (%lld ms): %.*s",
			SV(line.method), SV(line.url),
			res->error.code ? res->error.code : "no response", (long long)line.took_ms,
			SV(redact_text(&r->redactor, res->error.message)));
	log_line(r, &line);
}

void lines_decision(struct request *r, const struct retry_decision *d)
{
	struct proxy_log line = { .level = "warn", .method = r->http.method, .reason = d->reason };

	if (!r->req.log)
		return;
	line.url = redact_text(&r->redactor, r->http.url);
	line.status = r->reply->response.status;
	line.wait_ms = d->wait_ms;
	line.message = d->retry ? arena_printf(&r->attempt, "trying again in %lld ms: %s (%s)",
					  (long long)d->wait_ms, d->reason, d->source)
				: arena_printf(&r->attempt, "not trying again: %s", d->reason);
	log_line(r, &line);
}

void lines_wait(struct request *r, int64_t wait_ms, bool over)
{
	struct proxy_log line = {
		.level = "info", .method = r->req.method, .reason = "rate_limit"
	};

	if (!r->req.log)
		return;
	line.url = redact_text(&r->redactor, r->http.url);
	line.wait_ms = wait_ms;
	line.message = arena_printf(&r->flow.arena, "%s for the provider's rate limit: %s",
		arena_printf(&r->flow.arena, over ? "waited %lld ms" : "waiting about %lld ms",
			(long long)wait_ms),
		proxy_limit_reason(r->ticket.why));
	log_line(r, &line);
}

void lines_no_room(struct request *r)
{
	struct proxy_log line = { .level = "error",
		.method = r->req.method,
		.reason = "rate_limit",
		.status = r->reply->response.status,
		.wait_ms = r->ticket.waited_ms };

	if (!r->req.log)
		return;
	line.url = redact_text(&r->redactor, r->http.url);
	line.message = arena_printf(&r->flow.arena,
		"%.*s %.*s not sent: the provider's rate limit leaves no room in time: %s",
		SV(line.method), SV(line.url), proxy_limit_reason(r->ticket.why));
	log_line(r, &line);
}

/* Before anything was sent: what was asked for stands in for the URL. */
void lines_refused(struct request *r)
{
	const struct proxy_reply *reply = r->reply;
	struct proxy_log line = { .level = "error", .method = r->req.method };

	if (!r->req.log)
		return;
	line.url = redact_text(&r->redactor, r->req.endpoint);
	line.message = arena_printf(&r->flow.arena, "%.*s %.*s not sent: %s: %s", SV(line.method),
		SV(line.url), reply->code, reply->message);
	log_line(r, &line);
}
