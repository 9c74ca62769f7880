/*
 * Settings: one table (settings.def), filled from defaults, then a YAML file, then `.env`, then
 * the environment (TIDEMARK_<NAME>), then flags (--name). Names are written with `_` in the table
 * and the file, with `-` in flags. Made once at start, then constant; any thread may read.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct settings_list {
	const char **items;
	size_t count;
};

/* TIDEMARK_<SETTING>_<ENV>=value: a value per environment, names in lower case. */
struct settings_preset {
	const char *environment, *value;
};
struct settings_presets {
	struct settings_preset *items;
	size_t count;
};

struct settings {
#define SETTING_TEXT(name, def, help) const char *name;
#define SETTING_SECRET(name, help) const char *name;
#define SETTING_INT(name, min, max, def, help) int64_t name;
#define SETTING_BYTES(name, min, max, def, help) int64_t name;
#define SETTING_TIME(name, min, max, def, help) int64_t name##_ms;
#define SETTING_ENUM(name, options, def, help) const char *name;
#define SETTING_LIST(name, what, help) struct settings_list name;
#include "conf/settings.def"
#undef SETTING_TEXT
#undef SETTING_SECRET
#undef SETTING_INT
#undef SETTING_BYTES
#undef SETTING_TIME
#undef SETTING_ENUM
#undef SETTING_LIST
	struct settings_presets secret_keys; /* TIDEMARK_SECRET_KEY_<ENV> */
	struct settings_presets webhook_urls; /* TIDEMARK_WEBHOOK_URL_<ENV> */
	struct arena arena; /* of all the text above */
};

struct environ_vars;

/*
 * args: what follows the command name, flags only. vars: see conf/environ.h. ERR_INVALID with a
 * message that names the setting, where it came from and what is allowed.
 */
int settings_load(int argc, char *const *argv, const struct environ_vars *vars,
	struct settings **ret, struct err *err) MUST_CHECK;
void settings_free(struct settings *s);
OWN_FN(struct settings, settings_free)

struct buf;
/* The table as text for --help. */
void settings_help(struct buf *out);
