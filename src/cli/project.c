#include "cli/project.h"

#include "base/buf.h"
#include "base/sv.h"
#include "cli/esbuild.h"
#include "cli/lint.h"
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

/* A sync and an action may share a name: their kinds tell them apart. */
static bool has(const struct project *p, struct sv integration, struct sv kind, struct sv name)
{
	for (size_t i = 0; i < p->count; i++)
		if (sv_eq_str(name, p->fns[i].name) && sv_eq_str(kind, p->fns[i].kind) &&
			sv_eq_str(integration, p->fns[i].integration))
			return true;
	return false;
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
	if (has(p, integration, kind, rest))
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

/* The list with room for one more than `count`; grown by doubling. */
static char **grown(struct arena *a, char **names, size_t count)
{
	if (count & (count - 1))
		return names;
	char **bigger = arena_array(a, count ? 2 * count : 1, sizeof(*bigger));
	if (count)
		memcpy(bigger, names, count * sizeof(*names));
	return bigger;
}

/* Names of *.ts files (without .ts) of a folder, sorted; 0 when there is no such folder. */
static size_t list_sources(struct arena *a, const char *path, char ***ret)
{
	size_t count = 0;
	char **names = NULL;

	DIR *d = opendir(path);
	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));) {
		struct sv name = sv_str(e->d_name);
		if (!sv_ends(name, SV_LIT(".ts")) || sv_ends(name, SV_LIT(".d.ts")) ||
			sv_ends(name, SV_LIT(".test.ts")))
			continue;
		names = grown(a, names, count);
		names[count++] = arena_str(a, sv_make(name.ptr, name.len - 3));
	}
	closedir(d);
	if (count)
		qsort(names, count, sizeof(*names), by_name);
	*ret = names;
	return count;
}

/* The functions of the folder of one integration, by the folders of their kinds. */
static void read_folder(struct project *p, const char *folder, struct sv integration)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		char **names;
		char *path = arena_printf(&p->arena, "%s/%s", folder, kinds[k]);
		size_t n = list_sources(&p->arena, path, &names);
		for (size_t i = 0; i < n && p->count < FUNCTIONS_MAX; i++)
			add(p, integration, sv_str(kinds[k]), sv_str(names[i]));
	}
}

static void read_integration(struct project *p)
{
	struct sv name = sv_str(p->dir);
	ptrdiff_t slash;

	while ((slash = sv_find_char(name, '/')) >= 0)
		name = sv_from(name, (size_t)slash + 1);
	p->one_integration = true;
	read_folder(p, p->dir, name);
}

/* Folders only: a link to a folder beside it is the same functions under another name. */
static bool is_real_folder(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A folder of integration folders, without an index.ts. */
static void read_integrations(struct project *p)
{
	size_t count = 0;
	char **names = NULL;

	DIR *d = opendir(p->dir);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.' ||
			!is_real_folder(arena_printf(&p->arena, "%s/%s", p->dir, e->d_name)))
			continue;
		names = grown(&p->arena, names, count);
		names[count++] = arena_str(&p->arena, sv_str(e->d_name));
	}
	closedir(d);
	if (count)
		qsort(names, count, sizeof(*names), by_name);
	p->one_integration = false;
	for (size_t i = 0; i < count; i++)
		read_folder(
			p, arena_printf(&p->arena, "%s/%s", p->dir, names[i]), sv_str(names[i]));
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
		if (ret->count == 0)
			read_integrations(ret);
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

static int compile(struct project *p, struct err *err)
{
	for (size_t i = 0; i < p->count; i++) {
		struct project_fn *f = &p->fns[i];
		struct err why = { 0 };
		if (!f->wanted)
			continue;
		char *path = arena_printf(&p->arena, "%s/%s", p->dir, f->path);
		if (file_load(&p->arena, path, SOURCE_MAX, &f->ts, &why) < 0)
			f->problem = arena_printf(&p->arena, "%s: %s", f->path, why.msg);
	}
	TRY(esbuild_bundle(p, err));
	for (size_t i = 0; i < p->count; i++)
		if (p->fns[i].wanted && !p->fns[i].problem)
			hash_function(&p->fns[i]);
	return 0;
}

/* Every problem on its line; one alone is the error itself. */
static int report(const struct project *p, struct err *err)
{
	const char *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (!p->fns[i].problem)
			continue;
		first = first ? first : p->fns[i].problem;
		n++;
	}
	if (n <= 1)
		return n ? err_set(err, ERR_INVALID, "%s", first) : 0;
	for (size_t i = 0; i < p->count; i++)
		if (p->fns[i].problem)
			fprintf(stderr, "%s\n", p->fns[i].problem);
	return err_set(err, ERR_INVALID, "%zu functions have errors (above)", n);
}

int project_build(struct project *p, bool all_must, struct err *err)
{
	TRY(compile(p, err));
	TRY(project_inspect(p, err));
	return all_must ? report(p, err) : 0;
}

unsigned project_warn(const struct project *p)
{
	enum { WARNINGS_MAX = 50 };
	struct lint_warning found[WARNINGS_MAX];
	unsigned total = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct project_fn *f = &p->fns[i];
		size_t n = f->ts.ptr ? lint_source(f->ts, found, WARNINGS_MAX) : 0;
		for (size_t k = 0; k < n; k++)
			fprintf(stderr, "%s:%u:%u: warning: %s\n", f->path, found[k].line,
				found[k].column, found[k].text);
		total += (unsigned)n;
	}
	return total;
}

const char *project_tool(struct arena *a, const char *dir, const char *program)
{
	struct sv at = sv_str(dir);

	for (;;) {
		char *path = arena_printf(a, "%.*s/%s", SV(at), program);
		if (access(path, X_OK) == 0)
			return path;
		while (at.len && at.ptr[at.len - 1] != '/')
			at.len--;
		if (at.len <= 1)
			return NULL;
		at.len--;
	}
}
