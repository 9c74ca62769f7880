/*
 * Reading what a response's headers say about rate limits, in the spellings that are in use:
 *
 *	X-RateLimit-Limit, -Remaining, -Reset and kin (RateLimit-*, X-Rate-Limit-*,
 *	X-HubSpot-RateLimit-Max, X-RateLimit-Remaining-Requests ...), each prefix and suffix a quota
 *	RateLimit: "burst";r=50;t=30      RateLimit-Policy: "burst";q=100;w=60
 *	RateLimit: limit=100, remaining=50, reset=30
 *	X-Shopify-Shop-Api-Call-Limit: 32/40
 *	Retry-After, Retry-After-Ms
 *
 * Resets are seconds from now, seconds or milliseconds since 1970, durations ("6m0s") or dates;
 * points in time are taken by the provider's own clock (its Date header). Pure, any thread.
 */
#pragma once

#include "http/header.h"
#include "http/rate.h"

void rate_headers_read(const struct http_headers *h, int64_t now_ms, struct rate_news *ret);

/* "120" seconds from now; or a date; -1 when it is neither. Used for Retry-After. */
int64_t http_after_ms(struct sv value, int64_t now_ms);
/* Seconds or milliseconds since 1970, or a date: the time until then; -1 when past or broken. */
int64_t http_at_ms(struct sv value, int64_t now_ms);
