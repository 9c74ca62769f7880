#include "proxy/limit.h"

#include "base/clock.h"
#include "base/fnv.h"
#include "base/sv.h"
#include "proxy/proxy.h"
#include "proxy/url.h"

struct sv proxy_limit_key(const struct proxy_request *req, struct sv url, struct arena *a)
{
	return sv_str(arena_printf(a, "%lld\n%.*s\n%.*s\n%.*s", (long long)req->environment_id,
		SV(req->integration), SV(req->connection_id), SV(url_split(url).host)));
}

uint64_t proxy_limit_lane(struct sv url)
{
	struct sv path = url_split(url).path;
	size_t end = 1;

	while (end < path.len && path.ptr[end] != '/')
		end++;
	return fnv_more(FNV_START, path.len ? sv_make(path.ptr, end) : path);
}

const char *proxy_limit_reason(enum rate_why why)
{
	switch (why) {
	case RATE_REFUSED: return "it refused a request and said to come later";
	case RATE_QUOTA: return "the quota it announced is used up";
	case RATE_LEARNED: return "as many requests were sent as it let through before";
	case RATE_ANSWER: return "another request is out to learn how the quota stands";
	case RATE_FREE: break;
	}
	return "others are waiting before this one";
}

void proxy_limit_refuse(struct proxy_reply *reply, const struct limiter_ticket *t)
{
	struct http_response *res = &reply->response;
	int64_t seconds = t->wait_ms > t->waited_ms ? (t->wait_ms - t->waited_ms + 999) / 1000 : 1;

	res->status = 429;
	res->reason = SV_LIT("Too Many Requests");
	res->start_ms = clock_now_ms();
	http_headers_add(
		&res->arena, &res->headers, SV_LIT("content-type"), SV_LIT("application/json"));
	http_headers_add(&res->arena, &res->headers, SV_LIT("retry-after"),
		sv_str(arena_printf(&res->arena, "%lld", (long long)seconds)));
	http_headers_add(
		&res->arena, &res->headers, SV_LIT("x-tidemark-error"), SV_LIT("rate_limit"));
	buf_init(&res->body, 1024);
	buf_printf(&res->body,
		"{\"error\":{\"code\":\"rate_limit\",\"message\":\"not sent, since the provider's "
		"rate "
		"limit leaves no room in the time this request has: %s (try again in %lld s)\"}}",
		proxy_limit_reason(t->why), (long long)seconds);
}
