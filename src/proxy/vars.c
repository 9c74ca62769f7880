#include "proxy/vars.h"

#include "auth/functions.h"
#include "base/sv.h"
#include "data/json.h"
#include "data/params.h"
#include "data/tmpl.h"
#include "proxy/body.h"
#include "proxy/target.h"

enum { EVAL_MAX = 64 * 1024 };

struct scope {
	const struct proxy_vars *vars;
	unsigned sets;
};

static int found(struct sv value, struct sv *ret)
{
	if (!value.ptr)
		return 0;
	*ret = value;
	return 1;
}

static int member(
	const struct proxy_vars *v, const struct json_t *root, struct sv name, struct sv *ret)
{
	/* Numbers are printed into it, and must last as long as the evaluation. */
	char *scratch = arena_alloc(v->arena, 32);

	return root && tmpl_lookup_json(root, name, scratch, ret) ? 1 : 0;
}

/* name = prefix + rest */
static bool under(struct sv name, const char *prefix, struct sv *ret_rest)
{
	struct sv p = sv_str(prefix);

	if (!sv_starts(name, p))
		return false;
	*ret_rest = sv_from(name, p.len);
	return true;
}

static int connection_var(const struct proxy_vars *v, struct sv name, struct sv *ret)
{
	const struct proxy_target *t = v->target;
	struct sv rest;

	if (under(name, "connectionConfig.", &rest) || under(name, "connection_config.", &rest))
		return member(v, t->connection_config, rest, ret);
	if (under(name, "metadata.", &rest))
		return member(v, t->metadata, rest, ret);
	if (sv_eq_str(name, "connection_id") || sv_eq_str(name, "connectionId"))
		return found(t->connection_id, ret);
	if (sv_eq_str(name, "provider_config_key") || sv_eq_str(name, "providerConfigKey"))
		return found(t->integration, ret);
	return 0;
}

static int app_var(const struct proxy_vars *v, struct sv name, struct sv *ret)
{
	const char *key = NULL;

	if (sv_eq_str(name, "clientId"))
		key = "client_id";
	else if (sv_eq_str(name, "clientSecret"))
		key = "client_secret";
	if (!key)
		return 0;
	return found(json_sv(json_member(v->target->app, sv_str(key))), ret);
}

/* What is signed: the query's parameters, or those of a form when there are none. */
static struct sv params_to_sign(const struct proxy_vars *v)
{
	bool form = !v->query.len && proxy_is_form(v->content_type);

	return params_canonical_pairs(form ? v->body : v->query, v->arena);
}

static int request_var(const struct proxy_vars *v, struct sv name, struct sv *ret)
{
	if (sv_eq_str(name, "params"))
		return found(params_to_sign(v), ret);
	if (sv_eq_str(name, "urlCanonicalParams"))
		return found(params_canonical_pairs(v->query, v->arena), ret);
	const struct {
		const char *name;
		struct sv value;
	} vars[] = {
		{ "method", v->method },
		{ "endpoint", v->endpoint },
		{ "host", v->host },
		{ "path", v->path },
		{ "bodyCanonicalParams", v->body },
		{ "contentType", v->content_type },
	};

	for (size_t i = 0; i < ARRAY_LEN(vars); i++)
		if (sv_eq_str(name, vars[i].name))
			return found(vars[i].value, ret);
	return 0;
}

static int lookup(void *ctx, struct sv name, struct sv *ret)
{
	const struct scope *s = ctx;
	const struct proxy_vars *v = s->vars;
	const struct json_t *credentials = v->target->credentials.json;
	struct sv rest;

	if ((s->sets & VARS_CONNECTION) && connection_var(v, name, ret))
		return 1;
	if ((s->sets & VARS_TOKEN) && sv_eq_str(name, "accessToken"))
		return found(credentials_token(&v->target->credentials), ret);
	if ((s->sets & VARS_APP) && app_var(v, name, ret))
		return 1;
	if ((s->sets & VARS_CREDENTIALS) && under(name, "credentials.", &rest))
		return member(v, credentials, rest, ret);
	if ((s->sets & VARS_REQUEST) && request_var(v, name, ret))
		return 1;
	if ((s->sets & VARS_FLAT) && !sv_eq_str(name, "type"))
		return member(v, credentials, name, ret);
	return 0;
}

int proxy_vars_eval(const struct proxy_vars *v, unsigned sets, struct sv tmpl, struct sv *ret,
	bool *ret_resolved, struct err *err)
{
	struct scope scope = { .vars = v, .sets = sets };
	const struct tmpl_env env = {
		.ctx = &scope,
		.lookup = lookup,
		.call = auth_function_call,
		.now_ms = v->now_ms,
		.random = sv_str(v->random[0] ? v->random : NULL),
	};
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, EVAL_MAX);
	TRY(tmpl_eval(tmpl, &env, &out, ret_resolved, err));
	*ret = arena_sv(v->arena, buf_sv(&out));
	return 0;
}
