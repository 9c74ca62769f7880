/*
 * What client.c (the pool and its place in the loop), exchange.c (one request) and neterr.c (why
 * it failed) share. Nobody else includes this. Loop thread only.
 */
#pragma once

#include "http/client.h"

#include <curl/curl.h>
#include <uv.h>

struct http_client {
	struct loop *loop;
	struct http_client_opts opts; /* defaults filled in */
	struct guard *open; /* stands for "no guard" */
	CURLM *multi;
	CURLSH *share; /* TLS sessions: handles are short-lived, resumption should not be */
	struct curl_slist *resolve;
	struct timer timer;
	struct http_client_stats stats;
};

struct probe;

/* One request in flight. */
struct exchange {
	struct http_client *client;
	struct op *op;
	const struct http_request *req;
	struct http_response *res;
	const struct guard *guard;
	CURL *easy; /* NULL when it never got that far */
	struct curl_slist *headers;
	struct sv host, port; /* in res->arena */
	size_t header_bytes, max_header_bytes, max_response;
	unsigned max_header_count;
	bool in_block; /* between a status line and its empty line */
	bool headers_done; /* of the final response */
	unsigned dialled; /* addresses the guard let through */
	enum guard_verdict verdict;
	struct err denied; /* the guard's words */
	const char *code; /* set when we ended it ourselves; `err` then says why */
	struct err err;
	struct timer end_timer; /* completes on a later turn */
	struct probe *probe;
	int64_t start_us;
	char errbuf[CURL_ERROR_SIZE];
};

/* curl is done with it. */
void exchange_done(struct exchange *x, CURLcode result);

/* Fills x->code and x->err for a failed exchange; gai is uv_getaddrinfo's status or 0. */
void neterr_explain(struct exchange *x, CURLcode result, int gai);
