/*
 * OAuth 2 in the customer's browser: to the provider and back. What the browser carries is the
 * state, which is in the store too, good for one answer, and in a cookie, so that nobody can finish
 * in one browser what was begun in another.
 */
#include "api/connect.h"
#include "api/connections.h"
#include "api/handlers.h"
#include "auth/authorize.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/uuid.h"
#include "db/db.h"
#include "http/redirect.h"
#include "model/connection.h"
#include "model/integration.h"
#include "model/provider.h"

#include <stdio.h>

enum { EXCHANGE_MS = 25 * 1000, ANSWER_MAX = 1 << 20, HOPS_MAX = 5 };

/* --- pages --- */

/* JSON inside a script: no text may end the script. */
static void write_script_json(struct buf *out, const struct json_t *v)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, 64 * 1024);
	json_dump_compact(v, &text);
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '<')
			buf_str(out, "\\u003c");
		else
			buf_char(out, text.ptr[i]);
	}
}

/* A page that tells whoever opened the window, and closes it. */
static int page(struct api_call *call, int status, const struct json_t *message)
{
	call->status = status;
	call->content_type = "text/html; charset=utf-8";
	api_header(call, "cache-control", SV_LIT("no-store"));
	api_header(call, "referrer-policy", SV_LIT("no-referrer"));
	api_header(call, "content-security-policy",
		SV_LIT("default-src 'none'; script-src 'unsafe-inline'"));
	buf_clear(&call->out);
	buf_str(&call->out, "<!doctype html><meta charset=\"utf-8\"><title>Connect</title><p></p>"
			    "<script>\nconst message = ");
	write_script_json(&call->out, message);
	buf_str(&call->out,
		";\ndocument.querySelector('p').textContent = message.error_desc\n"
		"\t? 'Not connected: ' + message.error_desc\n"
		"\t: 'Connected. This window can be closed.';\n"
		"if (window.opener) window.opener.postMessage(message, '*');\n"
		"try { new BroadcastChannel('nango-oauth-callback').postMessage(message); } catch "
		"{}\n"
		"if (!message.error_desc) window.close();\n</script>\n");
	return 0;
}

/* For job handlers: what was written is rolled back. */
static int refuse(struct api_call *call, struct err *err, int status, const char *type,
	struct sv integration, const char *text)
{
	own(json_unref) struct json_t *message = json_new_obj();

	json_set_str(message, "message_type", SV_LIT("error"));
	json_set_str(message, "provider_config_key", integration.ptr ? integration : SV_LIT(""));
	json_set_str(message, "error_type", sv_str(type));
	json_set_str(message, "error_desc", sv_str(text));
	page(call, status, message);
	call->refused = true;
	return err_set(err, ERR_INVALID, "%s", type);
}

/* --- to the provider --- */

static bool is_oauth2(const struct provider *p, enum auth_type *ret)
{
	return p && auth_type_parse(p->auth_mode, ret) &&
	       (*ret == AUTH_OAUTH2 || *ret == AUTH_MCP_OAUTH2 || *ret == AUTH_MCP_OAUTH2_GENERIC);
}

static int keep_session(struct api_call *call, struct dbc *c, const struct connecting *k,
	const struct authorize *a, struct json_t *config, struct err *err)
{
	own(json_unref) struct json_t *secret = json_new_obj();
	struct oauth_session s = { .state = a->state,
		.environment_id = k->session.environment_id,
		.integration_id = k->in->id,
		.session_id = k->session.id };

	json_set_str(secret, "redirect_uri", a->redirect_uri);
	if (a->verifier.len)
		json_set_str(secret, "verifier", a->verifier);
	json_set(secret, SV_LIT("config"), json_ref(config));
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

/* The grant of an integration, for whoever will be connected. */
static int load_grant(struct api_call *call, struct dbc *c, const struct integration *in,
	struct grant *g, struct json_t **ret_app, struct err *err)
{
	struct sv app = SV_NULL;

	TRY(integration_credentials(c, call->eng->keys, in, call->arena, &app, err));
	if (app.len)
		TRY(json_parse(app, ret_app, err));
	*g = (struct grant){ .provider = provider_find(call->eng->providers, in->provider),
		.arena = call->arena,
		.now_ms = clock_now_ms(),
		.app = *ret_app };
	uuid_format(uuid_v4(), g->random);
	return 0;
}

int oauth_connect(struct api_call *call, struct dbc *c, struct err *err)
{
	own_in(connecting_done) struct connecting k = { 0 };
	own(json_unref) struct json_t *app = NULL, *config = NULL, *params = NULL, *none = NULL;
	char state[UUID_TEXT_SIZE], verifier[PKCE_SIZE];
	struct err why = { 0 };
	struct grant g;
	struct sv url;

	TRY(connecting_begin(call, c, &k, err));
	TRY(load_grant(call, c, k.in, &g, &app, err));
	if (!is_oauth2(g.provider, &g.type))
		return refuse(call, err, 400, "auth_mode_err", k.in->unique_key,
			"the provider of this integration does not do OAuth 2");
	config = connecting_config(call, &k);
	params = connecting_merge(call, "authorization_params", &k, "authorization_params");
	none = json_new_obj();
	g.config = config;
	g.credentials = none;
	struct sv scopes = json_sv(json_member(k.defaults, SV_LIT("user_scopes")));
	struct authorize a = { .params = params,
		.scopes = scopes.len ? scopes : api_query(call, "user_scope"),
		.state = sv_str(uuid_format(uuid_v4(), state)),
		.redirect_uri = sv_str(
			arena_printf(call->arena, "%s/oauth/callback", api_base_url(call))) };
	if (authorize_wants_pkce(g.provider)) {
		pkce_verifier(verifier);
		a.verifier = sv_str(verifier);
	}
	if (authorize_url(&g, &a, &url, &why) < 0)
		return refuse(call, err, 400, "provider_config_err", k.in->unique_key, why.msg);
	TRY(keep_session(call, c, &k, &a, config, err));
	answer_redirect(call, a.state, url);
	return 0;
}

/* --- and back --- */

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
		return refuse(call, err, 400, "state_err", SV_NULL,
			"this authorisation is unknown, or took too long: begin again");
	TRY(rc);
	TRY(json_parse(r->k.session.spec, &r->k.spec, err));
	TRY(json_parse(r->session.secret, &r->secret, err));
	TRY(integration_get(c, r->session.integration_id, call->arena, r->k.in, err));
	return load_grant(call, c, r->k.in, &r->grant, &r->app, err);
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
	refuse(call, NULL, 400, type, r->k.in->unique_key, text);
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
		page(call, 200, message);
	}
	returning_done(r);
	return false;
}

static bool saved(struct api_call *call)
{
	struct returning *r = call->state;

	return connection_validate(call, &r->establishing, connected);
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
	TRY(grant_oauth2.accept(&r->grant, 0, answer, err));
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
	struct sv error = api_query(call, "error");
	char text[160];

	if (!has_cookie(call, state_of(call))) {
		refuse_return(call, "state_err",
			"this authorisation was begun in another browser: begin again");
		return false;
	}
	if (error.len || !api_query(call, "code").len) {
		snprintf(text, sizeof(text), "the provider answered: %.*s",
			SV(error.len ? error : SV_LIT("no code")));
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
	if (!is_oauth2(r->grant.provider, &r->grant.type))
		return err_set(err, ERR_INVALID, "the provider is not in the catalogue any more");
	TRY(authorize_ask(&r->grant, &a, api_query(call, "code"), &r->request, err));
	r->request.total_timeout_ms = EXCHANGE_MS;
	r->request.max_response = ANSWER_MAX;
	return 0;
}

static bool taken(struct api_call *call)
{
	struct redirect_policy policy = { HOPS_MAX, REDIRECT_KEEP_PLAIN };
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
		refuse(call, NULL, 400, "state_err", SV_NULL, "the answer has no state");
		return false;
	}
	http_response_init(&r->response);
	call->state = r;
	call->finish = taken;
	db_submit(call->eng->db, DB_WRITE, &call->flow.op, take_job, call);
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

	if (!is_oauth2(p, &type))
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
		return refuse(call, err, 401, "unknown_err", SV_NULL,
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
