/*
 * Whether and when to try a provider request again (spec/function-runtime.md 2.10, 2.11), as a pure
 * function of what happened: no clock, no randomness, no I/O.
 */
#pragma once

#include "http/header.h"
#include "model/provider.h"

#define RETRY_WAIT_MAX_MS (10 * 60 * 1000)
enum { RETRY_HEADERS_MAX = 8 }; /* of the caller's, each way */

struct retry_input {
	const char *network_code; /* "ECONNRESET"...; NULL when there was a response */
	int status;
	const struct http_headers *headers;
	struct sv body; /* of the response */
	const struct provider_retry *provider; /* may be NULL */
	const int *retry_on;
	size_t retry_on_count;
	struct sv at_header, after_header; /* the caller's retryHeader: "a,b"; absent = none */
	unsigned attempt; /* that failed, from 1 */
	bool same_credentials; /* the attempt before was a 401 with these credentials too */
	int64_t now_ms;
	int64_t base_ms; /* of the back-off; 0 = 3 s */
	uint32_t random; /* for the jitter */
};

struct retry_decision {
	bool retry;
	char reason[48]; /* status_code_429, retry_on_409, network_error, not_retryable... */
	const char *source; /* of the wait: "custom_after", "preconfigured_at", "backoff"... */
	int64_t wait_ms;
};

struct retry_decision retry_decide(const struct retry_input *in);

/* base * 2^(attempt - 1) capped, with up to a fifth taken off by `random`. */
int64_t retry_backoff_ms(int64_t base_ms, unsigned attempt, int64_t cap_ms, uint32_t random);

/* The wait that the answer itself names, by the caller's and the provider's rules; -1: none. */
int64_t retry_told_ms(const struct retry_input *in);
/* Whether the provider's own header says that the quota is used up. */
bool retry_quota_used_up(const struct retry_input *in);
