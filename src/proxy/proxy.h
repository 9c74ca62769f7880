/*
 * A request to a provider's API on behalf of a connection: from the function's config (or the
 * /proxy endpoint) to the response. URL templating, credentials, headers, retries with back-off,
 * redirects by hop, all through the one guarded client. Loop thread; the requests are flows.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/client.h"
#include "io/flow.h"

struct db;
struct keyring;
struct providers;
struct refresher;

/* What proxy requests need of the process; borrowed for the process's life. */
struct proxy {
	struct loop *loop;
	struct db *db;
	struct keyring *keys;
	struct http_client *client;
	const struct providers *providers;
	struct refresher *refresher; /* NULL: tokens are used as they are */
	struct proxy_cache *cache; /* made on first use; proxy_done */
	struct limiter *limiter; /* made on first use; proxy_done */
	int64_t backoff_base_ms; /* of retries without a given wait; 0 = 3 s, tests set less */
};

/* Nothing is in flight any more. The rest is borrowed. */
void proxy_done(struct proxy *p);

struct proxy_pair {
	struct sv name, value;
};

/* One line for the run's log per attempt or decision; secrets already replaced. */
struct proxy_log {
	const char *level; /* info | warn | error */
	const char *message; /* "GET https://... 200 (132 ms)" or the reason of a retry */
	struct sv method, url;
	const struct http_header *sent, *received; /* of an attempt */
	size_t sent_count, received_count;
	int status; /* 0 = no response */
	int64_t start_ms, took_ms;
	unsigned attempt, max; /* from 1 */
	const char *reason; /* of a decision: status_code_429, rate_limit...; else NULL */
	int64_t wait_ms;
};

struct proxy_request {
	int64_t environment_id;
	struct sv integration; /* provider_config_key */
	struct sv connection_id; /* the public id */
	struct sv method, endpoint;
	const struct proxy_pair *params; /* set semantics; NULL when raw_params is used */
	size_t param_count;
	struct sv raw_params; /* a string of params, appended */
	const struct proxy_pair *headers;
	size_t header_count;
	struct sv body;
	struct sv base_url_override;
	bool is_link; /* the endpoint is a provider's link: its path may begin with the base's */
	int retries;
	const int *retry_on;
	size_t retry_on_count;
	struct sv retry_at_header, retry_after_header; /* retryHeader: names with commas between */
	bool forward_headers_on_redirect;
	int64_t owner; /* the run: waiting for a rate limit, runs take turns */
	int64_t max_wait_ms; /* for a rate limit; 0 = a minute */
	void (*log)(void *ctx, const struct proxy_log *line); /* may be NULL */
	void *log_ctx;
};

/* The outcome. `response.status` 0 means that there is none and `code`, `message` say why. */
struct proxy_reply {
	struct http_response response;
	const char *kind; /* NULL | "network" | "client" | "control": the error's family */
	char code[48]; /* ECONNREFUSED, unknown_provider_config, denied_ip... */
	char message[248];
	int status; /* the HTTP status that stands for a control error */
	const char *name; /* "OutboundUrlError" for refusals of the egress guard, else NULL */
	char hostname[256]; /* whom it was about, where known */
	unsigned attempts; /* requests sent */
};

/*
 * Sends. Everything in req is copied. op->done comes with ERR_OK also when the provider answered
 * with an error status or when there is no response (see reply->kind): only cancellation and
 * internal faults are errors of the op. The reply is the caller's: proxy_reply_done().
 */
void proxy_send(
	struct proxy *p, struct op *op, const struct proxy_request *req, struct proxy_reply *reply);
void proxy_reply_done(struct proxy_reply *reply);
