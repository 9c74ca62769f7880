#include "model/provider.h"

#include "base/buf.h"
#include "base/sv.h"
#include "data/json.h"
#include "data/tmpl.h"
#include "data/yaml.h"
#include "data/yaml_find.h"
#include "model/catalogue.h"

#include <ctype.h>
#include <stdlib.h>

enum { ALIAS_DEPTH_MAX = 8 };

struct providers {
	struct arena arena;
	struct json_t *root; /* {name: entry}, aliases resolved */
	struct json_t *slots; /* {name: index in items}, while loading */
	struct provider *items; /* sorted by name once loaded */
	size_t count, cap;
};

/* One file on its way into the catalogue. */
struct layer {
	struct providers *to;
	const char *name; /* of the file, for messages */
	struct sv text;
	struct json_t *file; /* as written */
	struct json_t *done; /* its entries, aliases resolved */
};

/* Entries to structs. */

/* A scalar as text: `x-version: 2` and `x-version: "2"` mean the same header. */
static int scalar_text(struct arena *a, const struct json_t *v, struct sv *ret)
{
	own_in(buf_done) struct buf b = { 0 };

	switch (json_kind(v)) {
	case JSON_KIND_STRING: *ret = json_sv(v); return 0;
	case JSON_KIND_NUMBER:
	case JSON_KIND_BOOL:
		buf_init(&b, 64);
		json_dump_compact(v, &b);
		*ret = arena_sv(a, buf_sv(&b));
		return 0;
	case JSON_KIND_NULL:
	case JSON_KIND_ARRAY:
	case JSON_KIND_OBJECT:
	case JSON_KIND_ABSENT: break;
	}
	return ERR_INVALID;
}

static int parse_pairs(struct arena *a, const struct json_t *entry, const char *key,
	struct provider_pairs *ret, struct err *err)
{
	struct json_t *obj, *val;
	struct sv name;
	void *it = NULL;
	size_t n = 0;

	int there = json_opt_obj(entry, key, &obj, err);
	if (there <= 0)
		return there;
	struct provider_pair *items = arena_array(a, json_len(obj) + 1, sizeof(*items));
	while (json_next(obj, &it, &name, &val)) {
		items[n].name = name;
		if (scalar_text(a, val, &items[n].value) < 0)
			return err_set(err, ERR_INVALID, "$.%s.%.*s: expected text, got %s", key,
				SV(name), json_kind_name(json_kind(val)));
		n++;
	}
	*ret = (struct provider_pairs){ .items = items, .count = n };
	return 0;
}

/* One text or a list of them. */
static int parse_names(struct arena *a, const struct json_t *entry, const char *key,
	struct provider_names *ret, struct err *err)
{
	const struct json_t *v = json_find(entry, sv_str(key));
	enum json_kind kind = json_kind(v);

	if (kind == JSON_KIND_ABSENT || kind == JSON_KIND_NULL)
		return 0;
	bool list = kind == JSON_KIND_ARRAY;
	size_t n = list ? json_len(v) : 1;
	struct sv *items = arena_array(a, n + 1, sizeof(*items));
	for (size_t i = 0; i < n; i++) {
		if (scalar_text(a, list ? json_item(v, i) : v, &items[i]) < 0)
			return err_set(
				err, ERR_INVALID, "$.%s: expected text or a list of it", key);
		items[i] = arena_lower(a, items[i]);
	}
	*ret = (struct provider_names){ .items = items, .count = n };
	return 0;
}

/* "429", "5xx", "500-503". */
static bool parse_status(struct sv s, struct provider_status *ret)
{
	int64_t low, high;
	ptrdiff_t dash = sv_find_char(s, '-');

	if (s.len == 3 && sv_ends(s, SV_LIT("xx")) && isdigit((unsigned char)s.ptr[0])) {
		low = (s.ptr[0] - '0') * 100;
		high = low + 99;
	} else if (dash > 0) {
		if (!sv_to_i64(sv_trim(sv_make(s.ptr, (size_t)dash)), &low) ||
			!sv_to_i64(sv_trim(sv_from(s, (size_t)dash + 1)), &high))
			return false;
	} else {
		if (!sv_to_i64(s, &low))
			return false;
		high = low;
	}
	*ret = (struct provider_status){ .low = (int)low, .high = (int)high };
	return low >= 100 && high <= 999 && low <= high;
}

static int parse_codes(
	struct arena *a, const struct json_t *entry, struct provider_statuses *ret, struct err *err)
{
	struct provider_names names = { 0 };

	TRY(parse_names(a, entry, "proxy.retry.error_code", &names, err));
	struct provider_status *items = arena_array(a, names.count + 1, sizeof(*items));
	for (size_t i = 0; i < names.count; i++)
		if (!parse_status(sv_trim(names.items[i]), &items[i]))
			return err_set(err, ERR_INVALID,
				"$.proxy.retry.error_code: '%.*s' is no status (429, 5xx, 500-503)",
				SV(names.items[i]));
	*ret = (struct provider_statuses){ .items = items, .count = names.count };
	return 0;
}

static struct sv without_slashes(struct sv s)
{
	if (s.len >= 2 && s.ptr[0] == '/' && s.ptr[s.len - 1] == '/')
		return sv_make(s.ptr + 1, s.len - 2);
	return s;
}

static int parse_in_body(const struct json_t *entry, struct provider_retry *r, struct err *err)
{
	struct json_t *in;
	struct sv strategy = SV_NULL;

	int there = json_opt_obj(entry, "proxy.retry.in_body", &in, err);
	if (there <= 0)
		return there;
	TRY(json_get_str(in, "path", &r->body_path, err));
	TRY(json_get_str(in, "value", &r->body_pattern, err));
	TRY(json_get_str(in, "strategy", &strategy, err));
	r->body_pattern = without_slashes(r->body_pattern);
	r->body_wait = sv_eq_str(strategy, "at") ? PROVIDER_WAIT_AT : PROVIDER_WAIT_AFTER;
	return 0;
}

static int parse_retry(
	struct arena *a, const struct json_t *entry, struct provider_retry *r, struct err *err)
{
	struct provider_names remaining = { 0 };

	TRY(parse_names(a, entry, "proxy.retry.at", &r->at, err));
	TRY(parse_names(a, entry, "proxy.retry.after", &r->after, err));
	TRY(parse_names(a, entry, "proxy.retry.remaining", &remaining, err));
	if (remaining.count)
		r->remaining = remaining.items[0];
	TRY(parse_codes(a, entry, &r->codes, err));
	return parse_in_body(entry, r, err);
}

/* Templates that cannot be meant are better found here than in the first request. */
static int check_template(const struct json_t *entry, const char *path, struct err *err)
{
	struct sv text = json_sv(json_find(entry, sv_str(path)));

	if (text.ptr && tmpl_check(text, err) < 0)
		return json_err_at(err, "%s", path);
	return 0;
}

static int check_pairs(const struct provider_pairs *pairs, const char *path, struct err *err)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (tmpl_check(pairs->items[i].value, err) < 0)
			return json_err_at(err, "%s.%.*s", path, SV(pairs->items[i].name));
	return 0;
}

static int check_body(const struct json_t *body, struct err *err)
{
	struct json_t *val;
	struct sv key;

	if (json_kind(body) == JSON_KIND_STRING)
		return tmpl_check(json_sv(body), err);
	for (void *it = NULL; json_next(body, &it, &key, &val);)
		if (check_body(val, err) < 0)
			return json_err_at(err, "%.*s", SV(key));
	return 0;
}

static int check_templates(const struct provider *p, struct err *err)
{
	static const char *const urls[] = { "proxy.base_url", "authorization_url", "token_url",
		"refresh_url" };

	for (size_t i = 0; i < ARRAY_LEN(urls); i++)
		TRY(check_template(p->json, urls[i], err));
	TRY(check_pairs(&p->headers, "proxy.headers", err));
	TRY(check_pairs(&p->query, "proxy.query", err));
	if (check_body(p->body, err) < 0)
		return json_err_at(err, "proxy.body");
	return 0;
}

static int opt_obj(
	const struct json_t *entry, const char *key, const struct json_t **ret, struct err *err)
{
	struct json_t *obj = NULL;

	TRY(json_opt_obj(entry, key, &obj, err));
	*ret = obj;
	return 0;
}

static int parse_proxy(struct arena *a, struct provider *p, struct err *err)
{
	TRY(json_opt_str(p->json, "proxy.base_url", &p->base_url, err));
	TRY(parse_pairs(a, p->json, "proxy.headers", &p->headers, err));
	for (size_t i = 0; i < p->headers.count; i++) {
		struct provider_pair *h = (struct provider_pair *)&p->headers.items[i];
		h->name = arena_lower(a, h->name);
	}
	TRY(parse_pairs(a, p->json, "proxy.query", &p->query, err));
	TRY(opt_obj(p->json, "proxy.body", &p->body, err));
	TRY(opt_obj(p->json, "proxy.paginate", &p->paginate, err));
	p->forward_headers_on_redirect =
		json_truth(json_find(p->json, SV_LIT("proxy.forward_headers_on_redirect")));
	return parse_retry(a, p->json, &p->retry, err);
}

static int parse_provider(struct arena *a, struct sv name, const struct json_t *entry,
	struct provider *ret, struct err *err)
{
	struct json_t *fields;
	struct provider p = { .name = arena_sv(a, name), .json = entry };

	p.display_name = p.name; /* not `name`: that one goes with its file */
	TRY(json_get_str(entry, "auth_mode", &p.auth_mode, err));
	TRY(json_opt_str(entry, "display_name", &p.display_name, err));
	p.client_certificate = json_truth(json_member(entry, SV_LIT("require_client_certificate")));
	p.integration_config = json_opt_obj(entry, "integration_config", &fields, NULL) > 0;
	TRY(parse_proxy(a, &p, err));
	TRY(check_templates(&p, err));
	*ret = p;
	return 0;
}

/* Layers. */

static void copy_keys(struct json_t *to, const struct json_t *from)
{
	struct json_t *val;
	struct sv key;
	void *it = NULL;

	while (json_next(from, &it, &key, &val))
		json_set(to, key, json_ref(val));
}

static int resolve(
	struct layer *l, struct sv name, unsigned depth, struct json_t **ret, struct err *err);

/* What `alias` names: the same name means the layer below, any other this file first. */
static int alias_base(struct layer *l, struct sv name, struct sv alias, unsigned depth,
	struct json_t **ret, struct err *err)
{
	if (!sv_eq(name, alias) && json_member(l->file, alias))
		return resolve(l, alias, depth + 1, ret, err);
	*ret = json_member(l->to->root, alias);
	if (!*ret)
		return err_set(err, ERR_INVALID, "$.alias: there is no provider '%.*s'", SV(alias));
	return 0;
}

static int resolve(
	struct layer *l, struct sv name, unsigned depth, struct json_t **ret, struct err *err)
{
	struct json_t *entry = json_member(l->file, name), *base = NULL;
	struct sv alias = SV_NULL;

	if ((*ret = json_member(l->done, name)) != NULL)
		return 0;
	if (depth > ALIAS_DEPTH_MAX)
		return err_set(err, ERR_INVALID, "$.alias: leads back to itself");
	if (json_kind(entry) != JSON_KIND_OBJECT)
		return err_set(err, ERR_INVALID, "expected a map");
	TRY(json_opt_str(entry, "alias", &alias, err));
	if (alias.ptr)
		TRY(alias_base(l, name, alias, depth, &base, err));
	struct json_t *out = json_new_obj();
	if (base)
		copy_keys(out, base);
	copy_keys(out, entry);
	json_del(out, SV_LIT("alias"));
	json_set(l->done, name, out);
	*ret = out;
	return 0;
}

/* The place of `name`: the one it had in an earlier file, or a new one. */
static struct provider *item_for(struct providers *p, struct sv name)
{
	struct json_t *slot = json_member(p->slots, name);

	if (slot)
		return &p->items[json_int(slot)];
	if (p->count == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 128;
		p->items = mem_realloc(p->items, p->cap * sizeof(*p->items));
	}
	json_set(p->slots, name, json_new_int((int64_t)p->count));
	p->items[p->count] = (struct provider){ 0 };
	return &p->items[p->count++];
}

/* "file:12: provider 'x': $.proxy...: why" */
static int complain(const struct layer *l, struct sv name, struct err *err)
{
	size_t line = yaml_line_of(l->text, name, sv_str(err->msg));

	return err_wrap(err, "%s:%zu: provider '%.*s'", l->name, line, SV(name));
}

static int add_entries(struct layer *l, struct err *err)
{
	struct json_t *val, *entry;
	struct sv name;
	void *it = NULL;

	while (json_next(l->file, &it, &name, &val)) {
		if (resolve(l, name, 0, &entry, err) < 0 ||
			parse_provider(&l->to->arena, name, entry, item_for(l->to, name), err) < 0)
			return complain(l, name, err);
	}
	return 0;
}

static int add_text(struct providers *p, struct sv text, const char *name, struct err *err)
{
	own(json_unref) struct json_t *file = NULL, *done = json_new_obj();
	struct layer l = { .to = p, .name = name, .text = text, .done = done };

	TRY(yaml_load(text, name, &file, err));
	l.file = file;
	if (json_kind(file) == JSON_KIND_NULL)
		return 0;
	if (json_kind(file) != JSON_KIND_OBJECT)
		return err_set(err, ERR_INVALID, "%s: expected a map of providers", name);
	TRY(add_entries(&l, err));
	copy_keys(p->root, done);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct provider *x = a, *y = b;
	size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
	int d = memcmp(x->name.ptr, y->name.ptr, n);

	if (d)
		return d;
	return x->name.len < y->name.len ? -1 : x->name.len > y->name.len;
}

static void finish(struct providers *p)
{
	if (p->count)
		qsort(p->items, p->count, sizeof(*p->items), by_name);
	json_unref(take(p->slots));
}

static int add_file(struct providers *p, const char *path, struct err *err)
{
	own_in(buf_done) struct buf text = { 0 };

	TRY(yaml_read_file(path, &text, err));
	return add_text(p, buf_sv(&text), path, err);
}

static struct providers *providers_new(void)
{
	struct providers *p = NEW(struct providers);
	p->root = json_new_obj();
	p->slots = json_new_obj();
	return p;
}

int providers_open(const char *const *files, size_t count, struct providers **ret, struct err *err)
{
	own(providers_close) struct providers *p = providers_new();

	for (const struct catalogue_file *f = catalogue_files; f->name; f++)
		TRY(add_text(p, sv_make(f->text, f->len), f->name, err));
	for (size_t i = 0; i < count; i++)
		TRY(add_file(p, files[i], err));
	finish(p);
	*ret = take(p);
	return 0;
}

int providers_parse(struct sv text, struct providers **ret, struct err *err)
{
	own(providers_close) struct providers *p = providers_new();

	TRY(add_text(p, text, "providers.yaml", err));
	finish(p);
	*ret = take(p);
	return 0;
}

void providers_close(struct providers *p)
{
	if (!p)
		return;
	json_unref(p->root);
	json_unref(p->slots);
	mem_free(p->items);
	arena_done(&p->arena);
	mem_free(p);
}

/* Looking. */

const struct provider *provider_find(const struct providers *p, struct sv name)
{
	struct provider key = { .name = name };

	if (!p->count || !name.ptr)
		return NULL;
	return bsearch(&key, p->items, p->count, sizeof(*p->items), by_name);
}

const struct provider *provider_list(const struct providers *p, size_t *ret_count)
{
	*ret_count = p->count;
	return p->items;
}

struct json_t *provider_json(const struct provider *p)
{
	struct json_t *out = json_clone(p->json);

	json_set_str(out, "name", p->name);
	return out;
}

struct json_t *providers_json(const struct providers *p)
{
	return json_clone(p->root);
}
