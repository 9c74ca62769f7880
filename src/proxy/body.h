/*
 * proxy.body of a provider (spec/function-runtime.md 2.5): members that go into every JSON object
 * or form that is sent to it. Pure.
 */
#pragma once

#include "proxy/proxy.h"
#include "proxy/target.h"
#include "proxy/vars.h"

/* The body to send: req's own, or a merged one in the arena of v. */
int proxy_body_build(const struct proxy_vars *v, const struct proxy_request *req, struct sv *ret,
	struct err *err);

/* The content type that the caller gives; absent when it gives none. */
struct sv proxy_content_type(const struct proxy_request *req);
/* Whether that content type is the one of forms. */
bool proxy_is_form(struct sv type);
