#include "http/client_impl.h"

/* A socket that curl wants watched. */
struct sock {
	struct http_client *client;
	curl_socket_t fd;
	struct watch *watch;
};

/* Completions may start and cancel other requests, so this runs outside of curl's callbacks. */
static void collect(struct http_client *c)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left))) {
		struct exchange *x;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode result = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
		exchange_done(x, result);
	}
}

static void act(struct http_client *c, curl_socket_t fd, int flags)
{
	int running;

	CURLMcode rc = curl_multi_socket_action(c->multi, fd, flags, &running);
	assert(rc == CURLM_OK || rc == CURLM_BAD_SOCKET);
	collect(c);
}

static void sock_ready(void *ctx, int events)
{
	struct sock *s = ctx;
	int flags = 0;

	if (events & WATCH_READ)
		flags |= CURL_CSELECT_IN;
	if (events & WATCH_WRITE)
		flags |= CURL_CSELECT_OUT;
	act(s->client, s->fd, flags); /* s may be gone now */
}

static void timer_fired(struct timer *t)
{
	act(container_of(t, struct http_client, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi UNUSED, long ms, void *ctx)
{
	struct http_client *c = ctx;

	if (ms < 0)
		timer_stop(c->loop, &c->timer);
	else
		timer_start(c->loop, &c->timer, ms, timer_fired);
	return 0;
}

static int on_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *ctx, void *sock_ctx)
{
	struct http_client *c = ctx;
	struct sock *s = sock_ctx;

	if (what == CURL_POLL_REMOVE) {
		if (s)
			watch_free(s->watch);
		mem_free(s);
		return 0;
	}
	if (!s) {
		s = NEW(struct sock);
		s->client = c;
		s->fd = fd;
		s->watch = watch_new(c->loop, fd, sock_ready, s);
		curl_multi_assign(c->multi, fd, s);
	}
	watch_set(s->watch,
		(what & CURL_POLL_IN ? WATCH_READ : 0) | (what & CURL_POLL_OUT ? WATCH_WRITE : 0));
	return 0;
}

static void opts_fill(struct http_client_opts *o)
{
	if (!o->max_total)
		o->max_total = 1000;
	if (!o->max_idle)
		o->max_idle = 256;
}

struct http_client *http_client_new(struct loop *l, const struct http_client_opts *opts)
{
	struct http_client *c = NEW(struct http_client);

	CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
	assert(rc == CURLE_OK);
	c->loop = l;
	c->opts = *opts;
	opts_fill(&c->opts);
	c->open = guard_new();
	guard_allow_all(c->open);
	if (!c->opts.guard)
		c->opts.guard = c->open;
	for (const char *const *r = opts->resolve; r && *r; r++)
		c->resolve = curl_slist_append(c->resolve, *r);
	c->share = curl_share_init();
	curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	c->multi = curl_multi_init();
	assert(c->multi && c->share);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(
		c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, ((long)c->opts.max_total + 1) / 2);
	curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->opts.max_total);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->opts.max_idle);
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	assert(c->stats.active == 0);
	curl_multi_cleanup(c->multi);
	curl_share_cleanup(c->share);
	timer_stop(c->loop, &c->timer);
	curl_slist_free_all(c->resolve);
	guard_free(c->open);
	mem_free(c);
	curl_global_cleanup();
}

struct http_client_stats http_client_stats(const struct http_client *c)
{
	return c->stats;
}
