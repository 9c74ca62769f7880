/* The browser's way back from the provider. */
#include "api/connections.h"
#include "api/handlers.h"
#include "api/oauth.h"
#include "auth/authorize.h"
#include "auth/authorize1.h"
#include "base/log.h"
#include "base/sv.h"
#include "data/json.h"
#include "db/db.h"
#include "http/redirect.h"
#include "model/integration.h"
#include "model/provider.h"

#include <stdio.h>

struct returning {
	struct oauth_session session;
	struct connecting k;
	struct json_t *app, *secret, *none;
	struct grant grant;
	struct http_request request;
	struct http_response response;
	struct sv credentials;
	struct establishing establishing;
};

static void returning_done(struct returning *r)
{
	connecting_done(&r->k);
	json_unref(take(r->app));
	json_unref(take(r->secret));
	json_unref(take(r->none));
	json_unref(take(r->grant.next));
	http_response_done(&r->response);
}

static struct sv state_of(const struct api_call *call)
{
	static const char *const names[] = { "state", "payload", "customField" };
	struct sv state = SV_NULL;

	for (size_t i = 0; i < ARRAY_LEN(names) && !state.len; i++)
		state = api_query(call, names[i]);
	return state;
}

static bool has_cookie(struct api_call *call, struct sv state)
{
	struct sv want = sv_str(arena_printf(call->arena, "oauth2-%.*s=1", SV(state)));
	struct sv rest = api_head(call, "cookie"), one;

	while (rest.len && sv_split(&rest, ';', &one))
		if (sv_eq(sv_trim(one), want))
			return true;
	return false;
}

/* Takes the state out of the store, whatever comes next: it is good for one answer. */
static int take_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct returning *r = call->state;

	call->refused = false;
	returning_done(r);
	http_response_init(&r->response);
	r->k = (struct connecting){ .in = ARENA_NEW(call->arena, struct integration) };
	int rc = oauth_session_take(
		c, call->eng->keys, state_of(call), call->arena, &r->session, err);
	if (rc >= 0)
		rc = connect_session_get(c, r->session.session_id, call->arena, &r->k.session, err);
	if (rc == ERR_NOT_FOUND)
		return oauth_refuse(call, err, 400, "state_err", SV_NULL,
			"this authorisation is unknown, or took too long: begin again");
	TRY(rc);
	TRY(json_parse(r->k.session.spec, &r->k.spec, err));
	TRY(json_parse(r->session.secret, &r->secret, err));
	TRY(integration_get(c, r->session.integration_id, call->arena, r->k.in, err));
	return oauth_grant(call, c, r->k.in, &r->grant, &r->app, err);
}

static int save_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct returning *r = call->state;

	api_job_begin(call);
	r->establishing = (struct establishing){ 0 };
	connecting_fill(call, &r->k, &r->establishing.connection);
	r->establishing.connection.connection_config = api_dump(call, r->grant.config);
	return connection_establish(call, c, &r->establishing, r->credentials, err);
}

static void refuse_return(struct api_call *call, const char *type, const char *text)
{
	struct returning *r = call->state;

	log_warn(NULL, "a customer could not connect", LOG_SV("integration", r->k.in->unique_key),
		LOG_STR("error", text));
	oauth_refuse(call, NULL, 400, type, r->k.in->unique_key, text);
}

static bool connected(struct api_call *call)
{
	struct returning *r = call->state;
	const struct establishing *e = &r->establishing;
	own(json_unref) struct json_t *message = json_new_obj();

	if (call->flow.err.code == ERR_OK && e->refusal.ptr) {
		refuse_return(
			call, "connection_validation_failed", arena_str(call->arena, e->refusal));
	} else if (call->flow.err.code == ERR_OK) {
		json_set_str(message, "message_type", SV_LIT("success"));
		json_set_str(message, "provider_config_key", e->connection.integration);
		json_set_str(message, "connection_id", e->connection.connection_id);
		json_set_bool(message, "is_pending", false);
		oauth_page(call, 200, message);
	}
	returning_done(r);
	return false;
}

static bool saved(struct api_call *call)
{
	struct returning *r = call->state;

	return connection_validate(call, &r->establishing, connected);
}

/* Members of the answer that the provider's entry wants in the connection's config. */
static void keep_metadata(struct returning *r, const struct json_t *answer)
{
	const struct json_t *names =
		json_member(r->grant.provider->json, SV_LIT("token_response_metadata"));
	struct json_t *config = json_member(r->secret, SV_LIT("config"));

	for (size_t i = 0; json_kind(names) == JSON_KIND_ARRAY && i < json_len(names); i++) {
		struct sv name = json_sv(json_item(names, i));
		const struct json_t *v = json_find(answer, name);
		if (v)
			json_set(config, name, json_clone(v));
	}
}

/* The provider's answer as credentials. */
static int accept(struct api_call *call, struct err *err)
{
	own(json_unref) struct json_t *answer = NULL;
	struct returning *r = call->state;
	struct grant_refusal refusal;

	TRY(grant_answer(&r->grant, r->request.url, &r->response, &answer, &refusal, err));
	r->grant.next = json_new_obj();
	json_set_str(r->grant.next, "type", sv_str(auth_type_name(r->grant.type)));
	if (r->grant.type == AUTH_OAUTH1)
		TRY(authorize1_accept(&r->grant, answer, err));
	else
		TRY(grant_oauth2_take(&r->grant, answer, err));
	keep_metadata(r, answer);
	r->credentials = api_dump(call, r->grant.next);
	return 0;
}

static bool exchanged(struct api_call *call)
{
	struct returning *r = call->state;
	struct err err = { 0 };

	/* No answer at all is told like a bad one; a client that has gone is nobody to tell. */
	if (call->flow.err.code != ERR_CANCELLED)
		call->flow.err = (struct err){ 0 };
	if (call->flow.err.code != ERR_OK || accept(call, &err) < 0) {
		if (err.code != ERR_OK)
			refuse_return(call, "token_err", err.msg);
		returning_done(r);
		return false;
	}
	call->keeps_on = true;
	call->finish = saved;
	db_submit(call->eng->db, DB_WRITE, &call->flow.op, save_job, call);
	return true;
}

/* Whether the provider said yes and the browser is the one that asked. */
static bool may_exchange(struct api_call *call)
{
	const struct json_t *secret = ((struct returning *)call->state)->secret;
	struct sv token = json_sv(json_member(secret, SV_LIT("token")));
	struct sv error = api_query(call, "error");
	char text[160];

	if (!has_cookie(call, state_of(call))) {
		refuse_return(call, "state_err",
			"this authorisation was begun in another browser: begin again");
		return false;
	}
	const char *proof = token.len ? "oauth_verifier" : "code";
	if (token.len && !sv_eq(token, api_query(call, "oauth_token"))) {
		refuse_return(
			call, "callback_err", "the provider answered with another token, or none");
		return false;
	}
	if (error.len || !api_query(call, proof).len) {
		if (!error.len)
			error = sv_str(arena_printf(call->arena, "no %s", proof));
		snprintf(text, sizeof(text), "the provider answered: %.*s", SV(error));
		refuse_return(call, "callback_err", text);
		return false;
	}
	return true;
}

static int begin_exchange(struct api_call *call, struct err *err)
{
	struct returning *r = call->state;
	struct authorize a = {
		.redirect_uri = json_sv(json_member(r->secret, SV_LIT("redirect_uri"))),
		.verifier = json_sv(json_member(r->secret, SV_LIT("verifier"))),
	};

	r->none = json_new_obj();
	r->grant.config = json_member(r->secret, SV_LIT("config"));
	r->grant.credentials = r->none;
	if (!oauth_in_browser(r->grant.provider, &r->grant.type))
		return err_set(err, ERR_INVALID, "the provider is not in the catalogue any more");
	const struct authorize1_token t = {
		json_sv(json_member(r->secret, SV_LIT("token"))),
		json_sv(json_member(r->secret, SV_LIT("token_secret"))),
	};
	if (r->grant.type == AUTH_OAUTH1)
		TRY(authorize1_exchange(
			&r->grant, &t, api_query(call, "oauth_verifier"), &r->request, err));
	else
		TRY(authorize_ask(&r->grant, &a, api_query(call, "code"), &r->request, err));
	r->request.total_timeout_ms = OAUTH_EXCHANGE_MS;
	r->request.max_response = OAUTH_ANSWER_MAX;
	return 0;
}

static bool taken(struct api_call *call)
{
	struct redirect_policy policy = { OAUTH_HOPS_MAX, REDIRECT_KEEP_PLAIN };
	struct returning *r = call->state;
	struct err err = { 0 };

	if (call->flow.err.code != ERR_OK) {
		returning_done(r);
		return false; /* a refusal, or answered as our failure */
	}
	bool good = may_exchange(call);
	if (good && begin_exchange(call, &err) < 0) {
		refuse_return(call, "provider_config_err", err.msg);
		good = false;
	}
	if (!good) {
		returning_done(r);
		return false;
	}
	call->finish = exchanged;
	http_fetch(call->eng->client, &call->flow.op, &r->request, policy, &r->response);
	return true;
}

bool oauth_callback(struct api_call *call)
{
	struct returning *r = ARENA_NEW(call->arena, struct returning);

	if (!state_of(call).len) {
		oauth_refuse(call, NULL, 400, "state_err", SV_NULL, "the answer has no state");
		return false;
	}
	http_response_init(&r->response);
	call->state = r;
	call->finish = taken;
	db_submit(call->eng->db, DB_WRITE, &call->flow.op, take_job, call);
	return true;
}
