#include "cli/mocks.h"

#include "base/sv.h"
#include "cli/project.h"
#include "data/json.h"

#include <dirent.h>
#include <sys/stat.h>

#define FILE_MAX (64u << 20)
/* Folders that an endpoint can be deep; more is no recording. */
enum { DEPTH_MAX = 32 };

struct mocks {
	struct arena *a;
	const char *function;
	struct json_t *root; /* being built; owned by the caller in the end */
	struct err *err;
};

static struct json_t *child(struct json_t *obj, struct sv key, struct json_t *(*make)(void))
{
	struct json_t *v = json_member(obj, key);

	if (v)
		return v;
	v = make();
	json_set(obj, key, v);
	return v;
}

/* 1 and *ret, or 0 when there is no such file. */
static int load(struct mocks *m, const char *path, struct json_t **ret)
{
	struct sv text;

	int rc = file_load(m->a, path, FILE_MAX, &text, m->err);
	if (rc == ERR_NOT_FOUND)
		return 0;
	TRY(rc);
	if (json_parse(text, ret, m->err) < 0)
		return err_wrap(m->err, "%s", path);
	return 1;
}

static int load_into(struct mocks *m, struct json_t *obj, const char *key, const char *path)
{
	struct json_t *v = NULL;

	int rc = load(m, path, &v);
	if (rc > 0)
		json_set(obj, sv_str(key), v);
	return rc < 0 ? rc : 0;
}

/* Calls `each` with every entry of a folder, in no order; a missing folder has none. */
typedef int entry_fn(struct mocks *m, const char *folder, const char *name, void *ctx);

static int walk(struct mocks *m, const char *folder, entry_fn *each, void *ctx)
{
	int rc = 0;

	DIR *d = opendir(folder);
	if (!d)
		return 0;
	for (struct dirent *e; rc == 0 && (e = readdir(d));)
		if (e->d_name[0] != '.')
			rc = each(m, folder, e->d_name, ctx);
	closedir(d);
	return rc;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Records by model. */

static int add_model(struct mocks *m, const char *folder, const char *model, void *ctx UNUSED)
{
	static const char *const what[] = { "batchSave", "batchDelete" };
	struct json_t *nango = json_member(m->root, SV_LIT("nango"));

	if (!is_folder(arena_printf(m->a, "%s/%s", folder, model)))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(what); i++) {
		const char *path = arena_printf(m->a, "%s/%s/%s.json", folder, model, what[i]);
		TRY(load_into(m, child(nango, sv_str(what[i]), json_new_obj), model, path));
	}
	return 0;
}

/* Answers. */

struct place {
	const char *method;
	const char *endpoint; /* so far, with its leading slash */
	unsigned depth;
};

static void add_entry(struct mocks *m, const struct place *at, struct json_t *entry)
{
	struct json_t *api = json_member(m->root, SV_LIT("api"));
	struct json_t *endpoints = child(api, sv_str(at->method), json_new_obj);

	json_push(child(endpoints, sv_str(at->endpoint), json_new_arr), entry);
}

static struct json_t *pairs_to_object(const struct json_t *pairs)
{
	struct json_t *obj = json_new_obj();

	for (size_t i = 0; i < json_len(pairs); i++)
		json_set(obj, json_sv(json_item(json_item(pairs, i), 0)),
			json_ref(json_item(json_item(pairs, i), 1)));
	return obj;
}

static void copy(struct json_t *to, const char *key, const struct json_t *from, const char *name)
{
	struct json_t *v = json_member(from, sv_str(name));

	if (v)
		json_set(to, sv_str(key), json_ref(v));
}

/* {requestIdentity: {params: [[k, v]], headers: [[k, v]], data?}, response, status?, headers?} */
static int add_identified(struct mocks *m, const char *folder, const char *name, void *ctx)
{
	own(json_unref) struct json_t *file = NULL;
	struct json_t *entry, *request, *identity;

	/* An endpoint may be called as the function is: then its folders are steps, its files
	   answers to it of whichever function. */
	if (!sv_ends(sv_str(name), SV_LIT(".json")))
		return 0;
	TRY(load(m, arena_printf(m->a, "%s/%s", folder, name), &file));
	identity = json_member(file, SV_LIT("requestIdentity"));
	if (!identity)
		return 0;
	request = json_new_obj();
	json_set(request, SV_LIT("params"),
		pairs_to_object(json_member(identity, SV_LIT("params"))));
	json_set(request, SV_LIT("headers"),
		pairs_to_object(json_member(identity, SV_LIT("headers"))));
	copy(request, "data", identity, "data");
	entry = json_new_obj();
	json_set(entry, SV_LIT("request"), request);
	copy(entry, "response", file, "response");
	copy(entry, "status", file, "status");
	copy(entry, "headers", file, "headers");
	copy(entry, "hash", file, "requestIdentityHash");
	add_entry(m, ctx, entry);
	return 0;
}

static int add_body(struct mocks *m, const struct place *at, const char *path)
{
	struct json_t *body = NULL, *entry;

	TRY(load(m, path, &body));
	entry = json_new_obj();
	json_set(entry, SV_LIT("response"), body ? body : json_new_null());
	add_entry(m, at, entry);
	return 0;
}

/* A step further into the endpoint, or at its end: our function's file or folder. */
static int add_answers(struct mocks *m, const char *folder, const char *name, void *ctx)
{
	const struct place *at = ctx;
	const char *path = arena_printf(m->a, "%s/%s", folder, name);
	struct place next = { at->method, arena_printf(m->a, "%s/%s", at->endpoint, name),
		at->depth + 1 };
	struct place here = *at;

	if (!is_folder(path))
		return sv_eq_str(sv_str(name), arena_printf(m->a, "%s.json", m->function))
			       ? add_body(m, at, path)
			       : 0;
	if (strcmp(name, m->function) == 0)
		TRY(walk(m, path, add_identified, &here));
	return next.depth > DEPTH_MAX ? 0 : walk(m, path, add_answers, &next);
}

static int add_method(struct mocks *m, const char *folder, const char *name, void *ctx UNUSED)
{
	struct place start = { name, "", 0 };

	return walk(m, arena_printf(m->a, "%s/%s/proxy", folder, name), add_answers, &start);
}

static int add_all(struct mocks *m, const char *mocks, const char *own_folder)
{
	struct json_t *nango = json_new_obj();
	const char *shared = arena_printf(m->a, "%s/nango", mocks);

	json_set(m->root, SV_LIT("nango"), nango);
	json_set(m->root, SV_LIT("api"), json_new_obj());
	TRY(load_into(m, m->root, "input", arena_printf(m->a, "%s/input.json", own_folder)));
	TRY(load_into(m, m->root, "output", arena_printf(m->a, "%s/output.json", own_folder)));
	TRY(load_into(
		m, nango, "getConnection", arena_printf(m->a, "%s/getConnection.json", shared)));
	TRY(load_into(m, nango, "getMetadata", arena_printf(m->a, "%s/getMetadata.json", shared)));
	TRY(walk(m, own_folder, add_model, NULL));
	return walk(m, shared, add_method, NULL);
}

int mocks_load(struct arena *a, const char *mocks, const char *function, struct json_t **ret,
	struct err *err)
{
	struct mocks m = { a, function, NULL, err };
	const char *own_folder = arena_printf(a, "%s/%s", mocks, function);

	if (!is_folder(own_folder))
		return err_set(err, ERR_NOT_FOUND, "no folder %s", own_folder);
	m.root = json_new_obj();
	int rc = add_all(&m, mocks, own_folder);
	if (rc < 0) {
		json_unref(m.root);
		return rc;
	}
	*ret = m.root;
	return 0;
}
