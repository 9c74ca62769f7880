#include "cli/first_start.h"

#include "conf/settings.h"
#include "data/uuid.h"
#include "db/db.h"
#include "model/api_key.h"
#include "model/env.h"
#include "model/sealed.h"
#include "model/token_refresh.h"
#include "model/validation.h"
#include "transfer/import.h"

static int add_key(struct dbc *c, const struct first_start *f, int64_t env, struct sv name,
	struct sv key, struct err *err)
{
	struct api_key found;

	int rc = api_key_find(c, key, db_arena(c), &found, err);
	if (rc >= 0)
		return found.environment_id == env
			       ? 0
			       : err_set(err, ERR_CONFLICT,
					 "the key preset for this environment opens '%.*s' already",
					 SV(found.environment));
	if (rc != ERR_NOT_FOUND)
		return rc;
	return api_key_create(c, f->keys, env, name, key, SV_LIT("[\"environment:*\"]"), err);
}

static const char *preset(const struct settings_presets *p, struct sv environment)
{
	for (size_t i = 0; i < p->count; i++) {
		if (sv_eq_str(environment, p->items[i].environment))
			return p->items[i].value;
	}
	return NULL;
}

static int create(struct dbc *c, const struct first_start *f, struct sv name, struct err *err)
{
	char uuid[UUID_TEXT_SIZE];
	int64_t id;

	TRY(env_create(c, f->keys, name, sv_eq_str(name, "prod"), &id, err));
	if (preset(&f->conf->secret_keys, name))
		return 0; /* that one, not another that nobody knows */
	return add_key(c, f, id, SV_LIT("default"), sv_str(uuid_format(uuid_v4(), uuid)), err);
}

static int ensure(struct dbc *c, const struct first_start *f, struct sv name,
	struct environment *ret, struct err *err)
{
	int rc = env_by_name(c, name, db_arena(c), ret, err);

	if (rc != ERR_NOT_FOUND)
		return rc;
	TRY(create(c, f, name, err));
	return env_by_name(c, name, db_arena(c), ret, err);
}

static int preset_keys(struct dbc *c, const struct first_start *f, struct err *err)
{
	const struct settings_presets *p = &f->conf->secret_keys;
	struct environment env;

	for (size_t i = 0; i < p->count; i++) {
		struct sv key = sv_str(p->items[i].value);
		if (!api_key_format_ok(key))
			return err_set(err, ERR_INVALID,
				"TIDEMARK_SECRET_KEY_ of environment '%s' is no UUID v4 (`uuidgen "
				"-r` "
				"makes one)",
				p->items[i].environment);
		TRY(ensure(c, f, sv_str(p->items[i].environment), &env, err));
		TRY(add_key(c, f, env.id, SV_LIT("preset"), key, err));
	}
	return 0;
}

static int preset_webhooks(struct dbc *c, const struct first_start *f, struct err *err)
{
	const struct settings_presets *p = &f->conf->webhook_urls;
	struct environment env;

	for (size_t i = 0; i < p->count; i++) {
		TRY(ensure(c, f, sv_str(p->items[i].environment), &env, err));
		env.primary_url = sv_str(p->items[i].value);
		TRY(env_save_webhooks(c, &env, err));
	}
	return 0;
}

int first_start_job(struct dbc *c, void *arg, struct err *err)
{
	struct first_start *f = arg;
	struct environment *all;
	size_t count;

	TRY(import_check_none(c, err));
	TRY(sealed_check_master(c, f->keys, err));
	TRY(env_list(c, db_arena(c), &all, &count, err));
	f->is_first = count == 0;
	if (f->is_first) {
		TRY(create(c, f, SV_LIT("dev"), err));
		TRY(create(c, f, SV_LIT("prod"), err));
	}
	TRY(preset_keys(c, f, err));
	TRY(token_refresh_recover(c, f->node, err));
	/* Nobody else can be using the file: validations that were under way are over. */
	if (!f->conf->database)
		TRY(validation_expire_all(c, err));
	return preset_webhooks(c, f, err);
}
