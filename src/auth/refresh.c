#include "auth/refresh.h"

#include "auth/subject.h"
#include "base/clock.h"
#include "base/log.h"
#include "data/json.h"
#include "data/uuid.h"
#include "db/db.h"
#include "http/redirect.h"
#include "model/provider.h"

#include <stdio.h>

enum { LOOK, LOOKED, CLAIM, CLAIMED, PAUSE, AGAIN, BEGIN, ASK, ANSWER, SAVE, SAVED, FAIL, FAILED };
enum { ASK_UNTIL_MS = 40 * 1000, ASK_TIMEOUT_MS = 25 * 1000, ANSWER_MAX = 1 << 20 };
enum { PAUSE_MS = 50, PATIENCE_MS = 30 * 1000, SAVES_MAX = 5, HOPS_MAX = 5 };

struct waiter {
	struct waiter *next;
	struct refresh *of; /* NULL once it was cancelled */
	struct op *op;
	struct refresh_outcome *ret;
	struct timer timer;
	struct loop *loop;
};

struct refresh {
	struct flow flow;
	struct refresher *in;
	struct refresh *next;
	struct waiter *waiters;
	struct subject subject;
	struct grant grant;
	struct http_request request;
	struct http_response response;
	unsigned step, saves;
	bool renewed; /* the step that matters most is over */
	bool demanded; /* by one who came later, with more reason than the first */
	int64_t began_us, claimed_us;
	struct refresh_outcome outcome;
};

struct refresher {
	struct refresher_config cfg;
	struct refresh *refreshes;
	int64_t renewed, failed, waited; /* tokens, since the start */
	struct timer timer;
	void (*drained)(void *ctx);
	void *drained_ctx;
};

static struct refresh *refresh_of(struct flow *f)
{
	return container_of(f, struct refresh, flow);
}

static int64_t ms_since(int64_t us)
{
	return (clock_mono_us() - us) / 1000;
}

/* --- looking --- */

static int submit(struct flow *f, enum db_mode mode, db_job_fn *job, int next)
{
	struct refresh *r = refresh_of(f);

	f->op.done = flow_wake;
	f->op.ctx = f;
	db_submit(r->in->cfg.db, mode, &f->op, job, &r->subject);
	return flow_wait(f, next);
}

static int enter_look(struct flow *f)
{
	return submit(f, DB_READ, subject_look, LOOKED);
}

static void __attribute__((format(printf, 5, 6)))
say(struct refresh *r, const char *code, int status, bool usable, const char *fmt, ...)
{
	struct refresh_outcome *o = &r->outcome;
	va_list args;

	snprintf(o->code, sizeof(o->code), "%s", code);
	o->status = status;
	o->usable = usable;
	va_start(args, fmt);
	vsnprintf(o->message, sizeof(o->message), fmt, args);
	va_end(args);
}

/* Somebody else is at it: the old token does as long as it lives, else it is worth a wait. */
static int wait_for_other(struct refresh *r)
{
	struct subject *s = &r->subject;

	if (s->state == TOKEN_DUE && s->why == REFRESH_DUE) {
		r->outcome.usable = true;
		return FLOW_END;
	}
	if (ms_since(r->began_us) > PATIENCE_MS) {
		say(r, "connection_refresh_backoff", 424, false,
			"another server is refreshing the token of connection '%.*s' and does not "
			"come to an end: try again later",
			SV(s->conn.connection_id));
		return FLOW_END;
	}
	r->in->waited++;
	/* A demand is met by whoever meets it. */
	if (!s->known.ptr)
		s->known = arena_sv(&r->flow.arena, s->conn.credentials_sealed);
	return PAUSE;
}

static void say_stopped(struct refresh *r, bool exhausted)
{
	const struct subject *s = &r->subject;
	const char *code =
		exhausted ? "connection_refresh_exhausted" : "connection_refresh_backoff";
	const char *advice =
		exhausted ? "the customer has to connect again" : "it is tried again later";

	say(r, code, 424, s->state != TOKEN_EXPIRED,
		"the token of connection '%.*s' could not be refreshed: %.*s (%s)",
		SV(s->conn.connection_id), SV(s->last.error), advice);
}

static int act_on_verdict(struct refresh *r, int if_ask)
{
	struct subject *s = &r->subject;

	if (s->verdict != SUBJECT_ASK && r->demanded) {
		r->demanded = false;
		s->why = REFRESH_DEMANDED;
		s->known = SV_NULL;
		return LOOK;
	}

	switch (s->verdict) {
	case SUBJECT_ASK: return if_ask;
	case SUBJECT_BUSY: return wait_for_other(r);
	case SUBJECT_FRESH: r->outcome.usable = true; break;
	case SUBJECT_RENEWED: r->outcome.usable = r->outcome.renewed = true; break;
	case SUBJECT_BACKOFF: say_stopped(r, false); break;
	case SUBJECT_EXHAUSTED: say_stopped(r, true); break;
	case SUBJECT_GONE:
		say(r, "unknown_connection", 404, false, "the connection does not exist");
		break;
	}
	return FLOW_END;
}

static int enter_looked(struct flow *f)
{
	return act_on_verdict(refresh_of(f), CLAIM);
}

static int enter_claim(struct flow *f)
{
	refresh_of(f)->claimed_us = clock_mono_us();
	return submit(f, DB_WRITE, subject_claim, CLAIMED);
}

static int enter_claimed(struct flow *f)
{
	return act_on_verdict(refresh_of(f), BEGIN);
}

static int enter_pause(struct flow *f)
{
	return flow_sleep(f, PAUSE_MS, AGAIN);
}

static int enter_again(struct flow *f UNUSED)
{
	return LOOK;
}

/* --- asking --- */

static int enter_begin(struct flow *f)
{
	struct refresh *r = refresh_of(f);
	struct subject *s = &r->subject;

	r->grant = (struct grant){
		.type = s->credentials.type,
		.provider = s->provider,
		.arena = &f->arena,
		.now_ms = clock_now_ms(),
		.credentials = s->credentials.json,
		.config = s->config,
		.app = s->app,
		.custom = s->custom,
		.forced = s->why != REFRESH_DUE,
		.next = json_clone(s->credentials.json),
	};
	uuid_format(uuid_v4(), r->grant.random);
	return ASK;
}

/* The conversation is over, badly; the lease is ours until that is written down. */
static int give_up(struct refresh *r, const char *code, const struct err *why)
{
	struct subject_failure *failure = &r->subject.failure;

	if (!failure->refusal.code[0])
		snprintf(failure->refusal.code, sizeof(failure->refusal.code), "%s", code);
	snprintf(failure->message, sizeof(failure->message), "%s", why->msg);
	r->flow.err = (struct err){ 0 };
	return FAIL;
}

static int keep_next(struct refresh *r)
{
	own_in(buf_done) struct buf text = { 0 };
	struct err err = { 0 };

	buf_init(&text, ANSWER_MAX);
	json_dump_compact(r->grant.next, &text);
	if (!buf_ok(&text)) {
		err_set(&err, ERR_LIMIT, "the new credentials are larger than %d bytes",
			ANSWER_MAX);
		return give_up(r, "invalid_answer", &err);
	}
	r->subject.next = arena_sv(&r->flow.arena, buf_sv(&text));
	return SAVE;
}

static bool is_optional(const struct refresh *r)
{
	const struct grant_mode *mode = grant_mode(r->grant.type);

	return mode->optional && mode->optional(&r->grant, r->step);
}

/* A step that need not succeed did not: what was had by others is worth keeping. */
static int skip_step(struct refresh *r, const struct err *why)
{
	struct err err = { 0 };

	log_warn(NULL, "a part of a token refresh failed",
		LOG_SV("integration", r->subject.conn.integration),
		LOG_SV("connection", r->subject.conn.connection_id), LOG_ERR(why));
	r->subject.failure.refusal = (struct grant_refusal){ 0 };
	if (grant_mode(r->grant.type)->accept(&r->grant, r->step, NULL, &err) < 0)
		return give_up(r, "invalid_answer", &err);
	r->step++;
	return ASK;
}

static int enter_ask(struct flow *f)
{
	struct refresh *r = refresh_of(f);
	const struct grant_mode *mode = grant_mode(r->grant.type);
	struct redirect_policy policy = { HOPS_MAX, REDIRECT_KEEP_PLAIN };
	struct err err = { 0 };

	if (ms_since(r->claimed_us) > ASK_UNTIL_MS || r->step >= GRANT_STEPS_MAX) {
		err_set(&err, ERR_TIMEOUT, "the provider takes too long to give a token");
		return r->renewed ? keep_next(r) : give_up(r, "timeout", &err);
	}
	int rc = mode->ask(&r->grant, r->step, &r->request, &err);
	if (rc < 0 && is_optional(r))
		return skip_step(r, &err);
	if (rc < 0)
		return give_up(r, "invalid_configuration", &err);
	if (rc == 0)
		return keep_next(r);
	r->request.total_timeout_ms = ASK_TIMEOUT_MS;
	r->request.max_response = ANSWER_MAX;
	http_response_done(&r->response);
	http_response_init(&r->response);
	f->op.done = flow_wake;
	f->op.ctx = f;
	http_fetch(r->in->cfg.client, &f->op, &r->request, policy, &r->response);
	return flow_wait(f, ANSWER);
}

/* A refresh token that is refused is not worth keeping, and there is still the login. */
static bool may_go_long_way(struct refresh *r)
{
	struct grant *g = &r->grant;
	int status = r->response.status;

	if (!g->short_way || !status || status > 499 || status == 429)
		return false;
	g->long_way = true;
	g->short_way = false;
	json_del(g->next, SV_LIT("refresh_token"));
	r->subject.failure.refusal = (struct grant_refusal){ 0 };
	return true;
}

static int enter_answer(struct flow *f)
{
	struct refresh *r = refresh_of(f);
	struct grant *g = &r->grant;
	const struct grant_mode *mode = grant_mode(g->type);
	struct subject_failure *failure = &r->subject.failure;
	struct err err = { 0 };

	f->err = (struct err){ 0 }; /* no response is an answer too: response.error says why */
	if (grant_answer(g, r->request.url, &r->response, &g->answers[r->step], &failure->refusal,
		    &err) < 0)
		return may_go_long_way(r) ? ASK
		       : is_optional(r)	  ? skip_step(r, &err)
					  : give_up(r, "no_answer", &err);
	g->answer_headers = &r->response.headers;
	if (mode->accept(g, r->step, g->answers[r->step], &err) < 0)
		return give_up(r, "invalid_answer", &err);
	r->renewed |= mode->optional && !mode->optional(g, r->step);
	r->step++;
	return ASK;
}

/* --- writing it down --- */

static int enter_save(struct flow *f)
{
	refresh_of(f)->saves++;
	return submit(f, DB_WRITE, subject_save, SAVED);
}

static int enter_saved(struct flow *f)
{
	struct refresh *r = refresh_of(f);

	/* The old refresh token may be gone: this must not be lost for a busy database. */
	if (f->err.code != ERR_OK && r->saves < SAVES_MAX) {
		log_warn(NULL, "a new token could not be saved yet", LOG_ERR(&f->err));
		f->err = (struct err){ 0 };
		return SAVE;
	}
	if (f->err.code != ERR_OK) {
		log_error(NULL, "a new token is lost", LOG_ERR(&f->err),
			LOG_SV("connection", r->subject.conn.connection_id));
		return f->err.code;
	}
	r->outcome.renewed = r->outcome.usable = true;
	r->in->renewed++;
	log_info(NULL, "token refreshed", LOG_SV("integration", r->subject.conn.integration),
		LOG_SV("connection", r->subject.conn.connection_id),
		LOG_BOOL("saved", r->subject.swapped));
	return FLOW_END;
}

static int enter_fail(struct flow *f)
{
	return submit(f, DB_WRITE, subject_fail, FAILED);
}

static int enter_failed(struct flow *f)
{
	struct refresh *r = refresh_of(f);
	const struct subject *s = &r->subject;

	r->in->failed++;
	log_warn(NULL, "token not refreshed", LOG_SV("integration", s->conn.integration),
		LOG_SV("connection", s->conn.connection_id), LOG_STR("error", s->failure.message));
	if (s->owed > 0 && r->in->cfg.owed)
		r->in->cfg.owed(r->in->cfg.ctx);
	if (s->swapped) {
		r->outcome.renewed = r->outcome.usable = true;
		return FLOW_END;
	}
	say(r, "refresh_token_external_error", 400, s->state != TOKEN_EXPIRED,
		"the token of connection '%.*s' could not be refreshed: %s",
		SV(s->conn.connection_id), s->failure.message);
	return FLOW_END;
}

static const struct flow_step steps[] = {
	[LOOK] = { "load connection", enter_look, .timeout_ms = 30000 },
	[LOOKED] = { "look at the token", enter_looked },
	[CLAIM] = { "claim the refresh", enter_claim, .timeout_ms = 30000 },
	[CLAIMED] = { "begin the refresh", enter_claimed },
	[PAUSE] = { "wait for another server", enter_pause },
	[AGAIN] = { "look again", enter_again },
	[BEGIN] = { "prepare the request", enter_begin },
	[ASK] = { "ask for a token", enter_ask, .timeout_ms = ASK_TIMEOUT_MS + 5000 },
	[ANSWER] = { "read the answer", enter_answer, .catches = true },
	[SAVE] = { "save the token", enter_save, .timeout_ms = 30000 },
	[SAVED] = { "end the refresh", enter_saved, .catches = true },
	[FAIL] = { "note the failure", enter_fail, .timeout_ms = 30000 },
	[FAILED] = { "report the failure", enter_failed },
};

/* --- who waits --- */

static void drained(struct timer *t)
{
	struct refresher *in = container_of(t, struct refresher, timer);
	void (*fn)(void *ctx) = take(in->drained);

	if (fn && !in->refreshes)
		fn(in->drained_ctx);
}

static void unlink_refresh(struct refresh *r)
{
	struct refresh **at = &r->in->refreshes;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	if (!r->in->refreshes && r->in->drained)
		timer_start(r->in->cfg.loop, &r->in->timer, 0, drained);
}

static void free_refresh(struct refresh *r)
{
	for (size_t i = 0; i < GRANT_STEPS_MAX; i++)
		json_unref(r->grant.answers[i]);
	json_unref(r->grant.next);
	http_response_done(&r->response);
	subject_done(&r->subject);
	flow_done(&r->flow);
	mem_free(r);
}

static void ended(struct flow *f)
{
	struct refresh *r = refresh_of(f);
	struct refresh_outcome outcome = r->outcome;
	struct err err = f->err;
	struct waiter *w = take(r->waiters);

	/* First out of the list: a waiter may ask again at once. */
	unlink_refresh(r);
	free_refresh(r);
	while (w) {
		struct waiter *next = w->next;
		struct op *op = w->op;
		*w->ret = outcome;
		mem_free(w);
		op_complete(op, &err);
		w = next;
	}
}

static void cancelled(struct timer *t)
{
	struct waiter *w = container_of(t, struct waiter, timer);
	struct op *op = w->op;
	struct err err = { 0 };

	err_set(&err, ERR_CANCELLED, "the wait for a token was cancelled");
	mem_free(w);
	op_complete(op, &err);
}

static void cancel(struct op *op)
{
	struct waiter *w = op->impl, **at;

	if (!w->of)
		return;
	for (at = &w->of->waiters; *at != w;)
		at = &(*at)->next;
	*at = w->next;
	w->of = NULL;
	timer_start(w->loop, &w->timer, 0, cancelled);
}

static struct refresh *find(struct refresher *in, int64_t connection)
{
	struct refresh *r = in->refreshes;

	while (r && r->subject.id != connection)
		r = r->next;
	return r;
}

static struct refresh *begin(struct refresher *in, const struct refresh_request *req)
{
	struct refresh *r = NEW(struct refresh);

	r->in = in;
	r->began_us = clock_mono_us();
	http_response_init(&r->response);
	flow_init(&r->flow, in->cfg.loop, steps, ended);
	r->subject = (struct subject){ .keys = in->cfg.keys,
		.providers = in->cfg.providers,
		.node = in->cfg.node,
		.id = req->connection,
		.backoff_ms = in->cfg.backoff_ms,
		.why = req->why,
		.known = arena_sv(&r->flow.arena, req->known) };
	r->next = in->refreshes;
	in->refreshes = r;
	return r;
}

void refresh_connection(struct refresher *in, struct op *op, const struct refresh_request *req,
	struct refresh_outcome *ret)
{
	struct refresh *r = find(in, req->connection);
	struct waiter *w = NEW(struct waiter);
	bool is_new = !r;

	*ret = (struct refresh_outcome){ 0 };
	if (is_new)
		r = begin(in, req);
	else if (req->why == REFRESH_DEMANDED && r->subject.why != REFRESH_DEMANDED)
		r->demanded = true;
	*w = (struct waiter){ .of = r, .op = op, .ret = ret, .loop = in->cfg.loop };
	w->next = r->waiters;
	r->waiters = w;
	op->impl = w;
	op->cancel = cancel;
	if (is_new)
		flow_start(&r->flow, LOOK);
}

/* --- the whole --- */

struct refresher *refresher_new(const struct refresher_config *cfg)
{
	struct refresher *in = NEW(struct refresher);

	in->cfg = *cfg;
	return in;
}

void refresher_free(struct refresher *in)
{
	if (!in)
		return;
	assert(!in->refreshes);
	timer_stop(in->cfg.loop, &in->timer);
	mem_free(in);
}

struct refresher_stats refresher_stats(const struct refresher *in)
{
	struct refresher_stats s = {
		.renewed = in->renewed, .failed = in->failed, .waited = in->waited
	};

	for (const struct refresh *r = in->refreshes; r; r = r->next)
		s.in_flight++;
	return s;
}

void refresher_drain(struct refresher *in, void (*fn)(void *ctx), void *ctx)
{
	in->drained = fn;
	in->drained_ctx = ctx;
	if (!in->refreshes)
		timer_start(in->cfg.loop, &in->timer, 0, drained);
}
