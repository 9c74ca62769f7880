#include "cli/project.h"

#include "base/buf.h"
#include "base/sv.h"
#include "cli/esbuild.h"
#include "data/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A source file above this is a mistake; bundles may be larger. */
#define SOURCE_MAX (4u << 20)
#define FUNCTIONS_MAX 20000

static const char *const kinds[] = { "syncs", "actions", "on-events", "functions" };

int file_load(struct arena *a, const char *path, size_t max, struct sv *ret, struct err *err)
{
	struct stat st;

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "no file %s", path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	int rc = 0;
	if (fstat(fd, &st) < 0)
		rc = err_errno(err, errno, "cannot read %s", path);
	else if (!S_ISREG(st.st_mode))
		rc = err_set(err, ERR_INVALID, "%s is not a file", path);
	else if ((size_t)st.st_size > max)
		rc = err_set(err, ERR_LIMIT, "%s has %lld bytes, at most %zu", path,
			(long long)st.st_size, max);
	if (rc == 0) {
		char *p = arena_alloc(a, (size_t)st.st_size + 1);
		ssize_t n, at = 0;
		while (at < st.st_size && (n = read(fd, p + at, (size_t)(st.st_size - at))) > 0)
			at += n;
		p[at] = 0;
		*ret = sv_make(p, (size_t)at);
	}
	close(fd);
	return rc;
}

static struct project_fn *add(
	struct project *p, struct sv integration, struct sv kind, struct sv name)
{
	/* Grown by doubling; the arena keeps the old arrays, a few kilobytes. */
	if ((p->count & (p->count - 1)) == 0) {
		struct project_fn *bigger =
			arena_array(&p->arena, p->count ? 2 * p->count : 1, sizeof(*bigger));
		if (p->count)
			memcpy(bigger, p->fns, p->count * sizeof(*bigger));
		p->fns = bigger;
	}
	struct project_fn *f = &p->fns[p->count++];
	*f = (struct project_fn){
		.integration = arena_str(&p->arena, integration),
		.kind = arena_str(&p->arena, kind),
		.name = arena_str(&p->arena, name),
		.wanted = true,
	};
	f->file = p->one_integration
			  ? arena_printf(&p->arena, "%s/%s", f->kind, f->name)
			  : arena_printf(&p->arena, "%s/%s/%s", f->integration, f->kind, f->name);
	f->path = arena_printf(&p->arena, "%s.ts", f->file);
	return f;
}

/* The path in `import './crm/syncs/contacts.js'`, or absent. */
static struct sv import_path(struct sv line)
{
	line = sv_trim(line);
	if (!sv_starts(line, SV_LIT("import ")))
		return SV_NULL;
	line = sv_trim(sv_from(line, 7));
	if (line.len < 4 || (line.ptr[0] != '\'' && line.ptr[0] != '"'))
		return SV_NULL;
	ptrdiff_t end = sv_find_char(sv_from(line, 1), line.ptr[0]);
	struct sv path = end < 0 ? SV_NULL : sv_make(line.ptr + 1, (size_t)end);
	if (!path.ptr || !sv_starts(path, SV_LIT("./")))
		return SV_NULL;
	path = sv_from(path, 2);
	if (sv_ends(path, SV_LIT(".js")) || sv_ends(path, SV_LIT(".ts")))
		path.len -= 3;
	return path;
}

static int add_import(struct project *p, struct sv path, unsigned line, struct err *err)
{
	struct sv integration, kind, rest = path;

	if (!sv_split(&rest, '/', &integration) || !rest.ptr || !sv_split(&rest, '/', &kind) ||
		!rest.ptr || sv_find_char(rest, '/') >= 0 || rest.len == 0)
		return err_set(err, ERR_INVALID,
			"index.ts:%u: './%.*s' is not ./<integration>/<kind>/<name>.js "
			"(kind: syncs, actions or on-events)",
			line, SV(path));
	if (project_find(p, integration, rest))
		return err_set(err, ERR_CONFLICT,
			"index.ts:%u: two functions named '%.*s' in integration '%.*s'", line,
			SV(rest), SV(integration));
	if (p->count == FUNCTIONS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d functions", FUNCTIONS_MAX);
	add(p, integration, kind, rest);
	return 0;
}

static int read_index(struct project *p, struct sv text, struct err *err)
{
	struct sv line, rest = text;

	for (unsigned n = 1; sv_split(&rest, '\n', &line); n++) {
		struct sv path = import_path(line);
		if (path.ptr)
			TRY(add_import(p, path, n, err));
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of *.ts files (without .ts) of a folder, sorted; 0 when there is no such folder. */
static size_t list_sources(struct arena *a, const char *path, char ***ret)
{
	size_t count = 0, cap = 16;
	char **names = arena_array(a, cap, sizeof(*names));

	DIR *d = opendir(path);
	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));) {
		struct sv name = sv_str(e->d_name);
		if (!sv_ends(name, SV_LIT(".ts")) || sv_ends(name, SV_LIT(".d.ts")) ||
			sv_ends(name, SV_LIT(".test.ts")))
			continue;
		if (count == cap) {
			char **bigger = arena_array(a, 2 * cap, sizeof(*names));
			memcpy(bigger, names, cap * sizeof(*names));
			names = bigger;
			cap *= 2;
		}
		names[count++] = arena_str(a, sv_make(name.ptr, name.len - 3));
	}
	closedir(d);
	qsort(names, count, sizeof(*names), by_name);
	*ret = names;
	return count;
}

static void read_integration(struct project *p)
{
	struct sv dir = sv_str(p->dir);
	ptrdiff_t slash;
	struct sv name = dir;

	while ((slash = sv_find_char(name, '/')) >= 0)
		name = sv_from(name, (size_t)slash + 1);
	p->one_integration = true;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		char **names;
		char *path = arena_printf(&p->arena, "%s/%s", p->dir, kinds[k]);
		size_t n = list_sources(&p->arena, path, &names);
		for (size_t i = 0; i < n; i++)
			add(p, name, sv_str(kinds[k]), sv_str(names[i]));
	}
}

int project_open(const char *dir, struct project *ret, struct err *err)
{
	char real[PATH_MAX];
	struct sv index;

	*ret = (struct project){ 0 };
	if (!realpath(dir, real))
		return err_errno(err, errno, "cannot open project folder %s", dir);
	ret->dir = arena_str(&ret->arena, sv_str(real));
	char *path = arena_printf(&ret->arena, "%s/index.ts", real);
	int rc = file_load(&ret->arena, path, SOURCE_MAX, &index, err);
	if (rc == 0) {
		rc = read_index(ret, index, err);
	} else if (rc == ERR_NOT_FOUND) {
		rc = 0;
		read_integration(ret);
	}
	if (rc == 0 && ret->count == 0)
		rc = err_set(err, ERR_NOT_FOUND,
			"%s holds no functions (a project has an index.ts with lines like "
			"import './crm/syncs/contacts.js'; make one with: tidemark init DIR)",
			dir);
	if (rc < 0)
		project_done(ret);
	return rc;
}

void project_done(struct project *p)
{
	for (size_t i = 0; i < p->count; i++)
		json_unref(p->fns[i].definition);
	arena_done(&p->arena);
	*p = (struct project){ 0 };
}

struct project_fn *project_find(struct project *p, struct sv integration, struct sv name)
{
	for (size_t i = 0; i < p->count; i++) {
		struct project_fn *f = &p->fns[i];
		if (sv_eq_str(name, f->name) &&
			(!integration.ptr || sv_eq_str(integration, f->integration)))
			return f;
	}
	return NULL;
}

/* Source and bundle together: either changing makes another version. */
static void hash_function(struct project_fn *f)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
		 EVP_DigestUpdate(ctx, f->js.ptr, f->js.len) && EVP_DigestUpdate(ctx, "", 1) &&
		 EVP_DigestUpdate(ctx, f->ts.ptr, f->ts.len) && EVP_DigestFinal_ex(ctx, md, &len);
	assert(ok && len == 32);
	EVP_MD_CTX_free(ctx);
	for (unsigned i = 0; i < len; i++)
		snprintf(f->hash + 2 * i, 3, "%02x", md[i]);
}

int project_compile(struct project *p, struct err *err)
{
	size_t wanted = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct project_fn *f = &p->fns[i];
		if (!f->wanted)
			continue;
		char *path = arena_printf(&p->arena, "%s/%s", p->dir, f->path);
		TRY(file_load(&p->arena, path, SOURCE_MAX, &f->ts, err));
		wanted++;
	}
	/* Without a file esbuild reads its standard input. */
	if (wanted == 0)
		return 0;
	TRY(esbuild_bundle(p, err));
	for (size_t i = 0; i < p->count; i++)
		if (p->fns[i].wanted)
			hash_function(&p->fns[i]);
	return 0;
}
