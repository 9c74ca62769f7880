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

#define BUNDLE_MAX (64u << 20)

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

/* The native esbuild of npm in `dir` or one of its parents; NULL when there is none. */
static const char *find_above(struct arena *a, const char *dir)
{
	struct sv at = sv_str(dir);

	for (;;) {
		char *path = arena_printf(
			a, "%.*s/node_modules/@esbuild/%s/bin/esbuild", SV(at), platform());
		if (access(path, X_OK) == 0)
			return path;
		while (at.len && at.ptr[at.len - 1] != '/')
			at.len--;
		if (at.len <= 1)
			return NULL;
		at.len--;
	}
}

/* The project's own, then one beside this binary, then the system's. */
static const char *find_esbuild(struct arena *a, const char *dir)
{
	char exe[PATH_MAX];

	const char *found = find_above(a, dir);
	if (!found && exe_path(exe, sizeof(exe), NULL) == 0)
		found = find_above(a, exe);
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

static int run_esbuild(struct project *p, const char *scratch, struct err *err)
{
	size_t n = 0;
	const char **argv = arena_array(&p->arena, p->count + 20, sizeof(*argv));
	int status;

	argv[n++] = find_esbuild(&p->arena, p->dir);
	for (size_t i = 0; i < p->count; i++)
		if (p->fns[i].wanted)
			argv[n++] = p->fns[i].path;
	if (n == 1)
		return 0;
	argv[n++] = "--bundle";
	argv[n++] = "--format=cjs";
	argv[n++] = "--platform=node";
	argv[n++] = "--target=esnext";
	argv[n++] = "--packages=external";
	argv[n++] = "--sourcemap=inline";
	argv[n++] = "--sources-content=false";
	argv[n++] = "--log-level=warning";
	argv[n++] = "--outbase=.";
	argv[n++] = arena_printf(&p->arena, "--outdir=%s", scratch);
	argv[n++] = arena_printf(&p->arena, "--metafile=%s/meta.json", scratch);
	argv[n] = NULL;
	int rc = os_spawn_wait(argv, p->dir, &status, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND,
			"no esbuild found (install it in the project: npm install --save-dev "
			"esbuild; or on the system: apt-get install esbuild)");
	TRY(rc);
	if (status)
		return err_set(err, ERR_INVALID, "compilation failed (messages above)");
	return 0;
}

static bool in_list(struct sv name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq_str(name, list[i]))
			return true;
	return false;
}

static int check_import(struct sv file, struct sv module, struct err *err)
{
	if (in_list(module, allowed_modules, ARRAY_LEN(allowed_modules)))
		return 0;
	if (in_list(module, refused_modules, ARRAY_LEN(refused_modules)))
		return err_set(err, ERR_INVALID,
			"%.*s: module '%.*s' is not available in tidemark yet", SV(file),
			SV(module));
	return err_set(err, ERR_INVALID,
		"%.*s: import of '%.*s' is not allowed (functions may import nango, tidemark, "
		"zod, url, crypto, unzipper and their own files)",
		SV(file), SV(module));
}

/* Every external import of every input file, from esbuild's own list. */
static int check_imports(struct project *p, const char *scratch, struct err *err)
{
	own(json_unref) struct json_t *meta = NULL;
	struct json_t *inputs, *input;
	struct sv text, file;
	void *it = NULL;

	char *path = arena_printf(&p->arena, "%s/meta.json", scratch);
	TRY(file_load(&p->arena, path, BUNDLE_MAX, &text, err));
	TRY(json_parse(text, &meta, err));
	TRY(json_get_obj(meta, "inputs", &inputs, err));
	while (json_next(inputs, &it, &file, &input)) {
		struct json_t *imports = json_member(input, SV_LIT("imports"));
		for (size_t i = 0; i < json_len(imports); i++) {
			struct json_t *import = json_item(imports, i);
			if (json_truth(json_member(import, SV_LIT("external"))))
				TRY(check_import(
					file, json_sv(json_member(import, SV_LIT("path"))), err));
		}
	}
	return 0;
}

static int read_bundles(struct project *p, const char *scratch, struct err *err)
{
	for (size_t i = 0; i < p->count; i++) {
		struct project_fn *f = &p->fns[i];
		if (!f->wanted)
			continue;
		char *path = arena_printf(&p->arena, "%s/%s.js", scratch, f->file);
		TRY(file_load(&p->arena, path, BUNDLE_MAX, &f->js, err));
	}
	return 0;
}

int esbuild_bundle(struct project *p, struct err *err)
{
	char *scratch = NULL;

	TRY(make_scratch(p, &scratch, err));
	int rc = run_esbuild(p, scratch, err);
	if (rc == 0)
		rc = check_imports(p, scratch, err);
	if (rc == 0)
		rc = read_bundles(p, scratch, err);
	remove_tree(&p->arena, scratch);
	return rc;
}
