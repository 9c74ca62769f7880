/*
 * The lines that a request leaves in the run's log, secrets replaced. Nothing is written without a
 * log in the request. Only for proxy.c.
 */
#pragma once

#include "base/base.h"

struct request;
struct retry_decision;

void lines_attempt(struct request *r); /* it was answered, or not */
void lines_decision(struct request *r, const struct retry_decision *d);
void lines_wait(struct request *r, int64_t wait_ms, bool over); /* for the rate limit */
void lines_no_room(struct request *r); /* the rate limit gives it no time */
void lines_refused(struct request *r); /* it could not be sent */
