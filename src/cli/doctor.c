/* tidemark doctor: what could keep an installation from working, one line each. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/esbuild.h"
#include "cli/project.h"
#include "conf/settings.h"
#include "data/jw.h"
#include "model/row.h"
#include "os/file.h"
#include "os/program.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MIB = 1 << 20, SPARE_FILES = 256 };
#define YEAR_2026_MS INT64_C(1767225600000)

static const char *const verdicts[] = { "ok", "warn", "fail" };

void doctor_say(struct doctor *d, enum verdict v, const char *what, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct finding *f =
		row_list_add(&d->arena, (void **)&d->list, &d->count, &d->cap, sizeof(*d->list));
	*f = (struct finding){ v, what, arena_str(&d->arena, sv_str(text)) };
}

static void show_json(struct doctor *d, const struct finding *f)
{
	struct jw w;

	buf_str(&d->objects, d->objects.len ? "," : "");
	jw_init(&w, &d->objects);
	jw_obj(&w);
	jw_kv_cstr(&w, "verdict", verdicts[f->verdict]);
	jw_kv_cstr(&w, "what", f->what);
	jw_kv_cstr(&w, "detail", f->text);
	jw_end(&w);
}

void doctor_show(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct finding *f = &d->list[i];
		d->warnings += f->verdict == DOCTOR_WARN;
		d->failures += f->verdict == DOCTOR_FAIL;
		if (d->json)
			show_json(d, f);
		else
			printf("%-4s  %s: %s\n", verdicts[f->verdict], f->what, f->text);
	}
	d->count = 0;
}

/* --- the machine --- */

static void folder(struct doctor *d)
{
	const char *path = d->conf->data;
	struct stat st;

	if (d->conf->database && d->conf->encryption_key)
		return; /* there is nothing in it */
	if (stat(path, &st) < 0)
		doctor_say(d, DOCTOR_FAIL, "data folder",
			"%s is not there (`tidemark serve` makes it, --data names another)", path);
	else if (!S_ISDIR(st.st_mode) || access(path, R_OK | W_OK | X_OK) < 0)
		doctor_say(d, DOCTOR_FAIL, "data folder",
			"%s is no folder that this user may write (run as its owner, or chown it)",
			path);
	else if (st.st_mode & 077)
		doctor_say(d, DOCTOR_WARN, "data folder",
			"%s may be read by others: mode %03o (chmod 700)", path,
			(unsigned)(st.st_mode & 0777));
	else
		doctor_say(d, DOCTOR_OK, "data folder", "%s", path);
}

static void key_file(struct doctor *d)
{
	char path[1100];
	struct stat st;

	if (d->conf->encryption_key) {
		doctor_say(d, d->conf->encryption_key_new ? DOCTOR_WARN : DOCTOR_OK, "key source",
			d->conf->encryption_key_new
				? "TIDEMARK_ENCRYPTION_KEY and _NEW: a rotation is under way "
				  "(docs/operations.md says how it ends)"
				: "TIDEMARK_ENCRYPTION_KEY");
		return;
	}
	snprintf(path, sizeof(path), "%s/master.key.new", d->conf->data);
	if (stat(path, &st) == 0)
		doctor_say(d, DOCTOR_WARN, "key source",
			"%s is there: a rotation was interrupted (run `tidemark rotate-key` "
			"again)",
			path);
	path[strlen(path) - 4] = 0;
	if (stat(path, &st) < 0)
		return; /* opening the store will tell */
	bool open = st.st_mode & 077;
	doctor_say(d, open ? DOCTOR_FAIL : DOCTOR_OK, "key source",
		open ? "%s may be read by others (chmod 600, and rotate it)" : "%s", path);
}

static void disk(struct doctor *d)
{
	struct statvfs fs;

	if (statvfs(d->conf->data, &fs) < 0)
		return; /* the folder's line says why */
	double free_mb = (double)fs.f_bavail * (double)fs.f_frsize / MIB;
	double share = fs.f_blocks ? 100.0 * (double)fs.f_bavail / (double)fs.f_blocks : 100;
	enum verdict v = free_mb < 200		       ? DOCTOR_FAIL
			 : free_mb < 2048 || share < 5 ? DOCTOR_WARN
						       : DOCTOR_OK;
	doctor_say(d, v, "disk",
		v == DOCTOR_OK ? "%.0f MiB free (%.0f %%)"
			       : "%.0f MiB free (%.0f %%): make room, or move the data folder",
		free_mb, share);
}

static void open_files(struct doctor *d)
{
	struct rlimit limit;
	int64_t need = d->conf->max_connections + d->conf->provider_connections + SPARE_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	/* The hard limit: `serve` raises its own up to that. */
	bool few = limit.rlim_max != RLIM_INFINITY && (int64_t)limit.rlim_max < need;
	doctor_say(d, few ? DOCTOR_WARN : DOCTOR_OK, "open files",
		few ? "at most %lld here, max_connections and provider_connections may need %lld "
		      "(LimitNOFILE= of systemd, ulimit -Hn)"
		    : "at most %lld, %lld are enough",
		(long long)limit.rlim_max, (long long)need);
}

static void wall_clock(struct doctor *d)
{
	char now[CLOCK_ISO_SIZE];

	clock_iso_ms(clock_now_ms(), now);
	if (clock_now_ms() < YEAR_2026_MS)
		doctor_say(d, DOCTOR_FAIL, "clock",
			"it is %s here: wrong (set it, and run NTP; TLS and schedules need it)",
			now);
}

static void server(struct doctor *d)
{
	char path[1100];
	int fd = 0;

	snprintf(path, sizeof(path), "%s/lock", d->conf->data);
	if (d->conf->database || !d->store.db)
		return;
	/* Looking must not make the file. */
	int rc = access(path, F_OK) == 0 ? file_lock(path, &fd, NULL) : 0;
	if (fd)
		close(fd);
	doctor_say(d, DOCTOR_OK, "server",
		rc == ERR_CONFLICT ? "one runs on this data folder"
				   : "none runs on this data folder");
}

/* --- what runs functions --- */

/* Evaluates a function in the sandbox, as a deployment does. */
static void runner(struct doctor *d)
{
	static const char js[] =
		"const { createSync } = require('nango');"
		"module.exports = { default: createSync({ description: 'd', version: '1.0.0', "
		"frequency: 'every hour', autoStart: false, models: {}, exec: async () => {} }) };";
	own_in(project_done) struct project p = { .dir = "." };
	struct err err = { 0 };
	struct project_fn fn = { .integration = "doctor",
		.kind = "syncs",
		.name = "check",
		.path = "check.ts",
		.file = "doctor/syncs/check",
		.js = sv_str(js),
		.hash = "doctor",
		.wanted = true };

	p.fns = &fn;
	p.count = 1;
	if (project_inspect(&p, &err) < 0 || fn.problem)
		doctor_say(d, DOCTOR_FAIL, "runner",
			"%s (is libjavascriptcoregtk-4.1 installed, and seccomp "
			"allowed?)",
			fn.problem ? fn.problem : err.msg);
	else
		doctor_say(d, DOCTOR_OK, "runner", "a function was evaluated in the sandbox");
}

static bool in_path(const char *program)
{
	const char *const argv[] = { "sh", "-c", "command -v \"$0\" >/dev/null 2>&1", program,
		NULL };
	int status = 1;

	return os_spawn_wait(argv, NULL, NULL, &status, NULL) == 0 && status == 0;
}

/* Only where functions are deployed from; a server needs neither. */
static void deploying(struct doctor *d)
{
	struct arena a = { 0 };
	const char *esbuild = esbuild_path(&a, ".");
	bool found = strchr(esbuild, '/') || in_path(esbuild);

	doctor_say(d, found ? DOCTOR_OK : DOCTOR_WARN, "esbuild",
		found ? "%s"
		      : "%s not found: `tidemark deploy` and `dryrun` cannot work here (npm "
			"install esbuild; a machine that only serves does not need it)",
		esbuild);
	arena_done(&a);
	found = in_path("node");
	doctor_say(d, DOCTOR_OK, "node",
		found ? "found" : "not found (only the public `nango` command line needs it)");
}

/* --- the command --- */

static int finish(struct doctor *d)
{
	doctor_show(d);
	if (d->json)
		printf("{\"ok\":%s,\"warnings\":%u,\"failures\":%u,\"checks\":[%s]}\n",
			d->failures ? "false" : "true", d->warnings, d->failures,
			d->objects.len ? d->objects.ptr : "");
	else
		printf("%u warnings, %u failures\n", d->warnings, d->failures);
	return d->failures ? 1 : 0;
}

static void check_all(struct doctor *d)
{
	folder(d);
	key_file(d);
	doctor_database(d);
	disk(d);
	open_files(d);
	wall_clock(d);
	server(d);
	runner(d);
	deploying(d);
}

int cmd_doctor(int argc, char **argv)
{
	own(settings_free) struct settings *conf = NULL;
	struct doctor d = { 0 };
	int skip = 1;
	struct err err = { 0 };

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return cli_usage("doctor", 0);
	for (; skip < argc; skip++) {
		if (strcmp(argv[skip], "--json") == 0)
			d.json = true;
		else if (strcmp(argv[skip], "--records") == 0)
			d.records = true;
		else
			break;
	}
	buf_init(&d.objects, 1 << 20);
	if (store_settings(argc - skip, argv + skip, &conf, &err) < 0) {
		doctor_say(&d, DOCTOR_FAIL, "settings", "%s", err.msg);
	} else {
		d.conf = conf;
		doctor_say(&d, DOCTOR_OK, "settings", "understood");
		check_all(&d);
	}
	int rc = finish(&d);
	store_close(&d.store);
	buf_done(&d.objects);
	arena_done(&d.arena);
	return rc;
}
