/*
 * What of a request may be shown to users: secrets replaced in URL and headers, noise dropped
 * (spec/function-runtime.md 2.13). Pure.
 */
#pragma once

#include "http/header.h"
#include "proxy/target.h"

struct redactor {
	struct arena *arena;
	struct sv *secrets;
	size_t count;
};

/* Collects the secrets of a target; borrows its texts. */
void redactor_init(struct redactor *r, const struct proxy_target *t, struct arena *a);

/* text with every secret, plain or percent-encoded, replaced by REDACTED. */
struct sv redact_text(const struct redactor *r, struct sv text);

/* A copy fit for the log. */
struct http_headers redact_headers(
	const struct redactor *r, const struct http_header *items, size_t count);
