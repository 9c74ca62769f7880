/* What the two halves of the browser's way share (oauth.c, oauth_callback.c). */
#include "api/oauth.h"

#include "base/clock.h"
#include "base/sv.h"
#include "data/json.h"
#include "data/uuid.h"
#include "db/db.h"
#include "model/integration.h"
#include "model/provider.h"

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

int oauth_page(struct api_call *call, int status, const struct json_t *message)
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

int oauth_refuse(struct api_call *call, struct err *err, int status, const char *type,
	struct sv integration, const char *text)
{
	own(json_unref) struct json_t *message = json_new_obj();

	json_set_str(message, "message_type", SV_LIT("error"));
	json_set_str(message, "provider_config_key", integration.ptr ? integration : SV_LIT(""));
	json_set_str(message, "error_type", sv_str(type));
	json_set_str(message, "error_desc", sv_str(text));
	oauth_page(call, status, message);
	call->refused = true;
	return err_set(err, ERR_INVALID, "%s", type);
}

bool oauth_in_browser(const struct provider *p, enum auth_type *ret)
{
	return p && auth_type_parse(p->auth_mode, ret) &&
	       (*ret == AUTH_OAUTH1 || *ret == AUTH_OAUTH2 || *ret == AUTH_MCP_OAUTH2 ||
		       *ret == AUTH_MCP_OAUTH2_GENERIC);
}

int oauth_grant(struct api_call *call, struct dbc *c, const struct integration *in, struct grant *g,
	struct json_t **ret_app, struct err *err)
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
