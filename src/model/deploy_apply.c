/* A plan made true, and both replies of the protocol. */
#include "data/jw.h"
#include "model/deploy.h"
#include "model/row.h"
#include "model/sync.h"

/* Redeploying what is deployed writes nothing: no version, no row. */
static bool is_unchanged(const struct deploy_item *item)
{
	const struct function *a = &item->fn, *b = &item->old;
	const struct sv pairs[][2] = {
		{ a->version, b->version },
		{ a->file_hash, b->file_hash },
		{ a->source, b->source },
		{ a->sdk_version, b->sdk_version },
		{ a->runs, b->runs },
		{ a->sync_type, b->sync_type },
		{ a->models, b->models },
		{ a->input, b->input },
		{ a->json_schema, b->json_schema },
		{ a->metadata, b->metadata },
		{ a->attributes, b->attributes },
		{ a->endpoints, b->endpoints },
		{ a->features, b->features },
		{ a->webhook_subscriptions, b->webhook_subscriptions },
		{ a->event, b->event },
	};

	if (!item->has_old || a->auto_start != b->auto_start ||
		a->track_deletes != b->track_deletes || a->interval_ms != b->interval_ms)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (!sv_eq(pairs[i][0], pairs[i][1]))
			return false;
	}
	return true;
}

static int put(
	struct dbc *c, struct deploy *d, struct deploy_item *item, struct arena *a, struct err *err)
{
	if (is_unchanged(item)) {
		item->fn.id = item->old.id;
	} else {
		TRY(function_code_put(c, &item->code, a, &item->fn.file_hash, err));
		TRY(function_put(c, &item->fn, err));
	}
	if (!d->reconcile || !item->fn.enabled || !sv_eq(item->fn.type, FUNCTION_SYNC))
		return 0;
	return sync_ensure_for_function(c, item->fn.id, err);
}

int deploy_apply(struct dbc *c, struct deploy *d, struct arena *a, struct err *err)
{
	own_in(rows_done) struct rows locked = { 0 };

	TRY(db_one(c, Q_DEPLOY_LOCK, ARGS(arg_i64(d->environment_id)), &locked, err));
	for (size_t i = 0; i < d->count; i++) {
		struct deploy_item *item = &d->items[i];
		if (item->change != DEPLOY_DELETED)
			TRY(put(c, d, item, a, err));
		else if (d->reconcile)
			TRY(function_delete(c, &item->fn, err));
	}
	return 0;
}

static void write_item(struct jw *w, const struct deploy_item *item)
{
	const struct function *f = &item->fn;

	jw_obj(w);
	jw_kv_str(w, "name", f->name);
	jw_kv_str(w, "providerConfigKey", f->integration);
	if (sv_eq(f->type, FUNCTION_SYNC)) {
		jw_kv_i64(w, "connections", item->connections);
		jw_kv_bool(w, "auto_start", f->auto_start);
	} else if (sv_eq(f->type, FUNCTION_ON_EVENT)) {
		jw_kv_str(w, "event", f->event);
	}
	jw_end(w);
}

static void write_list(struct jw *w, const struct deploy *d, const char *key, struct sv type,
	enum deploy_change change)
{
	jw_kv_arr(w, key);
	for (size_t i = 0; i < d->count; i++) {
		if (d->items[i].change == change && sv_eq(d->items[i].fn.type, type))
			write_item(w, &d->items[i]);
	}
	jw_end(w);
}

void deploy_write_plan(const struct deploy *d, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_obj(&w);
	write_list(&w, d, "newSyncs", FUNCTION_SYNC, DEPLOY_NEW);
	write_list(&w, d, "updatedSyncs", FUNCTION_SYNC, DEPLOY_UPDATED);
	write_list(&w, d, "deletedSyncs", FUNCTION_SYNC, DEPLOY_DELETED);
	write_list(&w, d, "newActions", FUNCTION_ACTION, DEPLOY_NEW);
	write_list(&w, d, "updatedActions", FUNCTION_ACTION, DEPLOY_UPDATED);
	write_list(&w, d, "deletedActions", FUNCTION_ACTION, DEPLOY_DELETED);
	write_list(&w, d, "newOnEventScripts", FUNCTION_ON_EVENT, DEPLOY_NEW);
	write_list(&w, d, "updatedOnEventScripts", FUNCTION_ON_EVENT, DEPLOY_UPDATED);
	write_list(&w, d, "deletedOnEventScripts", FUNCTION_ON_EVENT, DEPLOY_DELETED);
	jw_kv_arr(&w, "deletedModels");
	for (size_t i = 0; i < d->dropped_count; i++)
		jw_str(&w, d->dropped_models[i]);
	jw_end(&w);
	jw_end(&w);
}

void deploy_write_result(const struct deploy *d, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_arr(&w);
	for (size_t i = 0; i < d->count; i++) {
		const struct function *f = &d->items[i].fn;
		if (d->items[i].change == DEPLOY_DELETED)
			continue;
		jw_obj(&w);
		jw_kv_str(&w, "name", f->name);
		jw_kv_str(&w, "version", f->version);
		jw_kv_str(&w, "providerConfigKey", f->integration);
		jw_kv_str(&w, "type", f->type);
		jw_kv_raw(&w, "models", f->models);
		jw_end(&w);
	}
	jw_end(&w);
}
