#include "cli/esbuild.h"

#include "base/sv.h"
#include "cli/project.h"
#include "data/json.h"
#include "os/file.h"
#include "os/program.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* More than any run could hold in memory. */
#define BUNDLE_MAX (16u << 20)
#define META_MAX (512u << 20)

/* What a function may import besides its own files (spec/function-runtime.md 0). */
static const char *const allowed_modules[] = { "nango", "nango/experimental", "tidemark", "zod",
	"url", "node:url", "crypto", "node:crypto", "unzipper" };

/* Known modules of the existing system that we do not offer, with what to say. */
static const char *const refused_modules[] = { "soap", "botbuilder" };

/* "linux-x64": how npm names the native packages of this machine. */
static const char *platform(void)
{
	struct utsname u;

	if (uname(&u) == 0 && strcmp(u.machine, "aarch64") == 0)
		return "linux-arm64";
	return "linux-x64";
}

/* The project's own, then one beside this binary, then the system's. */
const char *esbuild_path(struct arena *a, const char *dir)
{
	char exe[PATH_MAX];
	const char *native = arena_printf(a, "node_modules/@esbuild/%s/bin/esbuild", platform());

	const char *found = project_tool(a, dir, native);
	if (!found && exe_path(exe, sizeof(exe), NULL) == 0)
		found = project_tool(a, exe, native);
	return found ? found : "esbuild";
}

/* A scratch folder inside the project, so that source maps name sources relative to it. */
static int make_scratch(struct project *p, char **ret, struct err *err)
{
	char *build = arena_printf(&p->arena, "%s/build", p->dir);
	char *scratch = arena_printf(&p->arena, "%s/.bundle-XXXXXX", build);

	if (mkdir(build, 0777) < 0 && errno != EEXIST)
		return err_errno(err, errno, "cannot create %s", build);
	if (!mkdtemp(scratch))
		return err_errno(err, errno, "cannot create a folder in %s", build);
	*ret = scratch;
	return 0;
}

/* Removes the scratch folder with everything in it: a few levels that esbuild made. */
static void remove_tree(struct arena *a, const char *path)
{
	DIR *d = opendir(path);
	if (d) {
		for (struct dirent *e; (e = readdir(d));) {
			if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
				continue;
			char *kid = arena_printf(a, "%s/%s", path, e->d_name);
			if (unlink(kid) < 0)
				remove_tree(a, kid);
		}
		closedir(d);
	}
	rmdir(path);
}

/* Several functions on their way through esbuild. */
struct batch {
	struct project *p;
	const char *scratch;
	const char *log; /* what esbuild prints */
	struct project_fn **fns;
	size_t count;
};

static void fail(struct batch *b, struct project_fn *f, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void fail(struct batch *b, struct project_fn *f, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (f->problem)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->problem = arena_str(&b->p->arena, sv_str(text));
}

static int run_esbuild(const struct batch *b, int *ret_status, struct err *err)
{
	struct arena *a = &b->p->arena;
	const char **argv = arena_array(a, b->count + 20, sizeof(*argv));
	size_t n = 0;

	argv[n++] = esbuild_path(a, b->p->dir);
	for (size_t i = 0; i < b->count; i++)
		argv[n++] = b->fns[i]->path;
	argv[n++] = "--bundle";
	argv[n++] = "--format=cjs";
	argv[n++] = "--platform=node";
	argv[n++] = "--target=esnext";
	argv[n++] = "--packages=external";
	argv[n++] = "--sourcemap=inline";
	argv[n++] = "--sources-content=false";
	argv[n++] = "--log-level=warning";
	argv[n++] = "--color=false";
	argv[n++] = "--outbase=.";
	argv[n++] = arena_printf(a, "--outdir=%s", b->scratch);
	argv[n++] = arena_printf(a, "--metafile=%s/meta.json", b->scratch);
	argv[n] = NULL;
	int rc = os_spawn_wait(argv, b->p->dir, b->log, ret_status, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND,
			"no esbuild found (install it in the project: npm install --save-dev "
			"esbuild; or on the system: apt-get install esbuild)");
	return rc;
}

/*
 * The first of esbuild's messages as one line:
 *	X [ERROR] Expected ";" but found "x"
 *
 *	    crm/syncs/a.ts:3:5:
 */
static void explain(struct batch *b, struct project_fn *f)
{
	struct sv text = SV_NULL, line, message = SV_NULL;
	const char *mark = "[ERROR] ";

	if (file_load(&b->p->arena, b->log, BUNDLE_MAX, &text, NULL) < 0)
		text = SV_NULL;
	while (sv_split(&text, '\n', &line)) {
		ptrdiff_t at = sv_find(line, sv_str(mark));
		if (at >= 0 && !message.ptr) {
			message = sv_from(line, (size_t)at + strlen(mark));
		} else if (message.ptr && sv_starts(line, SV_LIT("    ")) &&
			   sv_ends(line, SV_LIT(":"))) {
			fail(b, f, "%.*s %.*s", SV(sv_trim(line)), SV(message));
			return;
		}
	}
	fail(b, f, "%s: %.*s", f->path, SV(message.ptr ? message : SV_LIT("does not compile")));
}

/* Imports. */

static bool in_list(struct sv name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq_str(name, list[i]))
			return true;
	return false;
}

/* "file:line:column" of the first place that names a module in quotes; just the file if none. */
static const char *place_of(struct arena *a, const char *dir, struct sv file, struct sv module)
{
	struct sv text;
	unsigned line = 1, column = 1;

	const char *path = arena_printf(a, "%s/%.*s", dir, SV(file));
	if (file_load(a, path, BUNDLE_MAX, &text, NULL) < 0)
		return arena_str(a, file);
	ptrdiff_t at = sv_find(text, sv_str(arena_printf(a, "'%.*s'", SV(module))));
	if (at < 0)
		at = sv_find(text, sv_str(arena_printf(a, "\"%.*s\"", SV(module))));
	for (ptrdiff_t i = 0; i < at; i++) {
		column = text.ptr[i] == '\n' ? 1 : column + 1;
		line += text.ptr[i] == '\n';
	}
	return at < 0 ? arena_str(a, file) : arena_printf(a, "%.*s:%u:%u", SV(file), line, column);
}

static void check_import(struct batch *b, struct project_fn *f, struct sv file, struct sv module)
{
	if (in_list(module, allowed_modules, ARRAY_LEN(allowed_modules)))
		return;
	const char *place = place_of(&b->p->arena, b->p->dir, file, module);
	if (in_list(module, refused_modules, ARRAY_LEN(refused_modules)))
		fail(b, f,
			"%s: module '%.*s' is not available in tidemark: it opens connections of "
			"its own, past credentials and address checks (use nango.post)",
			place, SV(module));
	else
		fail(b, f,
			"%s: import of '%.*s' is not allowed (functions may import nango, "
			"tidemark, zod, url, crypto, unzipper and their own files)",
			place, SV(module));
}

/* Every external import of every file of one bundle, from esbuild's own list. */
static void check_bundle(struct batch *b, struct project_fn *f, const struct json_t *output,
	const struct json_t *inputs)
{
	struct json_t *unused;
	void *it = NULL;
	struct sv file;

	while (json_next(json_member(output, SV_LIT("inputs")), &it, &file, &unused)) {
		struct json_t *imports = json_member(json_member(inputs, file), SV_LIT("imports"));
		for (size_t i = 0; i < json_len(imports); i++) {
			struct json_t *import = json_item(imports, i);
			if (json_truth(json_member(import, SV_LIT("external"))))
				check_import(
					b, f, file, json_sv(json_member(import, SV_LIT("path"))));
		}
	}
}

static struct project_fn *function_of(const struct batch *b, struct sv path)
{
	for (size_t i = 0; i < b->count; i++)
		if (sv_eq_str(path, b->fns[i]->path))
			return b->fns[i];
	return NULL;
}

static int check_imports(struct batch *b, struct err *err)
{
	own(json_unref) struct json_t *meta = NULL;
	struct json_t *inputs, *outputs, *output;
	struct sv text, name;
	void *it = NULL;

	char *path = arena_printf(&b->p->arena, "%s/meta.json", b->scratch);
	TRY(file_load(&b->p->arena, path, META_MAX, &text, err));
	TRY(json_parse(text, &meta, err));
	TRY(json_get_obj(meta, "inputs", &inputs, err));
	TRY(json_get_obj(meta, "outputs", &outputs, err));
	while (json_next(outputs, &it, &name, &output)) {
		struct project_fn *f =
			function_of(b, json_sv(json_member(output, SV_LIT("entryPoint"))));
		if (f)
			check_bundle(b, f, output, inputs);
	}
	return 0;
}

static int read_bundles(struct batch *b, struct err *err)
{
	for (size_t i = 0; i < b->count; i++) {
		struct project_fn *f = b->fns[i];
		char *path = arena_printf(&b->p->arena, "%s/%s.js", b->scratch, f->file);
		struct err why = { 0 };
		int rc = file_load(&b->p->arena, path, BUNDLE_MAX, &f->js, &why);
		if (rc == ERR_LIMIT)
			fail(b, f, "%s: the bundle is larger than %u MB", f->path,
				BUNDLE_MAX >> 20);
		else if (rc < 0)
			return err_set(err, rc, "%s", why.msg);
	}
	return 0;
}

static void print_warnings(const struct batch *b)
{
	struct sv text;

	if (file_load(&b->p->arena, b->log, BUNDLE_MAX, &text, NULL) == 0 && text.len)
		fprintf(stderr, "%.*s", SV(text));
}

/* esbuild writes nothing when one file is wrong: halving finds which. */
static int bundle(struct batch *b, struct err *err)
{
	int status;

	TRY(run_esbuild(b, &status, err));
	if (status == 0) {
		print_warnings(b);
		TRY(check_imports(b, err));
		return read_bundles(b, err);
	}
	if (b->count == 1) {
		explain(b, b->fns[0]);
		return 0;
	}
	struct batch left = *b, right = *b;
	left.count = b->count / 2;
	right.fns += left.count;
	right.count -= left.count;
	TRY(bundle(&left, err));
	return bundle(&right, err);
}

int esbuild_bundle(struct project *p, struct err *err)
{
	struct batch b = { .p = p };
	char *scratch = NULL;

	b.fns = arena_array(&p->arena, p->count + 1, sizeof(struct project_fn *));
	for (size_t i = 0; i < p->count; i++)
		if (p->fns[i].wanted && !p->fns[i].problem)
			b.fns[b.count++] = &p->fns[i];
	/* Without a file esbuild reads its standard input. */
	if (b.count == 0)
		return 0;
	TRY(make_scratch(p, &scratch, err));
	b.scratch = scratch;
	b.log = arena_printf(&p->arena, "%s/messages.txt", scratch);
	int rc = bundle(&b, err);
	remove_tree(&p->arena, scratch);
	return rc;
}
