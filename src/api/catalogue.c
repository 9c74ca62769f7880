/* /providers: the catalogue of APIs that integrations can be made for. */
#include "api/handlers.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

static bool name_contains(struct sv name, struct sv part)
{
	for (size_t i = 0; i + part.len <= name.len; i++)
		if (sv_eq_nocase(sv_make(name.ptr + i, part.len), part))
			return true;
	return false;
}

static void write_provider(struct api_call *call, struct jw *w, const struct provider *p)
{
	own(json_unref) struct json_t *json = provider_json(p);
	const char *logo = arena_printf(
		call->arena, "%s/images/template-logos/%.*s.svg", api_base_url(call), SV(p->name));

	json_set_str(json, "logo_url", sv_str(logo));
	jw_json(w, json);
}

int providers_search(struct api_call *call, struct dbc *c UNUSED, struct err *err)
{
	static const struct check query[] = { { "search", CHECK_STR, 0, .max = 255 }, { 0 } };
	size_t count;

	TRY(api_check_query(call, query, err));
	const struct provider *all = provider_list(call->eng->providers, &count);
	struct sv part = api_query(call, "search");
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_arr(&w, "data");
	for (size_t i = 0; i < count; i++)
		if (!part.len || name_contains(all[i].name, part))
			write_provider(call, &w, &all[i]);
	jw_end(&w);
	jw_end(&w);
	return 0;
}

int provider_get(struct api_call *call, struct dbc *c UNUSED, struct err *err)
{
	struct sv name = api_param(call, "provider");

	const struct provider *p = provider_find(call->eng->providers, name);
	if (!p)
		return api_refuse(call, err, 404, "not_found", "Unknown provider %.*s", SV(name));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_key(&w, "data");
	write_provider(call, &w, p);
	jw_end(&w);
	return 0;
}

int providers_all(struct api_call *call, struct dbc *c UNUSED, struct err *err UNUSED)
{
	own(json_unref) struct json_t *all = providers_json(call->eng->providers);
	struct jw w = api_json(call, 200);

	jw_json(&w, all);
	return 0;
}
