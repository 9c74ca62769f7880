#include "conf/settings.h"

#include "base/buf.h"
#include "base/sv.h"
#include "conf/environ.h"
#include "data/json.h"
#include "data/yaml.h"

#include <stdio.h>

enum type { TEXT, SECRET, INT, BYTES, TIME, ENUM, LIST };

struct setting {
	const char *name;
	enum type type;
	size_t offset;
	int64_t min, max, def;
	const char *text; /* TEXT: default; ENUM: default; LIST: what an item is */
	const char *options; /* ENUM */
	const char *help;
};

#define AT(field) .offset = offsetof(struct settings, field)
#define SETTING_TEXT(n, d, h) { .name = #n, .type = TEXT, AT(n), .text = d, .help = h },
#define SETTING_SECRET(n, h) { .name = #n, .type = SECRET, AT(n), .help = h },
#define SETTING_INT(n, lo, hi, d, h) \
	{ .name = #n, .type = INT, AT(n), .min = lo, .max = hi, .def = d, .help = h },
#define SETTING_BYTES(n, lo, hi, d, h) \
	{ .name = #n, .type = BYTES, AT(n), .min = lo, .max = hi, .def = d, .help = h },
#define SETTING_TIME(n, lo, hi, d, h) \
	{ .name = #n, .type = TIME, AT(n##_ms), .min = lo, .max = hi, .def = d, .help = h },
#define SETTING_ENUM(n, o, d, h) \
	{ .name = #n, .type = ENUM, AT(n), .options = o, .text = d, .help = h },
#define SETTING_LIST(n, w, h) { .name = #n, .type = LIST, AT(n), .text = w, .help = h },
static const struct setting table[] = {
#include "conf/settings.def"
};

struct unit {
	const char *suffix;
	int64_t factor;
};
static const struct unit byte_units[] = { { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 },
	{ "G", 1 << 30 } };
static const struct unit time_units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
	{ "h", 3600000 }, { "d", 86400000 } };

static bool parse_units(struct sv text, const struct unit *units, size_t count, int64_t *ret)
{
	size_t digits = 0;
	int64_t n;

	while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
		digits++;
	if (!sv_to_i64(sv_make(text.ptr, digits), &n))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (sv_eq_str(sv_from(text, digits), units[i].suffix))
			return !__builtin_mul_overflow(n, units[i].factor, ret);
	}
	return false;
}

static bool parse_number(const struct setting *s, struct sv text, int64_t *ret)
{
	if (s->type == BYTES)
		return parse_units(text, byte_units, ARRAY_LEN(byte_units), ret);
	if (s->type == TIME)
		return parse_units(text, time_units, ARRAY_LEN(time_units), ret);
	return sv_to_i64(text, ret);
}

/* The largest unit that divides n: 15000 ms is "15s". */
static const char *show_number(const struct setting *s, int64_t n, char out[32])
{
	const struct unit *u = s->type == BYTES ? byte_units : time_units;
	size_t count = s->type == BYTES ? ARRAY_LEN(byte_units) : ARRAY_LEN(time_units);
	const struct unit *best = NULL;

	for (size_t i = 0; s->type != INT && n != 0 && i < count; i++) {
		bool named = u[i].suffix[0] || s->type == BYTES;
		if (named && n % u[i].factor == 0 && (!best || u[i].factor > best->factor))
			best = &u[i];
	}
	snprintf(out, 32, "%lld%s", (long long)(best ? n / best->factor : n),
		best ? best->suffix : "");
	return out;
}

static void *field(struct settings *conf, const struct setting *s)
{
	return (char *)conf + s->offset;
}

static int set_number(struct settings *conf, const struct setting *s, struct sv text,
	const char *from, struct err *err)
{
	char lo[32], hi[32];
	int64_t n;

	if (!parse_number(s, text, &n) || n < s->min || n > s->max)
		return err_set(err, ERR_INVALID, "%s: '%.*s' is not between %s and %s", from,
			SV(text), show_number(s, s->min, lo), show_number(s, s->max, hi));
	*(int64_t *)field(conf, s) = n;
	return 0;
}

static int set_enum(struct settings *conf, const struct setting *s, struct sv text,
	const char *from, struct err *err)
{
	struct sv rest = sv_str(s->options), option;

	while (sv_split(&rest, '|', &option)) {
		if (!sv_eq(option, text))
			continue;
		*(const char **)field(conf, s) = arena_str(&conf->arena, text);
		return 0;
	}
	return err_set(err, ERR_INVALID, "%s: '%.*s' is none of %s", from, SV(text), s->options);
}

static void list_add(struct settings *conf, const struct setting *s, struct sv text)
{
	struct settings_list *list = field(conf, s);
	const char **items = arena_array(&conf->arena, list->count + 1, sizeof(*items));

	if (list->count)
		memcpy(items, list->items, list->count * sizeof(*items));
	items[list->count++] = arena_str(&conf->arena, text);
	list->items = items;
}

static int set(struct settings *conf, const struct setting *s, struct sv text, const char *from,
	struct err *err)
{
	switch (s->type) {
	case INT:
	case BYTES:
	case TIME: return set_number(conf, s, text, from, err);
	case ENUM: return set_enum(conf, s, text, from, err);
	case LIST: list_add(conf, s, text); return 0;
	case TEXT:
	case SECRET: break;
	}
	/* Nothing given is nothing said: `--data "$DIR"` with DIR unset. */
	*(const char **)field(conf, s) = text.len ? arena_str(&conf->arena, text) : s->text;
	return 0;
}

/* A source of higher precedence replaces a list, its own items add up. */
static void list_begin(struct settings *conf, const struct setting *s)
{
	if (s->type == LIST)
		*(struct settings_list *)field(conf, s) = (struct settings_list){ 0 };
}

static void set_defaults(struct settings *conf)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct setting *s = &table[i];
		if (s->type == INT || s->type == BYTES || s->type == TIME)
			*(int64_t *)field(conf, s) = s->def;
		else if (s->type == TEXT || s->type == ENUM)
			*(const char **)field(conf, s) = s->text;
	}
}

/* `name` with '-' or '_', in any case. */
static const struct setting *find(struct sv name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct sv want = sv_str(table[i].name);
		size_t k = 0;
		while (k < want.len && k < name.len &&
			(want.ptr[k] == name.ptr[k] || (want.ptr[k] == '_' && name.ptr[k] == '-')))
			k++;
		if (k == want.len && k == name.len)
			return &table[i];
	}
	return NULL;
}

/* --- file --- */

static int set_json(struct settings *conf, const struct setting *s, const struct json_t *v,
	const char *from, struct err *err)
{
	char number[32];

	switch (json_kind(v)) {
	case JSON_KIND_STRING: return set(conf, s, json_sv(v), from, err);
	case JSON_KIND_NUMBER:
		snprintf(number, sizeof(number), "%lld", (long long)json_int(v));
		return set(conf, s, sv_str(number), from, err);
	case JSON_KIND_ARRAY:
		for (size_t i = 0; s->type == LIST && i < json_len(v); i++)
			TRY(set_json(conf, s, json_item(v, i), from, err));
		if (s->type == LIST)
			return 0;
		break;
	case JSON_KIND_NULL:
	case JSON_KIND_BOOL:
	case JSON_KIND_OBJECT:
	case JSON_KIND_ABSENT: break;
	}
	return err_set(err, ERR_INVALID, "%s: expected text or a number", from);
}

static int load_file(struct settings *conf, const char *path, struct err *err)
{
	own(json_unref) struct json_t *doc = NULL;
	void *it = NULL;
	struct sv key;
	struct json_t *value;

	TRY(yaml_load_file(path, &doc, err));
	if (json_kind(doc) == JSON_KIND_NULL)
		return 0;
	if (json_kind(doc) != JSON_KIND_OBJECT)
		return err_set(err, ERR_INVALID, "%s: expected `name: value` lines", path);
	while (json_next(doc, &it, &key, &value)) {
		const struct setting *s = find(key);
		const char *from = arena_printf(&conf->arena, "%s: %.*s", path, SV(key));
		if (!s)
			return err_set(err, ERR_INVALID, "%s: no such setting", from);
		list_begin(conf, s);
		TRY(set_json(conf, s, value, from, err));
	}
	return 0;
}

/* --- environment --- */

static const char *variable_name(struct settings *conf, const struct setting *s)
{
	char *name = arena_printf(&conf->arena, "TIDEMARK_%s", s->name);

	for (char *p = name; *p; p++)
		*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
	return name;
}

static int load_variables(struct settings *conf, const struct environ_vars *vars, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct setting *s = &table[i];
		const char *name = variable_name(conf, s);
		const char *value = environ_get(vars, name);
		struct sv rest = value && *value ? sv_str(value) : SV_NULL, item;
		if (!rest.ptr)
			continue;
		list_begin(conf, s);
		if (s->type != LIST) {
			TRY(set(conf, s, rest, name, err));
			continue;
		}
		while (sv_split(&rest, ',', &item))
			TRY(set(conf, s, sv_trim(item), name, err));
	}
	return 0;
}

static void preset_add(
	struct settings *conf, struct settings_presets *p, struct sv suffix, const char *value)
{
	char *env = arena_str(&conf->arena, suffix);

	for (char *c = env; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	for (size_t i = 0; i < p->count; i++) {
		if (strcmp(p->items[i].environment, env) == 0)
			return; /* the first one found has precedence */
	}
	struct settings_preset *items = arena_array(&conf->arena, p->count + 1, sizeof(*items));
	if (p->count)
		memcpy(items, p->items, p->count * sizeof(*items));
	items[p->count++] = (struct settings_preset){ env, arena_str(&conf->arena, sv_str(value)) };
	p->items = items;
}

static void load_presets(struct settings *conf, const struct environ_vars *vars)
{
	static const struct sv key = { "TIDEMARK_SECRET_KEY_", 20 };
	static const struct sv url = { "TIDEMARK_WEBHOOK_URL_", 21 };

	for (size_t i = 0; vars && i < vars->count; i++) {
		struct sv name = sv_str(vars->items[i].name);
		const char *value = vars->items[i].value;
		if (!*value)
			continue;
		if (name.len > key.len && sv_starts(name, key))
			preset_add(conf, &conf->secret_keys, sv_from(name, key.len), value);
		else if (name.len > url.len && sv_starts(name, url))
			preset_add(conf, &conf->webhook_urls, sv_from(name, url.len), value);
	}
}

/* --- flags --- */

/* One "--name value" or "--name=value"; returns how many arguments it took. */
static int next_flag(
	int argc, char *const *argv, struct sv *ret_name, struct sv *ret_value, struct err *err)
{
	struct sv arg = sv_str(argv[0]);

	if (!sv_starts(arg, SV_LIT("--")) || arg.len == 2)
		return err_set(err, ERR_INVALID, "unexpected argument '%s'", argv[0]);
	arg = sv_from(arg, 2);
	ptrdiff_t eq = sv_find_char(arg, '=');
	if (eq >= 0) {
		*ret_name = sv_make(arg.ptr, (size_t)eq);
		*ret_value = sv_from(arg, (size_t)eq + 1);
		return 1;
	}
	*ret_name = arg;
	if (argc < 2)
		return err_set(err, ERR_INVALID, "--%.*s needs a value", SV(arg));
	*ret_value = sv_str(argv[1]);
	return 2;
}

static int load_flags(struct settings *conf, int argc, char *const *argv, struct err *err)
{
	bool begun[ARRAY_LEN(table)] = { false };
	struct sv name, value;

	for (int i = 0; i < argc;) {
		int taken = next_flag(argc - i, argv + i, &name, &value, err);
		TRY(taken);
		i += taken;
		if (sv_eq_str(name, "config"))
			continue;
		const struct setting *s = find(name);
		if (!s)
			return err_set(err, ERR_INVALID, "unknown flag --%.*s", SV(name));
		if (s->type == SECRET)
			return err_set(err, ERR_INVALID,
				"--%.*s: a secret comes from %s or the settings file, not from a "
				"flag",
				SV(name), variable_name(conf, s));
		if (!begun[s - table])
			list_begin(conf, s);
		begun[s - table] = true;
		const char *from = arena_printf(&conf->arena, "--%.*s", SV(name));
		TRY(set(conf, s, value, from, err));
	}
	return 0;
}

/* The file is read before the flags are, but a flag names it. */
static const char *config_path(
	struct settings *conf, int argc, char *const *argv, const struct environ_vars *vars)
{
	struct sv name, value;

	for (int i = 0; i < argc;) {
		int taken = next_flag(argc - i, argv + i, &name, &value, NULL);
		if (taken < 0)
			break;
		i += taken;
		if (sv_eq_str(name, "config"))
			return arena_str(&conf->arena, value);
	}
	const char *path = environ_get(vars, "TIDEMARK_CONFIG");
	return path && *path ? path : NULL;
}

int settings_load(int argc, char *const *argv, const struct environ_vars *vars,
	struct settings **ret, struct err *err)
{
	own(settings_free) struct settings *conf = NEW(struct settings);

	set_defaults(conf);
	const char *file = config_path(conf, argc, argv, vars);
	if (file)
		TRY(load_file(conf, file, err));
	TRY(load_variables(conf, vars, err));
	load_presets(conf, vars);
	TRY(load_flags(conf, argc, argv, err));
	*ret = take(conf);
	return 0;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	arena_done(&s->arena);
	mem_free(s);
}

/* --- help --- */

static const char *what(const struct setting *s)
{
	switch (s->type) {
	case TEXT: return "TEXT";
	case SECRET: return "SECRET";
	case INT: return "N";
	case BYTES: return "SIZE";
	case TIME: return "TIME";
	case ENUM: return s->options;
	case LIST: return s->text;
	}
	return "";
}

static void help_default(const struct setting *s, struct buf *out)
{
	char number[32];

	if (s->type == INT || s->type == BYTES || s->type == TIME)
		buf_printf(out, " [%s]", show_number(s, s->def, number));
	else if ((s->type == TEXT || s->type == ENUM) && s->text)
		buf_printf(out, " [%s]", s->text);
	else if (s->type == LIST)
		buf_str(out, " (repeatable)");
}

static void help_flag(const struct setting *s, struct buf *out)
{
	size_t start = out->len;

	if (s->type == SECRET)
		return; /* never on a command line, which others can read */
	buf_str(out, "  --");
	for (const char *p = s->name; *p; p++)
		buf_char(out, *p == '_' ? '-' : *p);
	buf_printf(out, " %s", what(s));
	do {
		buf_char(out, ' ');
	} while (out->len - start < 34 && buf_ok(out));
	buf_str(out, s->help);
	help_default(s, out);
	buf_char(out, '\n');
}

void settings_help(struct buf *out)
{
	buf_str(out, "  --config FILE                   settings as `name: value` lines of YAML\n");
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		help_flag(&table[i], out);
	buf_str(out, "\nEach of them is also a variable, TIDEMARK_<NAME>, of the environment or of "
		     "a .env file\nin the current folder; flags win. TIDEMARK_SECRET_KEY_<ENV> "
		     "presets the key of an\nenvironment, TIDEMARK_WEBHOOK_URL_<ENV> where its "
		     "webhooks go. TIDEMARK_ENCRYPTION_KEY is 32 bytes\nin Base64 that seal "
		     "everything secret; without it a key file is made in the data folder.\n");
}
