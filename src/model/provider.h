/*
 * The provider catalogue: what is known about the APIs that integrations talk to. Our own small
 * catalogue (providers/) is in the binary; files in the public schema (spec/function-runtime.md
 * 5.5) come on top. An entry of a later file replaces the one of the same name; with
 * `alias: <its own name>` it changes only the keys it gives.
 *
 * Built once at start, immutable afterwards: any thread may read it. Everything a provider points
 * to lives as long as the catalogue. No reference of its JSON may be taken (counts are not atomic);
 * clone it.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct json_t;
struct providers;

struct provider_pair {
	struct sv name, value; /* value: a template (data/tmpl.h) */
};

struct provider_pairs {
	const struct provider_pair *items;
	size_t count;
};

struct provider_names {
	const struct sv *items;
	size_t count;
};

struct provider_statuses {
	const struct provider_status {
		int low, high; /* inclusive */
	} * items;
	size_t count;
};

enum provider_wait { PROVIDER_WAIT_NONE, PROVIDER_WAIT_AT, PROVIDER_WAIT_AFTER };

struct provider_retry {
	struct provider_names at, after; /* header names, lower case */
	struct sv remaining; /* header that says 0 when the quota is gone */
	struct provider_statuses codes; /* error_code; empty: the default statuses */
	struct sv body_path, body_pattern; /* in_body; the pattern without its slashes */
	enum provider_wait body_wait;
};

struct provider {
	struct sv name, display_name, auth_mode;
	struct sv base_url; /* absent: only with an override */
	struct provider_pairs headers; /* names lower case */
	struct provider_pairs query;
	const struct json_t *body; /* proxy.body, NULL = none */
	const struct json_t *paginate; /* proxy.paginate, NULL = none */
	struct provider_retry retry;
	bool forward_headers_on_redirect;
	bool client_certificate; /* require_client_certificate */
	bool integration_config; /* base URL and key placement come from the integration */
	const struct json_t *json; /* the whole entry, alias resolved */
};

/*
 * Loads the built-in catalogue and then `files` in order. ERR_INVALID "file:line:column: ..." for
 * YAML that is none, "file:line: provider 'x': $.proxy..." for an entry that makes no sense.
 * Fields that nothing here reads are kept and not looked at.
 */
int providers_open(
	const char *const *files, size_t count, struct providers **ret, struct err *err) MUST_CHECK;
/* For tests: nothing built in, only this text. */
int providers_parse(struct sv text, struct providers **ret, struct err *err) MUST_CHECK;
void providers_close(struct providers *p); /* NULL is fine */
OWN_FN(struct providers, providers_close)

/* NULL when there is none of that name. */
const struct provider *provider_find(const struct providers *p, struct sv name);

/* Sorted by name. */
const struct provider *provider_list(const struct providers *p, size_t *ret_count);

/* An item of GET /providers: the entry and its name. A new reference, independent of p. */
struct json_t *provider_json(const struct provider *p);
/* GET /providers.json: {name: entry}. A new reference, independent of p. */
struct json_t *providers_json(const struct providers *p);
