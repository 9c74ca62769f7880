#include "auth/subject.h"

#include "auth/quirks.h"
#include "base/clock.h"
#include "base/fault.h"
#include "data/json.h"
#include "db/db.h"
#include "model/auth_webhook.h"
#include "model/integration.h"
#include "model/oplog.h"
#include "model/provider.h"

/*
 * The lease outlives every conversation (refresh.c begins no request later than 40 s into it), so
 * that only a process that died or stood still can lose it while it asks.
 */
enum { LEASE_MS = 70 * 1000, NEW_TOKEN_MS = 60 * 1000 };
enum { BACKOFF_MS = 30 * 1000, BACKOFF_MAX_MS = 3600 * 1000, BACKOFF_DOUBLINGS = 10 };
enum { FAILED_DAYS_MAX = 4, DAY_MS = 24 * 3600 * 1000 };

void subject_done(struct subject *s)
{
	credentials_done(&s->credentials);
	json_unref(take(s->config));
	json_unref(take(s->app));
	json_unref(take(s->custom));
	arena_done(&s->arena);
}

/* --- what there is --- */

static int parse_opt(struct sv text, struct json_t **ret, struct err *err)
{
	return text.len ? json_parse(text, ret, err) : 0;
}

static int load_secrets(struct dbc *c, struct subject *s, struct err *err)
{
	struct integration in;
	struct sv text, app = SV_NULL, custom = SV_NULL;

	TRY(integration_get(c, s->conn.integration_id, &s->arena, &in, err));
	TRY(connection_credentials(c, s->keys, &s->conn, &s->arena, &text, err));
	TRY(integration_credentials(c, s->keys, &in, &s->arena, &app, err));
	TRY(integration_custom(c, s->keys, &in, &s->arena, &custom, err));
	TRY(credentials_parse(text, &s->credentials, err));
	TRY(parse_opt(app, &s->app, err));
	TRY(parse_opt(custom, &s->custom, err));
	TRY(parse_opt(s->conn.connection_config, &s->config, err));
	s->provider = provider_find(s->providers, in.provider);
	return 0;
}

static enum subject_verdict decide(const struct subject *s, int64_t now)
{
	const struct token_refresh *t = &s->last;

	if (!s->provider || !token_renewable(s->provider, &s->credentials))
		return SUBJECT_FRESH;
	if (s->known.ptr && !sv_eq(s->known, s->conn.credentials_sealed))
		return SUBJECT_RENEWED;
	if (s->why != REFRESH_DEMANDED && quirk_of(s->provider)->on_demand)
		return SUBJECT_FRESH;
	if (s->why == REFRESH_DUE && s->state == TOKEN_FRESH)
		return SUBJECT_FRESH;
	if (s->why == REFRESH_REFUSED && now - t->refreshed_ms < NEW_TOKEN_MS)
		return SUBJECT_FRESH;
	if (s->why != REFRESH_DEMANDED && t->exhausted)
		return SUBJECT_EXHAUSTED;
	if (s->why != REFRESH_DEMANDED && now < t->retry_ms)
		return SUBJECT_BACKOFF;
	if (!s->fence && t->lease_ms > now)
		return SUBJECT_BUSY;
	return SUBJECT_ASK;
}

/* Afresh each time: a job may be repeated. */
static int look(struct dbc *c, struct subject *s, struct err *err)
{
	int64_t now = clock_now_ms();

	subject_done(s);
	int rc = connection_get(c, s->id, &s->arena, &s->conn, err);
	if (rc == ERR_NOT_FOUND) {
		s->verdict = SUBJECT_GONE;
		return 0;
	}
	TRY(rc);
	TRY(load_secrets(c, s, err));
	TRY(token_refresh_get(c, s->id, &s->arena, &s->last, err));
	s->state = s->provider ? token_state(s->provider, &s->credentials, now) : TOKEN_FRESH;
	s->verdict = decide(s, now);
	return 0;
}

int subject_look(struct dbc *c, void *arg, struct err *err)
{
	struct subject *s = arg;

	s->fence = 0;
	return look(c, s, err);
}

int subject_claim(struct dbc *c, void *arg, struct err *err)
{
	struct subject *s = arg;
	int64_t now = clock_now_ms();

	TRY(token_refresh_claim(c, s->id, s->node, now, now + LEASE_MS, &s->fence, err));
	TRY(look(c, s, err));
	if (!s->fence) {
		if (s->verdict == SUBJECT_ASK)
			s->verdict = SUBJECT_BUSY;
		return 0;
	}
	if (s->verdict == SUBJECT_ASK)
		return 0;
	TRY(token_refresh_release(c, s->id, s->fence, err));
	s->fence = 0;
	return 0;
}

/* --- how it went --- */

static int write_operation(
	struct dbc *c, const struct subject *s, const char *id, bool good, struct err *err)
{
	int64_t now = clock_now_ms();
	struct sv text = good ? SV_LIT("the token was refreshed") : sv_str(s->failure.message);
	struct oplog_operation op = {
		.id = id,
		.environment_id = s->conn.environment_id,
		.type = "auth",
		.action = "refresh_token",
		.state = good ? "success" : "failed",
		.message = SV_LIT("Token refresh"),
		.integration = s->conn.integration,
		.connection = s->conn.connection_id,
		.created_ms = now,
		.ended_ms = now,
	};

	TRY(oplog_open(c, &op, err));
	return oplog_write(
		c, id, good ? "info" : "error", "log", "internal", text, SV_NULL, now, err);
}

int subject_save(struct dbc *c, void *arg, struct err *err)
{
	struct subject *s = arg;
	int64_t now = clock_now_ms();
	char id[OPLOG_ID_SIZE];

	TRY(FAULT("token.save", err));
	TRY(connection_swap_credentials(c, s->keys, &s->conn, s->next, &s->swapped, err));
	if (!s->swapped)
		return token_refresh_release(c, s->id, s->fence, err);
	TRY(token_refresh_succeeded(c, s->id, s->fence, now, err));
	return write_operation(c, s, oplog_id(now, id), true, err);
}

static int64_t backoff_ms(const struct subject *s, int64_t failures)
{
	int64_t base = s->backoff_ms ? s->backoff_ms : BACKOFF_MS;
	int64_t doublings = failures - 1 < BACKOFF_DOUBLINGS ? failures - 1 : BACKOFF_DOUBLINGS;
	int64_t ms = base << doublings;

	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static struct token_refresh after_failure(
	const struct subject *s, const struct token_refresh *before, int64_t now)
{
	bool new_day = now / DAY_MS != before->failed_ms / DAY_MS;
	struct token_refresh t = {
		.fence = s->fence,
		.failures = before->failures + 1,
		.failed_days = before->failed_days + new_day,
		.failed_ms = now,
		.error = sv_str(s->failure.message),
	};

	t.retry_ms = now + backoff_ms(s, t.failures);
	t.exhausted =
		before->exhausted || s->failure.refusal.final || t.failed_days >= FAILED_DAYS_MAX;
	return t;
}

/* The app hears of the first failure, of each further day, and that there will be no other. */
static bool is_news(const struct token_refresh *before, const struct token_refresh *now)
{
	return now->failed_days > before->failed_days || now->exhausted > before->exhausted;
}

static int tell(struct dbc *c, struct subject *s, struct err *err)
{
	const struct auth_event e = {
		.connection = &s->conn,
		.auth_mode = s->provider->auth_mode,
		.operation = AUTH_REFRESH,
		.error_type = s->failure.refusal.code,
		.error_text = sv_str(s->failure.message),
	};

	int owed = auth_webhook_owe(c, &e, err);
	s->owed = owed;
	return owed < 0 ? owed : 0;
}

int subject_fail(struct dbc *c, void *arg, struct err *err)
{
	struct subject *s = arg;
	struct connection as_is;
	struct token_refresh before;
	int64_t now = clock_now_ms();
	char id[OPLOG_ID_SIZE];

	s->owed = 0;
	TRY(token_refresh_get(c, s->id, db_arena(c), &before, err));
	int rc = connection_get(c, s->id, db_arena(c), &as_is, err);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		return rc;
	s->swapped =
		rc == ERR_NOT_FOUND || !sv_eq(as_is.credentials_sealed, s->conn.credentials_sealed);
	/* Somebody else's credentials, or lease, by now: the failure is of no interest. */
	if (s->swapped || before.fence != s->fence)
		return token_refresh_release(c, s->id, s->fence, err);
	struct token_refresh t = after_failure(s, &before, now);
	TRY(token_refresh_failed(c, s->id, &t, err));
	oplog_id(now, id);
	TRY(connection_set_auth_error(c, s->id, id, err));
	TRY(write_operation(c, s, id, false, err));
	return is_news(&before, &t) ? tell(c, s, err) : 0;
}
