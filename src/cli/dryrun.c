/*
 * tidemark dryrun: runs one function of the project against the real API with a connection of a
 * server, and stores nothing. Result on stdout, logs on stderr.
 */
#include "base/clock.h"
#include "base/sv.h"
#include "cli/cli.h"
#include "cli/live.h"
#include "cli/project.h"
#include "cli/usage.h"
#include "data/json.h"
#include "data/schema.h"
#include "os/file.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define ARGUMENT_MAX (16u << 20)
/* Requests block this process's loop while they last: a quiet runner is no hung runner. */
enum { HANG_MS = 15 * 60 * 1000 };

struct dryrun {
	const char *function, *connection, *environment, *integration, *variant;
	const char *checkpoint, *metadata, *input, *last_sync_date;
	bool validate, save, diagnostics;
	struct loop *loop;
	struct live live;
	struct json_t *given_metadata, *given_checkpoint; /* what it found; owned */
	int64_t began_ms;
	struct usage usage;
};

static void usage(FILE *to)
{
	fputs("usage: tidemark dryrun FUNCTION CONNECTION [options]\n\n"
	      "Runs a function of this project with a connection of the server; real requests,\n"
	      "nothing stored; actions that it triggers are the server's, and real. Prints what\n"
	      "it would have saved.\n\n"
	      "  -e, --environment ENV   whose connection and key (default dev)\n"
	      "  --integration NAME      when several integrations have a function of that name\n"
	      "  --checkpoint JSON       what getCheckpoint returns\n"
	      "  --metadata JSON|@FILE   what getMetadata returns\n"
	      "  --input JSON|@FILE      input of an action\n"
	      "  --variant V             nango.variant (default base)\n"
	      "  --lastSyncDate DATE     nango.lastSyncDate\n"
	      "  --validate              fail when a record does not fit its model\n"
	      "  --save                  write the conversation to <integration>/tests/ for\n"
	      "                          `tidemark test`\n"
	      "  --diagnostics           print time, memory and CPU\n",
		to);
}

/* JSON text, or @file with it. */
static int read_json(
	struct arena *a, const char *name, const char *text, struct json_t **ret, struct err *err)
{
	struct sv s = sv_str(text);

	if (!text)
		return 0;
	if (text[0] == '@')
		TRY(file_load(a, text + 1, ARGUMENT_MAX, &s, err));
	if (json_parse(s, ret, err) < 0)
		return err_wrap(err, "--%s", name);
	return 0;
}

static int choose(struct dryrun *d, struct project *p, struct project_fn **ret, struct err *err)
{
	struct project_fn *found = NULL;

	for (size_t i = 0; i < p->count; i++) {
		struct project_fn *f = &p->fns[i];
		f->wanted = strcmp(f->name, d->function) == 0 &&
			    (!d->integration || strcmp(f->integration, d->integration) == 0);
		if (f->wanted && found)
			return err_set(err, ERR_CONFLICT,
				"'%s' is in '%s' and '%s': choose with "
				"--integration",
				d->function, found->integration, f->integration);
		if (f->wanted)
			found = f;
	}
	if (!found)
		return err_set(err, ERR_NOT_FOUND, "no function '%s' in %s", d->function, p->dir);
	*ret = found;
	return 0;
}

/* Validation of what was saved against the models. */

static size_t check_records(const struct schema *schema, const char *model, struct json_t *list)
{
	struct schema_issue issues[5];
	size_t bad = 0;

	for (size_t i = 0; i < json_len(list); i++) {
		size_t n = schema_check(schema, json_item(list, i), issues, ARRAY_LEN(issues));
		bad += n > 0;
		for (size_t k = 0; k < n && bad <= 10; k++)
			fprintf(stderr, "invalid %s[%zu]%s: %s\n", model, i, issues[k].path,
				issues[k].msg);
	}
	return bad;
}

static size_t validate(struct dryrun *d, const struct project_fn *f)
{
	struct json_t *doc = json_member(f->definition, SV_LIT("json_schema")), *list;
	struct sv model;
	void *it = NULL;
	size_t bad = 0;

	while (json_next(d->live.local.saved, &it, &model, &list)) {
		own(schema_free) struct schema *schema = NULL;
		char root[300], name[256];
		snprintf(name, sizeof(name), "%.*s", SV(model));
		snprintf(root, sizeof(root), "#/definitions/%s", name);
		if (schema_new(doc, sv_str(root), &schema, NULL) == 0)
			bad += check_records(schema, name, list);
	}
	return bad;
}

/* Saving the conversation. */

static int write_recording(const char *path, struct json_t *rec, struct err *err)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, 512u << 20);
	json_dump_compact(rec, &b);
	buf_char(&b, '\n');
	return file_write(path, buf_sv(&b), err);
}

/* What a failure is compared by: neither stacks nor times. */
static struct json_t *recorded_error(const struct json_t *error)
{
	struct json_t *out = json_new_obj();

	json_set(out, SV_LIT("type"), json_ref(json_member(error, SV_LIT("type"))));
	struct json_t *payload = json_member(error, SV_LIT("payload"));
	struct sv type = json_sv(json_member(error, SV_LIT("type")));
	if (payload && sv_eq_str(type, "action_script_runtime_error"))
		json_set(out, SV_LIT("payload"), json_ref(payload));
	return out;
}

/* Of the connection what functions read, without the values of its credentials. */
static struct json_t *recorded_connection(const struct json_t *connection)
{
	static const char *const kept[] = { "connection_id", "provider_config_key", "provider",
		"connection_config", "metadata" };
	struct json_t *out = json_new_obj(), *value;
	const struct json_t *credentials = json_member(connection, SV_LIT("credentials"));
	struct json_t *blanked = json_new_obj();
	struct sv key;
	void *it = NULL;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if ((value = json_member(connection, sv_str(kept[i]))))
			json_set(out, sv_str(kept[i]), json_ref(value));
	while (json_next(credentials, &it, &key, &value))
		if (sv_eq_str(key, "type"))
			json_set(blanked, key, json_ref(value));
		else if (json_kind(value) == JSON_KIND_STRING)
			json_set(blanked, key, json_new_str(SV_LIT("REDACTED")));
	json_set(out, SV_LIT("credentials"), blanked);
	return out;
}

static int save(struct dryrun *d, struct project *p, const struct project_fn *f, struct err *err)
{
	own(json_unref) struct json_t *rec = json_new_obj();
	struct json_t *nango = json_new_obj();
	struct local_run *l = &d->live.local;
	char iso[CLOCK_ISO_SIZE];

	const char *folder =
		p->one_integration ? arena_printf(&p->arena, "%s/tests", p->dir)
				   : arena_printf(&p->arena, "%s/%s/tests", p->dir, f->integration);
	if (l->input)
		json_set(rec, SV_LIT("input"), json_ref(l->input));
	if (l->output)
		json_set(rec, SV_LIT("output"), json_ref(l->output));
	if (l->error)
		json_set(rec, SV_LIT("error"), recorded_error(l->error));
	json_set_str(rec, "now", sv_str(clock_iso_ms(d->began_ms, iso)));
	if (d->live.connection_read)
		json_set(nango, SV_LIT("getConnection"), recorded_connection(d->live.connection));
	if (d->given_metadata)
		json_set(nango, SV_LIT("getMetadata"), json_ref(d->given_metadata));
	if (d->given_checkpoint)
		json_set(nango, SV_LIT("getCheckpoint"), json_ref(d->given_checkpoint));
	json_set(nango, SV_LIT("batchSave"), json_ref(l->saved));
	json_set(nango, SV_LIT("batchDelete"), json_ref(l->deleted));
	if (json_len(l->updated))
		json_set(nango, SV_LIT("batchUpdate"), json_ref(l->updated));
	if (json_len(d->live.actions))
		json_set(nango, SV_LIT("triggerAction"), json_ref(d->live.actions));
	json_set(rec, SV_LIT("nango"), nango);
	json_set(rec, SV_LIT("api"), json_ref(d->live.recorded));
	if (mkdir(folder, 0777) < 0 && errno != EEXIST)
		return err_errno(err, errno, "cannot create %s", folder);
	const char *path = arena_printf(&p->arena, "%s/%s.test.json", folder, f->name);
	TRY(write_recording(path, rec, err));
	fprintf(stderr, "saved %s (look for personal data before you commit it)\n", path);
	return 0;
}

static void print_result(struct dryrun *d)
{
	own(json_unref) struct json_t *out = json_new_obj();
	own_in(buf_done) struct buf b = { 0 };
	struct local_run *l = &d->live.local;

	json_set(out, SV_LIT("saved"), json_ref(l->saved));
	json_set(out, SV_LIT("updated"), json_ref(l->updated));
	json_set(out, SV_LIT("deleted"), json_ref(l->deleted));
	json_set(out, SV_LIT("checkpoint"),
		l->checkpoint ? json_ref(l->checkpoint) : json_new_null());
	if (l->output)
		json_set(out, SV_LIT("output"), json_ref(l->output));
	buf_init(&b, 512u << 20);
	json_dump_compact(out, &b);
	printf("%s\n", b.ptr);
}

static void ended(struct local_run *l)
{
	struct dryrun *d = container_of(l, struct dryrun, live.local);
	loop_stop(d->loop);
}

static int run(struct dryrun *d, struct err *err)
{
	char exe[PATH_MAX];

	TRY(exe_path(exe, sizeof(exe), err));
	usage_begin(&d->usage);
	struct runner_pool_config cfg = { .exe = exe, .processes = 1, .hang_ms = HANG_MS };
	own(loop_free) struct loop *loop = loop_new();
	own(runner_pool_free) struct runner_pool *pool = runner_pool_new(loop, &cfg);
	d->loop = loop;
	d->live.local.ended = ended;
	local_start(&d->live.local, pool);
	loop_run(loop);
	return 0;
}

static int give(struct dryrun *d, struct arena *a, struct err *err)
{
	struct local_run *l = &d->live.local;

	TRY(read_json(a, "checkpoint", d->checkpoint, &l->checkpoint, err));
	TRY(read_json(a, "metadata", d->metadata, &l->metadata, err));
	TRY(read_json(a, "input", d->input, &l->input, err));
	l->variant = d->variant;
	l->last_sync_date = d->last_sync_date;
	struct json_t *metadata = json_member(d->live.connection, SV_LIT("metadata"));
	d->given_metadata = json_ref(l->metadata ? l->metadata : metadata);
	d->given_checkpoint = json_ref(l->checkpoint);
	/* A recording says when it was made: the function must see just that time. */
	d->began_ms = clock_now_ms();
	l->now_ms = d->save ? d->began_ms : 0;
	return 0;
}

static int conclude(struct dryrun *d, struct project *p, struct project_fn *f, struct err *err)
{
	struct local_run *l = &d->live.local;

	print_result(d);
	if (d->diagnostics) {
		usage_add(&d->usage, l, f->name);
		usage_print(&d->usage);
	}
	if (l->problem.len) {
		/* That it fails in this way may be just what the test is to say. */
		if (d->save && l->error)
			TRY(save(d, p, f, err));
		return err_set(err, ERR_INVALID, "%s", l->problem.ptr);
	}
	size_t bad = validate(d, f);
	if (bad && (d->validate || d->save))
		return err_set(err, ERR_INVALID, "%zu records do not fit their model", bad);
	return d->save ? save(d, p, f, err) : 0;
}

static void dryrun_done(struct dryrun *d)
{
	live_done(&d->live);
	json_unref(d->given_metadata);
	json_unref(d->given_checkpoint);
}

static int dryrun(struct dryrun *d, struct err *err)
{
	own_in(project_done) struct project p = { 0 };
	own_in(rest_done) struct rest rest = { 0 };
	own_in(arena_done) struct arena a = { 0 };
	struct project_fn *f = NULL;

	TRY(rest_open(d->environment, &rest, err));
	TRY(project_open(".", &p, err));
	TRY(choose(d, &p, &f, err));
	TRY(project_build(&p, true, err));
	int rc = live_init(&d->live, &rest, f, d->connection, d->save, err);
	if (rc == 0)
		rc = give(d, &a, err);
	if (rc == 0)
		rc = run(d, err);
	if (rc == 0)
		rc = conclude(d, &p, f, err);
	dryrun_done(d);
	return rc;
}

int cmd_dryrun(int argc, char **argv)
{
	static const struct option options[] = { { "environment", required_argument, NULL, 'e' },
		{ "integration", required_argument, NULL, 'I' },
		{ "integration-id", required_argument, NULL, 'I' },
		{ "checkpoint", required_argument, NULL, 'c' },
		{ "metadata", required_argument, NULL, 'm' },
		{ "input", required_argument, NULL, 'i' },
		{ "variant", required_argument, NULL, 'V' },
		{ "lastSyncDate", required_argument, NULL, 'l' },
		{ "validate", no_argument, NULL, 'v' }, { "save", no_argument, NULL, 's' },
		{ "diagnostics", no_argument, NULL, 'd' }, { "help", no_argument, NULL, 'h' },
		{ 0 } };
	struct dryrun d = { .environment = "dev", .variant = "base" };
	struct err err = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "e:c:m:i:l:h", options, NULL)) != -1) {
		switch (c) {
		case 'e': d.environment = optarg; break;
		case 'I': d.integration = optarg; break;
		case 'c': d.checkpoint = optarg; break;
		case 'm': d.metadata = optarg; break;
		case 'i': d.input = optarg; break;
		case 'V': d.variant = optarg; break;
		case 'l': d.last_sync_date = optarg; break;
		case 'v': d.validate = true; break;
		case 's': d.save = true; break;
		case 'd': d.diagnostics = true; break;
		default: usage(c == 'h' ? stdout : stderr); return c == 'h' ? 0 : 2;
		}
	}
	if (argc - optind != 2) {
		usage(stderr);
		return 2;
	}
	d.function = argv[optind];
	d.connection = argv[optind + 1];
	return dryrun(&d, &err) < 0 ? cli_fail("dryrun failed", &err) : 0;
}
