#include "cli/rest.h"

#include "base/sv.h"
#include "conf/environ.h"
#include "data/json.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>

#define RESPONSE_MAX (512u << 20)

extern char **environ;

/* The first of the given variables that is set and not empty. */
static const char *first_set(
	const struct environ_vars *vars, const char *a, const char *b, const char *c)
{
	const char *names[] = { a, b, c };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = names[i] ? environ_get(vars, names[i]) : NULL;
		if (value && *value)
			return value;
	}
	return NULL;
}

static char *with_env(struct arena *a, const char *prefix, const char *environment)
{
	char *name = arena_printf(a, "%s%s", prefix, environment);

	for (char *p = name; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return name;
}

static int find_server(struct rest *r, const struct environ_vars *vars, struct err *err)
{
	const char *ours = with_env(&r->arena, "TIDEMARK_SECRET_KEY_", r->environment);
	const char *theirs = with_env(&r->arena, "NANGO_SECRET_KEY_", r->environment);
	const char *host = first_set(vars, "TIDEMARK_HOST", "NANGO_HOSTPORT", NULL);
	const char *key = first_set(vars, ours, theirs, "NANGO_SECRET_KEY");

	struct sv text = sv_str(host ? host : "http://localhost:3003");
	if (sv_ends(text, SV_LIT("/")))
		text.len--;
	r->host = arena_str(&r->arena, text);
	if (!key)
		return err_set(err, ERR_NOT_FOUND,
			"no API key for environment '%s' (set %s in the environment or in .env; "
			"`tidemark keys` on the server's machine shows it)",
			r->environment, ours);
	r->key = arena_str(&r->arena, sv_str(key));
	return 0;
}

int rest_open(const char *environment, struct rest *ret, struct err *err)
{
	own_in(environ_done) struct environ_vars vars = { 0 };

	*ret = (struct rest){ 0 };
	ret->environment = arena_str(&ret->arena, sv_str(environment));
	TRY(environ_load(environ, ".env", &vars, err));
	int rc = find_server(ret, &vars, err);
	if (rc < 0)
		rest_done(ret);
	return rc;
}

void rest_done(struct rest *r)
{
	arena_done(&r->arena);
}

void rest_response_done(struct rest_response *r)
{
	buf_done(&r->body);
	json_unref(r->headers);
	r->headers = NULL;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct rest_response *r = ctx;

	buf_add(&r->body, p, size * n);
	return buf_ok(&r->body) ? size * n : 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct rest_response *r = ctx;
	struct sv line = sv_trim(sv_make(p, size * n));
	char name[128];

	ptrdiff_t colon = sv_find_char(line, ':');
	if (colon <= 0 || (size_t)colon >= sizeof(name))
		return size * n;
	for (ptrdiff_t i = 0; i < colon; i++)
		name[i] = (char)tolower((unsigned char)line.ptr[i]);
	struct json_t *pair = json_new_arr();
	json_push(pair, json_new_str(sv_make(name, (size_t)colon)));
	json_push(pair, json_new_str(sv_trim(sv_from(line, (size_t)colon + 1))));
	json_push(r->headers, pair);
	return size * n;
}

static struct curl_slist *header_list(struct rest *r, const struct rest_request *req)
{
	struct curl_slist *list = NULL;
	bool typed = false;

	for (size_t i = 0; i < req->header_count; i++) {
		const struct rest_header *h = &req->headers[i];
		typed |= sv_eq_nocase(sv_str(h->name), SV_LIT("content-type"));
		list = curl_slist_append(
			list, arena_printf(&r->arena, "%s: %.*s", h->name, SV(h->value)));
	}
	list = curl_slist_append(list, arena_printf(&r->arena, "Authorization: Bearer %s", r->key));
	/* An empty Expect keeps curl from waiting for a 100 before large bodies. */
	list = curl_slist_append(list, "Expect:");
	if (req->body.ptr && !typed)
		list = curl_slist_append(list, "Content-Type: application/json");
	return list;
}

static void set_options(CURL *curl, struct rest *r, const struct rest_request *req,
	struct curl_slist *headers, struct rest_response *ret)
{
	curl_easy_setopt(curl, CURLOPT_URL, arena_printf(&r->arena, "%s%s", r->host, req->path));
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, req->method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "tidemark-cli/" TIDEMARK_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, ret);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (req->body.ptr) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, req->body.ptr);
	}
}

int rest_send(
	struct rest *r, const struct rest_request *req, struct rest_response *ret, struct err *err)
{
	long status = 0;

	CURL *curl = curl_easy_init();
	if (!curl)
		return err_set(err, ERR_INTERNAL, "cannot start the HTTP client");
	*ret = (struct rest_response){ .headers = json_new_arr() };
	buf_init(&ret->body, RESPONSE_MAX);
	struct curl_slist *headers = header_list(r, req);
	set_options(curl, r, req, headers, ret);
	CURLcode rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (rc != CURLE_OK) {
		rest_response_done(ret);
		return err_set(err, ERR_UPSTREAM,
			"no answer from %s: %s (is the server running? "
			"TIDEMARK_HOST says where)",
			r->host, curl_easy_strerror(rc));
	}
	ret->status = (int)status;
	return 0;
}

/* "message (code)" and what validation found. */
static int server_error(const struct json_t *body, int status, struct err *err)
{
	struct sv code = SV_NULL, message = SV_NULL;
	struct json_t *error = json_member(body, SV_LIT("error"));
	own_in(buf_done) struct buf list = { 0 };

	buf_init(&list, 4096);
	json_opt_str(error, "code", &code, NULL);
	json_opt_str(error, "message", &message, NULL);
	struct json_t *errors = json_member(error, SV_LIT("errors"));
	for (size_t i = 0; i < json_len(errors); i++) {
		struct json_t *item = json_item(errors, i);
		buf_str(&list, i ? "; " : ": ");
		json_dump_compact(json_member(item, SV_LIT("path")), &list);
		buf_printf(&list, " %.*s", SV(json_sv(json_member(item, SV_LIT("message")))));
	}
	return err_set(err, status == 404 ? ERR_NOT_FOUND : ERR_INVALID,
		"the server answered %d %.*s%s%.*s%s", status, SV(code), message.len ? ": " : "",
		SV(message), list.len ? list.ptr : "");
}

int rest_call(struct rest *r, const struct rest_request *req, struct json_t **ret, struct err *err)
{
	own_in(rest_response_done) struct rest_response res = { 0 };
	own(json_unref) struct json_t *json = NULL;

	TRY(rest_send(r, req, &res, err));
	if (res.body.len && json_parse(buf_sv(&res.body), &json, err) < 0)
		return err_set(err, ERR_UPSTREAM,
			"%s answered %d with something that is no JSON (is it a tidemark server?)",
			r->host, res.status);
	if (res.status >= 300 || json_member(json, SV_LIT("error")))
		return server_error(json, res.status, err);
	if (ret)
		*ret = take(json);
	return 0;
}

int rest_json(struct rest *r, const char *method, const char *path, struct sv body,
	struct json_t **ret, struct err *err)
{
	struct rest_request req = { .method = method, .path = path, .body = body };

	return rest_call(r, &req, ret, err);
}
