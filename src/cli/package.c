#include "cli/package.h"

#include "base/sv.h"
#include "cli/project.h"
#include "data/freq.h"
#include "data/json.h"

#include <ctype.h>

/* The server may allow less; below this no server does (design.md section 6). */
enum { FREQUENCY_MIN_MS = 15000 };

static struct sv text_of(const struct json_t *def, const char *key)
{
	return json_sv(json_member(def, sv_str(key)));
}

static struct json_t *list_of(const struct json_t *def, const char *key)
{
	struct json_t *list = json_member(def, sv_str(key));
	return json_kind(list) == JSON_KIND_ARRAY ? json_ref(list) : json_new_arr();
}

static int check_frequency(const struct project_fn *f, struct err *err)
{
	struct freq freq;
	struct err why = { 0 };
	struct sv text = text_of(f->definition, "frequency");

	if (!text.ptr)
		return err_set(err, ERR_INVALID,
			"%s: a sync needs a frequency, such as "
			"'every hour'",
			f->path);
	if (freq_parse(text, &freq, &why) < 0)
		return err_set(
			err, ERR_INVALID, "%s: frequency '%.*s': %s", f->path, SV(text), why.msg);
	if (freq.ms < FREQUENCY_MIN_MS)
		return err_set(err, ERR_INVALID, "%s: frequency '%.*s' is below 15 seconds",
			f->path, SV(text));
	return 0;
}

/* Upper camel: they become type names. */
static bool is_model_name(struct sv name)
{
	if (name.len < 2 || !isupper((unsigned char)name.ptr[0]))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '_')
			return false;
	return true;
}

static int check_sync(const struct project_fn *f, struct err *err)
{
	struct json_t *models = json_member(f->definition, SV_LIT("models"));

	TRY(check_frequency(f, err));
	if (json_len(models) == 0)
		return err_set(err, ERR_INVALID, "%s: a sync needs at least one model", f->path);
	for (size_t i = 0; i < json_len(models); i++) {
		struct sv name = json_sv(json_item(models, i));
		if (!is_model_name(name))
			return err_set(err, ERR_INVALID,
				"%s: model '%.*s' must begin with a "
				"capital and hold letters, digits and _ only",
				f->path, SV(name));
	}
	if (json_truth(json_member(f->definition, SV_LIT("trackDeletes"))) &&
		sv_eq_str(text_of(f->definition, "syncType"), "incremental"))
		return err_set(err, ERR_INVALID,
			"%s: trackDeletes needs a full sync, not an incremental one", f->path);
	return 0;
}

static bool is_type(const struct project_fn *f, const char *type)
{
	return sv_eq_str(text_of(f->definition, "type"), type);
}

static struct json_t *file_body(const struct project_fn *f)
{
	struct json_t *body = json_new_obj();

	json_set_str(body, "js", f->js);
	json_set_str(body, "ts", f->ts);
	return body;
}

/* What both kinds share. */
static struct json_t *flow_common(const struct project_fn *f, const struct package_options *o)
{
	struct json_t *flow = json_new_obj(), *metadata = json_new_obj(), *schema = json_new_obj();
	const struct json_t *def = f->definition;
	struct sv description = text_of(def, "description");
	struct sv version = o->version ? sv_str(o->version) : text_of(def, "version");

	json_set_str(flow, "syncName", sv_str(f->name));
	json_set_str(flow, "providerConfigKey", sv_str(f->integration));
	json_set_str(flow, "version", version.ptr ? version : SV_LIT(""));
	json_set_bool(flow, "track_deletes", json_truth(json_member(def, SV_LIT("trackDeletes"))));
	if (description.len)
		json_set_str(metadata, "description", description);
	json_set(metadata, SV_LIT("scopes"), list_of(def, "scopes"));
	json_set(flow, SV_LIT("metadata"), metadata);
	json_set(flow, SV_LIT("fileBody"), file_body(f));
	json_set(flow, SV_LIT("endpoints"), list_of(def, "endpoints"));
	json_set(flow, SV_LIT("features"), list_of(def, "features"));
	struct json_t *definitions = json_find(def, SV_LIT("json_schema.definitions"));
	json_set(schema, SV_LIT("definitions"),
		definitions ? json_ref(definitions) : json_new_obj());
	json_set(flow, SV_LIT("models_json_schema"), schema);
	return flow;
}

static void set_if(struct json_t *flow, const char *key, struct sv value)
{
	if (value.len)
		json_set_str(flow, key, value);
}

static struct json_t *flow_sync(const struct project_fn *f, const struct package_options *o)
{
	struct json_t *flow = flow_common(f, o);
	const struct json_t *def = f->definition;

	json_set_str(flow, "type", SV_LIT("sync"));
	json_set(flow, SV_LIT("models"), list_of(def, "models"));
	set_if(flow, "input", text_of(def, "metadata"));
	json_set_str(flow, "runs", text_of(def, "frequency"));
	json_set_bool(flow, "auto_start", json_truth(json_member(def, SV_LIT("autoStart"))));
	json_set_str(flow, "sync_type", text_of(def, "syncType"));
	json_set(flow, SV_LIT("attributes"), json_new_obj());
	json_set(flow, SV_LIT("webhookSubscriptions"), list_of(def, "webhookSubscriptions"));
	return flow;
}

static struct json_t *flow_action(const struct project_fn *f, const struct package_options *o)
{
	struct json_t *flow = flow_common(f, o), *models = json_new_arr();
	struct sv output = text_of(f->definition, "output");

	json_set_str(flow, "type", SV_LIT("action"));
	if (output.len)
		json_push(models, json_new_str(output));
	json_set(flow, SV_LIT("models"), models);
	set_if(flow, "input", text_of(f->definition, "input"));
	json_set_null(flow, "runs");
	return flow;
}

static void add_script(struct json_t *providers, const struct project_fn *f)
{
	struct json_t *entry = NULL, *script = json_new_obj();

	for (size_t i = 0; i < json_len(providers) && !entry; i++)
		if (sv_eq_str(
			    text_of(json_item(providers, i), "providerConfigKey"), f->integration))
			entry = json_item(providers, i);
	if (!entry) {
		entry = json_new_obj();
		json_set_str(entry, "providerConfigKey", sv_str(f->integration));
		json_set(entry, SV_LIT("scripts"), json_new_arr());
		json_push(providers, entry);
	}
	json_set_str(script, "name", sv_str(f->name));
	json_set(script, SV_LIT("fileBody"), file_body(f));
	json_set_str(script, "event", text_of(f->definition, "event"));
	json_push(json_member(entry, SV_LIT("scripts")), script);
}

static int add_function(const struct project_fn *f, const struct package_options *o,
	struct json_t *flows, struct json_t *scripts, struct err *err)
{
	if (is_type(f, "sync")) {
		TRY(check_sync(f, err));
		json_push(flows, flow_sync(f, o));
	} else if (is_type(f, "action")) {
		json_push(flows, flow_action(f, o));
	} else if (is_type(f, "onEvent") || is_type(f, "on-event")) {
		add_script(scripts, f);
	} else if (is_type(f, "function")) {
		return err_set(err, ERR_INVALID,
			"%s: createFunction is experimental and cannot be deployed yet (use "
			"createSync, createAction or createOnEvent)",
			f->path);
	} else {
		return err_set(err, ERR_INVALID,
			"%s: the default export is no createSync, "
			"createAction or createOnEvent",
			f->path);
	}
	return 0;
}

int package_build(const struct project *p, const struct package_options *o, struct json_t **ret,
	struct err *err)
{
	own(json_unref) struct json_t *package = json_new_obj();
	struct json_t *flows = json_new_arr(), *scripts = json_new_arr();

	json_set(package, SV_LIT("flowConfigs"), flows);
	json_set(package, SV_LIT("onEventScriptsByProvider"), scripts);
	json_set_str(package, "deployMode", sv_str(o->mode));
	for (size_t i = 0; i < p->count; i++)
		if (p->fns[i].wanted)
			TRY(add_function(&p->fns[i], o, flows, scripts, err));
	/* The public CLI leaves it out then, and servers take its presence as a statement. */
	if (strcmp(o->mode, "single") == 0)
		json_del(package, SV_LIT("onEventScriptsByProvider"));
	*ret = take(package);
	return 0;
}
