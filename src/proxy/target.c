#include "proxy/target.h"

#include "data/json.h"
#include "model/connection.h"
#include "model/integration.h"
#include "model/provider.h"

static int refuse(struct proxy_refusal *r, const char *kind, const char *code, int status)
{
	*r = (struct proxy_refusal){ .kind = kind, .code = code, .status = status };
	return 0;
}

static int load_rows(struct dbc *c, int64_t environment_id, struct sv integration,
	struct sv connection_id, struct arena *a, struct integration *in, struct connection *conn,
	struct proxy_refusal *refusal, struct err *err)
{
	int rc = integration_find(c, environment_id, integration, a, in, err);

	if (rc == ERR_NOT_FOUND) {
		refuse(refusal, "control", "unknown_provider_config", 404);
		return err_set(err, rc, "there is no integration '%.*s'", SV(integration));
	}
	TRY(rc);
	rc = connection_find(c, environment_id, integration, connection_id, a, conn, err);
	if (rc == ERR_NOT_FOUND) {
		refuse(refusal, "control", "server_error", 400);
		return err_set(err, rc, "integration '%.*s' has no connection '%.*s'",
			SV(integration), SV(connection_id));
	}
	return rc;
}

static int find_provider(const struct providers *providers, struct sv name,
	const struct provider **ret, struct proxy_refusal *refusal, struct err *err)
{
	*ret = provider_find(providers, name);
	if (*ret)
		return 0;
	refuse(refusal, "client", "unknown_provider", 400);
	return err_set(err, ERR_INVALID, "the catalogue has no provider '%.*s'", SV(name));
}

static int load_credentials(struct dbc *c, struct keyring *keys, const struct connection *conn,
	struct arena *a, struct proxy_target *t, struct proxy_refusal *refusal, struct err *err)
{
	struct sv text;

	TRY(connection_credentials(c, keys, conn, a, &text, err));
	if (credentials_parse(text, &t->credentials, err) < 0) {
		refuse(refusal, "client", "unsupported_auth", 400);
		return err_wrap(err, "connection '%.*s'", SV(conn->connection_id));
	}
	return 0;
}

/* Absent text is no value; what we stored ourselves parses. */
static int parse_opt(struct sv text, struct json_t **ret, struct err *err)
{
	return text.len ? json_parse(text, ret, err) : 0;
}

static int load_json(struct dbc *c, struct keyring *keys, const struct integration *in,
	const struct connection *conn, struct arena *a, struct proxy_target *t, struct err *err)
{
	struct sv app = SV_NULL, custom = SV_NULL;

	TRY(integration_credentials(c, keys, in, a, &app, err));
	TRY(integration_custom(c, keys, in, a, &custom, err));
	TRY(parse_opt(app, &t->app, err));
	TRY(parse_opt(custom, &t->custom, err));
	TRY(parse_opt(in->config, &t->config, err));
	TRY(parse_opt(conn->connection_config, &t->connection_config, err));
	return parse_opt(conn->metadata, &t->metadata, err);
}

int proxy_target_load(struct dbc *c, struct keyring *keys, const struct providers *providers,
	int64_t environment_id, struct sv integration, struct sv connection_id, struct arena *a,
	struct proxy_target *ret, struct proxy_refusal *refusal, struct err *err)
{
	own_in(proxy_target_done) struct proxy_target t = { 0 };
	struct integration in;
	struct connection conn;

	*refusal = (struct proxy_refusal){ 0 };
	TRY(load_rows(c, environment_id, integration, connection_id, a, &in, &conn, refusal, err));
	TRY(find_provider(providers, in.provider, &t.provider, refusal, err));
	TRY(load_credentials(c, keys, &conn, a, &t, refusal, err));
	TRY(load_json(c, keys, &in, &conn, a, &t, err));
	t.id = conn.id;
	t.integration = in.unique_key;
	t.connection_id = conn.connection_id;
	t.credentials_sealed = conn.credentials_sealed;
	*ret = t;
	t = (struct proxy_target){ 0 };
	return 0;
}

void proxy_target_done(struct proxy_target *t)
{
	credentials_done(&t->credentials);
	json_unref(t->connection_config);
	json_unref(t->metadata);
	json_unref(t->app);
	json_unref(t->config);
	json_unref(t->custom);
	*t = (struct proxy_target){ 0 };
}
