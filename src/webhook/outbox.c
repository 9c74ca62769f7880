#include "webhook/outbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "crypto/random.h"
#include "data/json.h"
#include "data/jw.h"
#include "db/db.h"
#include "http/rate_headers.h"
#include "http/redirect.h"
#include "model/env.h"
#include "model/node.h"
#include "model/oplog.h"
#include "webhook/sign.h"

/* How long a claimed row is ours: longer than an attempt can last. */
enum { CLAIM_MS = 35000 };
/* spec/orchestration.md 5.4: 20 s per attempt, five hops. */
enum { ATTEMPT_MS = 20000, MAX_HOPS = 5, PARALLEL = 32 };
enum { LOGGED_BODY_MAX = 64 << 10 };
#define GIVE_UP_MS (3LL * 24 * 3600 * 1000)
#define BACKOFF_MAX_MS (6LL * 3600 * 1000)
#define NEVER_MS 9000000000000000LL /* behind another row of its lane */

struct outbox {
	struct outbox_config cfg;
	struct timer timer; /* for what is due later */
	struct op claim;
	bool claiming, again, draining;
	bool recovered; /* claims of former processes were taken back */
	int64_t in_flight;
	unsigned room; /* what the claim under way may take */
	struct arena claimed; /* of the claim job */
	struct delivery **batch;
	size_t batch_count;
	int64_t next_ms;
	void (*drained)(void *ctx);
	void *drained_ctx;
	struct delivery *all; /* in flight, for the drain */
	struct outbox_stats stats;
};

struct delivery {
	struct flow flow;
	struct outbox *outbox;
	struct delivery *next, **prev;
	int64_t id, environment, attempts, created_ms;
	struct sv lane, url, uuid, body, headers, key; /* in the flow's arena */
	struct http_request req;
	struct http_response res;
	enum { END_DELIVERED, END_DEAD, END_RETRY, END_RELEASE } end;
	int64_t retry_ms; /* when, for END_RETRY and END_RELEASE */
	struct sv why;
};

/* --- one delivery: send, then write down how it went --- */

enum { SEND, SETTLE, DONE };

static struct delivery *of_flow(struct flow *f)
{
	return container_of(f, struct delivery, flow);
}

static struct sv print(struct arena *a, void (*fn)(struct sv, struct sv, struct buf *),
	struct sv key, struct sv body)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 4096);
	fn(key, body, &b);
	return arena_sv(a, buf_sv(&b));
}

static void add_signatures(struct delivery *d, struct http_headers *h)
{
	struct arena *a = &d->flow.arena;
	own_in(buf_done) struct buf standard = { 0 };
	int64_t now_s = clock_now_ms() / 1000;

	buf_init(&standard, 4096);
	sign_standard(d->key, d->uuid, now_s, d->body, &standard);
	http_headers_add(a, h, SV_LIT("x-nango-signature"), print(a, sign_legacy, d->key, d->body));
	http_headers_add(a, h, SV_LIT("x-nango-hmac-sha256"), print(a, sign_hmac, d->key, d->body));
	http_headers_add(a, h, SV_LIT("webhook-id"), d->uuid);
	http_headers_add(a, h, SV_LIT("webhook-timestamp"),
		sv_str(arena_printf(a, "%lld", (long long)now_s)));
	http_headers_add(a, h, SV_LIT("webhook-signature"), arena_sv(a, buf_sv(&standard)));
}

/* Of forwarded events: what the provider sent along. */
static void add_stored(struct delivery *d, struct http_headers *h)
{
	own(json_unref) struct json_t *stored = NULL;
	struct json_t *value;
	struct sv name;
	void *it = NULL;

	if (json_parse(d->headers, &stored, NULL) < 0)
		return;
	while (json_next(stored, &it, &name, &value))
		if (http_token_ok(name) && http_header_value_ok(json_sv(value)))
			http_headers_add(&d->flow.arena, h, arena_sv(&d->flow.arena, name),
				arena_sv(&d->flow.arena, json_sv(value)));
}

static int enter_send(struct flow *f)
{
	struct delivery *d = of_flow(f);
	struct http_headers h = { 0 };
	struct redirect_policy policy = { MAX_HOPS, REDIRECT_KEEP_SAME_HOST };

	add_stored(d, &h);
	add_signatures(d, &h);
	http_headers_add(&f->arena, &h, SV_LIT("content-type"), SV_LIT("application/json"));
	http_headers_add(&f->arena, &h, SV_LIT("user-agent"), SV_LIT("tidemark/" TIDEMARK_VERSION));
	d->req = (struct http_request){
		.method = SV_LIT("POST"),
		.url = d->url,
		.headers = h.items,
		.header_count = h.count,
		.body = d->body,
		.total_timeout_ms = ATTEMPT_MS,
		.max_response = 1 << 20,
	};
	f->op.done = flow_wake;
	f->op.ctx = f;
	http_fetch(d->outbox->cfg.client, &f->op, &d->req, policy, &d->res);
	return flow_wait(f, SETTLE);
}

/* What Retry-After asks for; 0: nothing that could be meant. */
static int64_t retry_after_ms(const struct delivery *d)
{
	struct sv text = http_headers_get(&d->res.headers, "retry-after");
	int64_t ms = http_after_ms(text, clock_now_ms());

	return ms > 0 && ms < BACKOFF_MAX_MS ? ms : 0;
}

/* Doubling from the base to six hours, spread by a fifth so that receivers are not hit at once. */
static int64_t backoff_ms(const struct delivery *d)
{
	int64_t base = d->outbox->cfg.backoff_base_ms ? d->outbox->cfg.backoff_base_ms : 5000;
	int64_t wait = base;
	uint32_t noise;

	for (int64_t i = 1; i < d->attempts && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX_MS)
		wait = BACKOFF_MAX_MS;
	random_bytes(&noise, sizeof(noise));
	wait = wait * 4 / 5 + wait * 2 / 5 * (noise % 1000) / 1000;
	int64_t asked = retry_after_ms(d);
	return asked > wait ? asked : wait;
}

/* Refusals of our own guard and redirects without end: the next attempt would meet them too. */
static bool is_final(const char *code)
{
	static const char *const codes[] = { "invalid_url", "invalid_scheme", "denied_hostname",
		"denied_ip", "redirect_denied", "invalid_redirect", "ERR_FR_TOO_MANY_REDIRECTS" };

	for (size_t i = 0; code && i < ARRAY_LEN(codes); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

static bool may_retry(const struct http_response *res)
{
	if (res->status == 0)
		return !is_final(res->error.code);
	return res->status == 408 || res->status == 429 || res->status >= 500;
}

static void judge(struct delivery *d)
{
	struct flow *f = &d->flow;
	int status = d->res.status;
	int64_t now = clock_now_ms();

	if (status >= 200 && status < 300) {
		d->end = END_DELIVERED;
		return;
	}
	d->why = status ? sv_str(arena_printf(&f->arena, "HTTP %d", status))
			: sv_str(arena_printf(&f->arena, "%s: %.*s",
				  d->res.error.code ? d->res.error.code : err_label(f->err.code),
				  SV(d->res.error.message)));
	if (f->err.code == ERR_CANCELLED) {
		d->end = END_RELEASE;
		d->retry_ms = now;
	} else if (may_retry(&d->res) && now - d->created_ms < GIVE_UP_MS) {
		d->end = END_RETRY;
		d->retry_ms = now + backoff_ms(d);
	} else {
		d->end = END_DEAD;
	}
}

/* One line of the users' log: what was sent where, and what came of it. */
static void write_meta(const struct delivery *d, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_obj(&w);
	jw_kv_obj(&w, "request");
	jw_kv_cstr(&w, "method", "POST");
	jw_kv_str(&w, "url", d->url);
	jw_kv_str(&w, "webhookId", d->uuid);
	if (d->body.len <= LOGGED_BODY_MAX)
		jw_kv_str(&w, "body", d->body);
	jw_end(&w);
	if (d->res.status) {
		jw_kv_obj(&w, "response");
		jw_kv_i64(&w, "code", d->res.status);
		jw_end(&w);
	}
	jw_kv_i64(&w, "durationMs", d->res.total_ms);
	jw_kv_obj(&w, "retry");
	jw_kv_i64(&w, "attempt", d->attempts);
	if (d->end == END_RETRY)
		jw_kv_i64(&w, "nextMs", d->retry_ms);
	jw_end(&w);
	jw_end(&w);
}

static int log_attempt(struct dbc *c, const struct delivery *d, struct err *err)
{
	struct arena *a = db_arena(c);
	bool good = d->end == END_DELIVERED;
	const char *operation = outbox_operation(a, d->created_ms, d->uuid);
	int64_t now = clock_now_ms();
	own_in(buf_done) struct buf meta = { 0 };

	buf_init(&meta, 1 << 20);
	write_meta(d, &meta);
	struct sv what = good ? sv_str(arena_printf(a, "HTTP %d", d->res.status)) : d->why;
	const char *text = arena_printf(
		a, "POST %.*s %.*s (%lld ms)", SV(d->url), SV(what), (long long)d->res.total_ms);
	TRY(oplog_write(c, operation, good ? "info" : "error", "http", "internal", sv_str(text),
		buf_ok(&meta) ? buf_sv(&meta) : SV_NULL, now, err));
	if (d->end == END_RETRY)
		return 0;
	return oplog_close(c, operation, good ? "success" : "failed", SV_NULL, SV_NULL, now, err);
}

static int settle_job(struct dbc *c, void *arg, struct err *err)
{
	struct delivery *d = arg;
	struct arg status = d->res.status ? arg_i64(d->res.status) : arg_null();

	if (d->end != END_RELEASE)
		TRY(log_attempt(c, d, err));
	if (d->end == END_RETRY)
		return db_exec(c, Q_OUTBOX_RETRY,
			ARGS(arg_i64(d->id), arg_i64(d->attempts), arg_i64(d->retry_ms), status,
				arg_sv(d->why)),
			NULL, err);
	if (d->end == END_RELEASE)
		return db_exec(c, Q_OUTBOX_RELEASE,
			ARGS(arg_i64(d->id), arg_i64(d->attempts), arg_i64(d->retry_ms)), NULL,
			err);
	/* Who adds to the lane meanwhile must see this row gone, or be seen here: else it waits for
	 * ever. */
	TRY(db_exec(c, Q_OUTBOX_LANE_LOCK, ARGS(arg_sv(d->lane)), NULL, err));
	TRY(db_exec(c, Q_OUTBOX_END,
		ARGS(arg_i64(d->id), arg_i64(d->attempts),
			arg_str(d->end == END_DELIVERED ? "DELIVERED" : "DEAD"), status,
			arg_sv(d->why), arg_i64(clock_now_ms())),
		NULL, err));
	return db_exec(
		c, Q_OUTBOX_PROMOTE, ARGS(arg_sv(d->lane), arg_i64(clock_now_ms())), NULL, err);
}

static void count_end(struct delivery *d)
{
	struct outbox_stats *s = &d->outbox->stats;

	s->delivered += d->end == END_DELIVERED;
	s->failed += d->end == END_RETRY || d->end == END_DEAD;
	s->dead += d->end == END_DEAD;
	if (d->end == END_DEAD || d->end == END_RETRY)
		log_warn(NULL, "webhook not delivered", LOG_SV("url", d->url),
			LOG_SV("why", d->why), LOG_I64("attempt", d->attempts),
			LOG_BOOL("given_up", d->end == END_DEAD));
}

static int enter_settle(struct flow *f)
{
	struct delivery *d = of_flow(f);

	judge(d);
	count_end(d);
	f->err = (struct err){ 0 };
	f->op.done = flow_wake;
	f->op.ctx = f;
	db_submit(d->outbox->cfg.db, DB_WRITE, &f->op, settle_job, d);
	return flow_wait(f, DONE);
}

static int enter_done(struct flow *f UNUSED)
{
	return FLOW_END;
}

static const struct flow_step steps[] = {
	[SEND] = { "deliver webhook", enter_send, .timeout_ms = ATTEMPT_MS + 5000 },
	[SETTLE] = { "note delivery", enter_settle, .timeout_ms = 600000, .catches = true },
	[DONE] = { "end", enter_done, .timeout_ms = 0 },
};

static void unlink_delivery(struct delivery *d)
{
	*d->prev = d->next;
	if (d->next)
		d->next->prev = d->prev;
}

static void finish_drain(struct outbox *o)
{
	if (o->draining && o->drained && o->in_flight == 0 && !o->claiming) {
		void (*done)(void *ctx) = o->drained;
		o->drained = NULL;
		done(o->drained_ctx);
	}
}

static void ended(struct flow *f)
{
	struct delivery *d = of_flow(f);
	struct outbox *o = d->outbox;

	/* The claim runs out by itself, and the row is delivered again. */
	if (f->err.code != ERR_OK)
		log_error(NULL, "a webhook's delivery could not be noted", LOG_ERR(&f->err));
	unlink_delivery(d);
	http_response_done(&d->res);
	flow_done(f);
	mem_free(d);
	o->in_flight--;
	if (o->draining)
		finish_drain(o);
	else
		outbox_wake(o);
}

/* --- claiming --- */

static struct delivery *read_delivery(struct outbox *o, struct rows *r)
{
	struct delivery *d = NEW(struct delivery);
	struct arena *a = &d->flow.arena;

	flow_init(&d->flow, o->cfg.loop, steps, ended);
	d->outbox = o;
	http_response_init(&d->res);
	d->id = row_i64(r, 0);
	d->environment = row_i64(r, 1);
	d->lane = arena_sv(a, row_sv(r, 2));
	d->url = arena_sv(a, row_sv(r, 4));
	d->uuid = arena_sv(a, row_sv(r, 5));
	d->body = arena_sv(a, row_sv(r, 6));
	d->headers = arena_sv(a, row_sv(r, 7));
	d->attempts = row_i64(r, 8);
	d->created_ms = row_i64(r, 9);
	return d;
}

static void free_batch(struct outbox *o)
{
	for (size_t i = 0; i < o->batch_count; i++) {
		http_response_done(&o->batch[i]->res);
		flow_done(&o->batch[i]->flow);
		mem_free(o->batch[i]);
	}
	o->batch_count = 0;
}

static int claim_rows(struct outbox *o, struct dbc *c, unsigned limit, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int64_t now = clock_now_ms();
	int rc;

	TRY(db_query(c, Q_OUTBOX_CLAIM,
		ARGS(arg_i64(now), arg_i64(now + CLAIM_MS), arg_i64(limit),
			arg_str(o->cfg.node->owner)),
		&rows, err));
	while ((rc = rows_next(&rows, err)) > 0 && o->batch_count < limit)
		o->batch[o->batch_count++] = read_delivery(o, &rows);
	return rc < 0 ? rc : 0;
}

static int claim_job(struct dbc *c, void *arg, struct err *err)
{
	struct outbox *o = arg;
	own_in(rows_done) struct rows rows = { 0 };

	free_batch(o); /* of a first try of this job that was rolled back */
	arena_done(&o->claimed);
	o->batch = arena_array(&o->claimed, o->room + 1, sizeof(*o->batch));
	int64_t now = clock_now_ms();
	if (!o->recovered)
		TRY(db_exec(c, Q_OUTBOX_RECOVER,
			ARGS(arg_i64(now), arg_i64(now + CLAIM_MS), arg_str(o->cfg.node->owner),
				arg_str(o->cfg.node->place)),
			NULL, err));
	TRY(claim_rows(o, c, o->room, err));
	for (size_t i = 0; i < o->batch_count; i++) {
		struct delivery *d = o->batch[i];
		TRY(env_signing_key(c, o->cfg.keys, d->environment, &d->flow.arena, &d->key, err));
	}
	o->next_ms = 0;
	TRY(db_query(c, Q_OUTBOX_NEXT, NO_ARGS, &rows, err));
	int rc = rows_next(&rows, err);
	if (rc > 0 && row_i64(&rows, 0) < NEVER_MS)
		o->next_ms = row_i64(&rows, 0);
	return rc < 0 ? rc : 0;
}

static void start_batch(struct outbox *o)
{
	for (size_t i = 0; i < o->batch_count; i++) {
		struct delivery *d = o->batch[i];
		d->next = o->all;
		d->prev = &o->all;
		if (d->next)
			d->next->prev = &d->next;
		o->all = d;
		o->in_flight++;
		flow_start(&d->flow, SEND);
	}
	o->batch_count = 0;
}

static void timer_fired(struct timer *t)
{
	outbox_wake(container_of(t, struct outbox, timer));
}

/* Failing claims (a full disk...) are tried again after a while. */
enum { CLAIM_FAILED_MS = 1000, SLEEP_MAX_MS = 3600000 };

static void sleep_until_due(struct outbox *o, bool failed)
{
	int64_t wait = failed ? CLAIM_FAILED_MS : o->next_ms - clock_now_ms();

	if (!failed && !o->next_ms)
		return;
	if (wait < 0)
		wait = 0;
	timer_start(o->cfg.loop, &o->timer, wait > SLEEP_MAX_MS ? SLEEP_MAX_MS : wait, timer_fired);
}

static void claimed(void *ctx, const struct err *err)
{
	struct outbox *o = ctx;
	bool failed = err->code != ERR_OK;

	o->claiming = false;
	if (failed) {
		log_error(NULL, "webhooks could not be claimed", LOG_ERR(err));
		free_batch(o);
	}
	o->recovered |= !failed;
	start_batch(o);
	if (o->draining) {
		outbox_drain(o, o->drained, o->drained_ctx);
		return;
	}
	sleep_until_due(o, failed);
	if (o->again)
		outbox_wake(o);
}

void outbox_wake(struct outbox *o)
{
	if (o->draining)
		return;
	o->again = o->claiming;
	/* With all places taken the next delivery that ends wakes us. */
	if (o->claiming || o->in_flight >= (int64_t)o->cfg.parallel)
		return;
	timer_stop(o->cfg.loop, &o->timer);
	o->claiming = true;
	o->room = o->cfg.parallel - (unsigned)o->in_flight;
	o->claim = (struct op){ .done = claimed, .ctx = o };
	db_submit(o->cfg.db, DB_WRITE, &o->claim, claim_job, o);
}

struct outbox *outbox_new(const struct outbox_config *cfg)
{
	struct outbox *o = NEW(struct outbox);

	o->cfg = *cfg;
	if (!o->cfg.parallel)
		o->cfg.parallel = PARALLEL;
	outbox_wake(o);
	return o;
}

static void drain_timer(struct timer *t)
{
	finish_drain(container_of(t, struct outbox, timer));
}

void outbox_drain(struct outbox *o, void (*done)(void *ctx), void *ctx)
{
	struct delivery *next;

	o->draining = true;
	o->drained = done;
	o->drained_ctx = ctx;
	timer_stop(o->cfg.loop, &o->timer);
	if (o->in_flight == 0 && !o->claiming) {
		/* Never inside the call that starts the wait. */
		timer_start(o->cfg.loop, &o->timer, 0, drain_timer);
		return;
	}
	for (struct delivery *d = o->all; d; d = next) {
		next = d->next;
		/* What has been answered is written down, or it would be delivered twice. */
		if (d->flow.step == SEND)
			flow_cancel(&d->flow, ERR_CANCELLED, "the server is ending");
	}
}

void outbox_free(struct outbox *o)
{
	if (!o)
		return;
	assert(o->in_flight == 0 && !o->claiming);
	timer_stop(o->cfg.loop, &o->timer);
	arena_done(&o->claimed);
	mem_free(o);
}

struct outbox_stats outbox_stats(const struct outbox *o)
{
	struct outbox_stats s = o->stats;

	s.in_flight = o->in_flight;
	return s;
}
