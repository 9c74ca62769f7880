/*
 * AWS Signature Version 4: the Authorization header that signs a request, as Amazon's reference
 * ("Create a signed AWS API request") has it. Pure, any thread.
 */
#pragma once

#include "base/err.h"
#include "http/client.h"

struct json_t;

struct sigv4 {
	struct sv access_key_id, secret_access_key;
	struct sv session_token; /* absent: the keys are no temporary ones */
	struct sv region, service;
	struct sv date; /* sigv4_date; the same is in x-amz-date */
	/* The request as it will be sent. */
	struct sv method;
	struct sv path; /* percent-encoded */
	struct sv query; /* without '?' */
	const struct http_header *headers; /* all of them are signed; host must be among them */
	size_t header_count;
	struct sv payload_hash; /* hex SHA-256 of the body, or UNSIGNED-PAYLOAD */
};

#define SIGV4_DATE_SIZE 17
/* "20150830T123600Z" */
char *sigv4_date(int64_t now_ms, char out[SIGV4_DATE_SIZE]);

/* What is signed, in the arena; absent for more than PARAMS_MAX parameters (data/params.h). */
struct sv sigv4_canonical_request(const struct sigv4 *s, struct arena *a);
/* The header's value, in the arena; absent as above. */
struct sv sigv4_authorization(const struct sigv4 *s, struct arena *a);

/*
 * Signs a request that is otherwise complete: `s` has the keys, region and service, the rest is
 * filled from it. Adds x-amz-date, x-amz-content-sha256, x-amz-security-token (with a session
 * token) and authorization, in the place of any that are there; but a caller's own
 * x-amz-content-sha256 (UNSIGNED-PAYLOAD, with S3) stays. ERR_INVALID, ERR_LIMIT.
 */
int sigv4_sign_request(const struct sigv4 *s, int64_t now_ms, struct arena *a,
	struct http_request *req, struct err *err);

/* Of the credentials, else of the connection's config, else us-east-1. Any may be NULL. */
struct sv sigv4_region(const struct json_t *credentials, const struct json_t *config);
