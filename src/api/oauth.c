/* The browser's way to the provider, and the page that leads there. */
#include "api/oauth.h"

#include "api/handlers.h"
#include "auth/authorize.h"
#include "auth/authorize1.h"
#include "base/log.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/uuid.h"
#include "db/db.h"
#include "http/redirect.h"
#include "model/integration.h"
#include "model/provider.h"

/* On the way to the provider. */
struct departing {
	struct connecting k;
	struct json_t *app, *config, *params, *none;
	struct grant grant;
	struct authorize authorize;
	char state[UUID_TEXT_SIZE], verifier[PKCE_SIZE];
	/* OAuth 1: the request for a request token. */
	bool asks;
	struct http_request request;
	struct http_response response;
	struct authorize1_token token;
};

static void departing_done(struct departing *d)
{
	connecting_done(&d->k);
	json_unref(take(d->app));
	json_unref(take(d->config));
	json_unref(take(d->params));
	json_unref(take(d->none));
	json_unref(take(d->grant.answers[0]));
	http_response_done(&d->response);
}

static int keep_session(
	struct api_call *call, struct dbc *c, const struct departing *d, struct err *err)
{
	own(json_unref) struct json_t *secret = json_new_obj();
	const struct authorize *a = &d->authorize;
	struct oauth_session s = { .state = a->state,
		.environment_id = d->k.session.environment_id,
		.integration_id = d->k.in->id,
		.session_id = d->k.session.id };

	json_set_str(secret, "redirect_uri", a->redirect_uri);
	if (a->verifier.len)
		json_set_str(secret, "verifier", a->verifier);
	if (d->token.token.len) {
		json_set_str(secret, "token", d->token.token);
		json_set_str(secret, "token_secret", d->token.secret);
	}
	json_set(secret, SV_LIT("config"), json_ref(d->config));
	s.secret = api_dump(call, secret);
	return oauth_session_create(c, call->eng->keys, &s, err);
}

static void answer_redirect(struct api_call *call, struct sv state, struct sv url)
{
	bool secure = strncmp(api_base_url(call), "https:", 6) == 0;

	call->status = 302;
	api_header(call, "location", url);
	api_header(call, "cache-control", SV_LIT("no-store"));
	api_header(call, "set-cookie",
		sv_str(arena_printf(call->arena,
			"oauth2-%.*s=1; Path=/oauth/callback; Max-Age=900; HttpOnly; "
			"SameSite=Lax%s",
			SV(state), secure ? "; Secure" : "")));
}

/* What the browser says and the session sets, for a grant of nobody yet. */
static void prepare(struct api_call *call, struct departing *d)
{
	struct authorize *a = &d->authorize;
	struct sv scopes = json_sv(json_member(d->k.defaults, SV_LIT("user_scopes")));

	d->config = connecting_config(call, &d->k);
	d->params = connecting_merge(call, "authorization_params", &d->k, "authorization_params");
	d->none = json_new_obj();
	d->grant.config = d->config;
	d->grant.credentials = d->none;
	*a = (struct authorize){ .params = d->params,
		.scopes = scopes.len ? scopes : api_query(call, "user_scope"),
		.state = sv_str(uuid_format(uuid_v4(), d->state)),
		.redirect_uri = sv_str(
			arena_printf(call->arena, "%s/oauth/callback", api_base_url(call))) };
	if (d->grant.type != AUTH_OAUTH1 && authorize_wants_pkce(d->grant.provider)) {
		pkce_verifier(d->verifier);
		a->verifier = sv_str(d->verifier);
	}
}

static int depart_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct departing *d = call->state;
	struct err why = { 0 };
	struct sv url;

	api_job_begin(call);
	departing_done(d);
	*d = (struct departing){ 0 };
	http_response_init(&d->response);
	TRY(connecting_begin(call, c, &d->k, err));
	TRY(oauth_grant(call, c, d->k.in, &d->grant, &d->app, err));
	if (!oauth_in_browser(d->grant.provider, &d->grant.type))
		return oauth_refuse(call, err, 400, "auth_mode_err", d->k.in->unique_key,
			"customers of this provider do not connect in a browser");
	prepare(call, d);
	const struct authorize *a = &d->authorize;
	if (d->grant.type == AUTH_OAUTH1) {
		/* It is all that comes back for sure: the state is a part of the address. */
		struct sv callback = sv_str(arena_printf(
			call->arena, "%.*s?state=%.*s", SV(a->redirect_uri), SV(a->state)));
		d->asks = true;
		if (authorize1_begin(&d->grant, callback, &d->request, &why) < 0)
			return oauth_refuse(call, err, 400, "provider_config_err",
				d->k.in->unique_key, why.msg);
		return 0;
	}
	if (authorize_url(&d->grant, a, &url, &why) < 0)
		return oauth_refuse(
			call, err, 400, "provider_config_err", d->k.in->unique_key, why.msg);
	TRY(keep_session(call, c, d, err));
	answer_redirect(call, a->state, url);
	return 0;
}

static bool departed(struct api_call *call)
{
	departing_done(call->state);
	return false;
}

static int remember_job(struct dbc *c, void *arg, struct err *err)
{
	struct api_call *call = arg;
	struct departing *d = call->state;
	struct err why = { 0 };
	struct sv url;

	api_job_begin(call);
	if (authorize1_url(&d->grant, d->token.token, d->params, &url, &why) < 0)
		return oauth_refuse(
			call, err, 400, "provider_config_err", d->k.in->unique_key, why.msg);
	TRY(keep_session(call, c, d, err));
	answer_redirect(call, d->authorize.state, url);
	return 0;
}

/* OAuth 1: with a request token the customer can go. */
static bool token_given(struct api_call *call)
{
	struct departing *d = call->state;
	struct grant *g = &d->grant;
	struct grant_refusal refusal;
	struct err why = { 0 };

	/* No answer at all is told like a bad one; a client that has gone is nobody to tell. */
	if (call->flow.err.code == ERR_CANCELLED)
		return departed(call);
	call->flow.err = (struct err){ 0 };
	if (grant_answer(g, d->request.url, &d->response, &g->answers[0], &refusal, &why) < 0 ||
		authorize1_token(g->answers[0], &d->token, &why) < 0) {
		log_warn(NULL, "a provider gave no request token",
			LOG_SV("integration", d->k.in->unique_key), LOG_STR("error", why.msg));
		oauth_refuse(call, NULL, 400, "request_token_err", d->k.in->unique_key, why.msg);
		return departed(call);
	}
	call->finish = departed;
	db_submit(call->eng->db, DB_WRITE, &call->flow.op, remember_job, call);
	return true;
}

static bool prepared(struct api_call *call)
{
	struct redirect_policy policy = { OAUTH_HOPS_MAX, REDIRECT_KEEP_PLAIN };
	struct departing *d = call->state;

	if (call->flow.err.code != ERR_OK || !d->asks)
		return departed(call);
	d->request.total_timeout_ms = OAUTH_EXCHANGE_MS;
	d->request.max_response = OAUTH_ANSWER_MAX;
	call->finish = token_given;
	http_fetch(call->eng->client, &call->flow.op, &d->request, policy, &d->response);
	return true;
}

bool oauth_connect(struct api_call *call)
{
	struct departing *d = ARENA_NEW(call->arena, struct departing);

	http_response_init(&d->response);
	call->state = d;
	call->finish = prepared;
	db_submit(call->eng->db, DB_WRITE, &call->flow.op, depart_job, call);
	return true;
}

/* --- the page behind connect_link --- */

static void write_escaped(struct buf *out, struct sv text)
{
	for (size_t i = 0; i < text.len; i++) {
		char ch = text.ptr[i];
		if (strchr("<>&\"'", ch))
			buf_printf(out, "&#%d;", ch);
		else
			buf_char(out, ch);
	}
}

static void write_link(struct api_call *call, const struct integration *in, struct sv token)
{
	const struct provider *p = provider_find(call->eng->providers, in->provider);
	enum auth_type type;

	if (!oauth_in_browser(p, &type))
		return;
	buf_str(&call->out, "<p><a href=\"/oauth/connect/");
	enc_percent(&call->out, in->unique_key, ENC_COMPONENT);
	buf_printf(&call->out, "?connect_session_token=%.*s\">", SV(token));
	write_escaped(&call->out, in->display_name.ptr ? in->display_name : p->display_name);
	buf_str(&call->out, "</a></p>\n");
}

int connect_page(struct api_call *call, struct dbc *c, struct err *err)
{
	own(json_unref) struct json_t *spec = NULL;
	struct sv token = api_query(call, "session_token");
	struct connect_session s;
	struct integration *all;
	size_t count;

	if (!connect_token_format_ok(token) ||
		connect_session_find(c, token, call->arena, &s, err) < 0)
		return oauth_refuse(call, err, 401, "unknown_err", SV_NULL,
			"this link is not good any more: ask for another one");
	TRY(json_parse(s.spec, &spec, err));
	TRY(integration_list(c, s.environment_id, call->arena, &all, &count, err));
	call->status = 200;
	call->content_type = "text/html; charset=utf-8";
	api_header(call, "referrer-policy", SV_LIT("no-referrer"));
	buf_str(&call->out, "<!doctype html><meta charset=\"utf-8\"><title>Connect</title>\n"
			    "<h1>Connect</h1>\n");
	for (size_t i = 0; i < count; i++)
		if (connect_allows(spec, all[i].unique_key))
			write_link(call, &all[i], token);
	return 0;
}
