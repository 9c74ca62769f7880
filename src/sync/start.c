/* What a runner is told about a run: the head of START, and how long it may take. */
#include "base/clock.h"
#include "model/provider.h"
#include "proxy/replay.h"
#include "sync/flight.h"

static bool is_kind(const struct flight *fl, const char *kind)
{
	return sv_eq_str(fl->run.kind, kind);
}

int64_t start_deadline_ms(const struct flight *fl)
{
	enum { MINUTE = 60000 };

	if (is_kind(fl, RUN_SYNC))
		return 24 * 60 * MINUTE;
	if (is_kind(fl, RUN_WEBHOOK))
		return 60 * MINUTE;
	return is_kind(fl, RUN_ACTION) ? 15 * MINUTE : 5 * MINUTE;
}

const char *start_file(const struct flight *fl, struct arena *a)
{
	const char *folder = is_kind(fl, RUN_ACTION)	 ? "actions"
			     : is_kind(fl, RUN_ON_EVENT) ? "on-events"
							 : "syncs";

	return arena_printf(a, "%.*s/%s/%.*s", SV(fl->run.integration), folder, SV(fl->run.name));
}

/* Stored JSON that was checked when it was stored; `otherwise` when it is none. */
static struct json_t *stored(struct sv text, struct json_t *otherwise)
{
	struct json_t *v = NULL;

	if (!text.ptr || json_parse(text, &v, NULL) < 0)
		return otherwise;
	json_unref(otherwise);
	return v;
}

static void set_sync(struct json_t *props, const struct run *run)
{
	char iso[CLOCK_ISO_SIZE];

	json_set_str(props, "syncId", run->sync_id);
	json_set_int(props, "syncJobId", run->id);
	json_set_str(props, "variant", run->variant);
	json_set_bool(props, "track_deletes", run->track_deletes);
	json_set_bool(props, "emptyCache", run->empty_cache);
	if (run->last_sync_ms && sv_eq_str(run->kind, RUN_SYNC))
		json_set_str(props, "lastSyncDate", sv_str(clock_iso_ms(run->last_sync_ms, iso)));
}

static struct json_t *sync_config(const struct flight *fl)
{
	const struct run *run = &fl->run;
	struct json_t *config = json_new_obj();

	json_set_int(config, "id", run->function_id);
	json_set_str(config, "sync_name", run->name);
	json_set_str(config, "version", run->version);
	json_set(config, SV_LIT("models"), json_clone(fl->models));
	json_set(config, SV_LIT("attributes"), stored(run->attributes, json_new_obj()));
	return config;
}

static struct json_t *props_of(const struct flight *fl)
{
	const struct run *run = &fl->run;
	struct json_t *props = json_new_obj();

	json_set_str(props, "connectionId", run->connection_id);
	json_set_str(props, "providerConfigKey", run->integration);
	json_set_str(props, "provider", run->provider);
	json_set_int(props, "environmentId", run->environment_id);
	json_set_str(props, "environmentName", run->environment);
	json_set_int(props, "accountId", 1);
	json_set_str(props, "activityLogId", run->operation_id);
	json_set_int(props, "nangoConnectionId", run->connection);
	json_set(props, SV_LIT("syncConfig"), sync_config(fl));
	if (run->sync_id.ptr)
		set_sync(props, run);
	return props;
}

struct json_t *start_head(const struct flight *fl)
{
	const struct provider *provider = provider_find(fl->runs->eng->providers, fl->run.provider);
	struct json_t *head = json_new_obj();
	int64_t now_ms = replay_now_ms(fl->run.connection_id);

	json_set_str(head, "kind", fl->run.kind);
	json_set_int(head, "deadline_ms", start_deadline_ms(fl));
	json_set(head, SV_LIT("props"), props_of(fl));
	if (provider && provider->paginate)
		json_set(head, SV_LIT("paginate"), json_clone(provider->paginate));
	json_set(head, SV_LIT("models"), json_clone(fl->models));
	json_set_str(head, "log_level", fl->run.log_level);
	if (now_ms)
		json_set_int(head, "now_ms", now_ms);
	return head;
}
