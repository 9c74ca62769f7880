/* Every entry of our own catalogue (providers/): what a request or an authorization needs is there.
 */
#include "model/catalogue.h"

#include "base/buf.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sv text(const struct provider *p, const char *path)
{
	return json_sv(json_find(p->json, sv_str(path)));
}

#define NEED(cond, what)                                                      \
	do {                                                                  \
		if (!(cond))                                                  \
			fail_msg("provider '%.*s': %s", SV(p->name), (what)); \
	} while (0)

static bool is_name(struct sv s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!islower((unsigned char)s.ptr[i]) && !isdigit((unsigned char)s.ptr[i]) &&
			(s.ptr[i] != '-' || i == 0))
			return false;
	return s.len > 0;
}

static bool is_url(struct sv s)
{
	return sv_starts(s, SV_LIT("https://")) || sv_starts(s, SV_LIT("${connectionConfig."));
}

static bool comes_with_token(const struct provider *p, struct sv name)
{
	const struct json_t *kept = json_member(p->json, SV_LIT("token_response_metadata"));

	for (size_t i = 0; i < json_len(kept); i++)
		if (sv_eq(json_sv(json_item(kept, i)), name))
			return true;
	return false;
}

/* What a template takes of the connection is asked for when one is made, or told with the token. */
static void declares_its_variables(const struct provider *p, struct sv tmpl)
{
	static const struct sv prefix = SV_LIT("${connectionConfig.");
	const struct json_t *asked = json_member(p->json, SV_LIT("connection_config"));

	for (ptrdiff_t at; (at = sv_find(tmpl, prefix)) >= 0;) {
		tmpl = sv_from(tmpl, (size_t)at + prefix.len);
		ptrdiff_t end = sv_find_char(tmpl, '}');
		NEED(end > 0, "a placeholder is not closed");
		struct sv name = sv_make(tmpl.ptr, (size_t)end);
		if (!json_member(asked, name) && !comes_with_token(p, name))
			fail_msg("provider '%.*s': connection_config lacks '%.*s'", SV(p->name),
				(int)end, tmpl.ptr);
	}
}

static bool mentions(const struct provider_pairs *pairs, const char *what)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (sv_find(pairs->items[i].value, sv_str(what)) >= 0)
			return true;
	return false;
}

static void has_what_its_mode_needs(const struct provider *p)
{
	const struct json_t *keys = json_member(p->json, SV_LIT("credentials"));

	if (sv_eq_str(p->auth_mode, "OAUTH2")) {
		NEED(is_url(text(p, "authorization_url")), "authorization_url");
		NEED(is_url(text(p, "token_url")), "token_url");
	} else if (sv_eq_str(p->auth_mode, "OAUTH2_CC")) {
		NEED(is_url(text(p, "token_url")), "token_url");
	} else if (sv_eq_str(p->auth_mode, "API_KEY")) {
		NEED(json_member(keys, SV_LIT("apiKey")), "credentials.apiKey");
		NEED(p->integration_config || mentions(&p->headers, "${apiKey}") ||
				mentions(&p->query, "${apiKey}"),
			"the key goes nowhere");
	} else if (sv_eq_str(p->auth_mode, "BASIC")) {
		NEED(json_member(keys, SV_LIT("username")), "credentials.username");
		NEED(json_member(keys, SV_LIT("password")), "credentials.password");
	} else {
		NEED(sv_eq_str(p->auth_mode, "NONE"), "an auth_mode that this test does not know");
	}
}

static void pages_by_rules(const struct provider *p)
{
	struct sv type = text(p, "proxy.paginate.type");

	if (!p->paginate)
		return;
	if (sv_eq_str(type, "cursor")) {
		NEED(text(p, "proxy.paginate.cursor_path_in_response").len, "cursor path");
		NEED(text(p, "proxy.paginate.cursor_name_in_request").len, "cursor name");
	} else if (sv_eq_str(type, "link")) {
		NEED(text(p, "proxy.paginate.link_rel_in_response_header").len ||
				text(p, "proxy.paginate.link_path_in_response_body").len,
			"where the link is");
	} else {
		NEED(sv_eq_str(type, "offset"), "paginate.type");
		NEED(text(p, "proxy.paginate.offset_name_in_request").len, "offset name");
	}
}

static void verifies_by_paths(const struct provider *p)
{
	const struct json_t *paths = json_find(p->json, SV_LIT("proxy.verification.endpoints"));

	for (size_t i = 0; i < json_len(paths); i++)
		NEED(sv_starts(json_sv(json_item(paths, i)), SV_LIT("/")), "verification");
}

static void is_sound(const struct provider *p)
{
	const struct json_t *topics = json_member(p->json, SV_LIT("categories"));
	struct sv docs = text(p, "docs");

	NEED(is_name(p->name), "name");
	NEED(text(p, "display_name").len, "display_name");
	NEED(json_kind(topics) == JSON_KIND_ARRAY && json_len(topics) > 0, "categories");
	NEED(!docs.ptr || sv_starts(docs, SV_LIT("https://")), "docs");
	NEED(is_url(p->base_url), "proxy.base_url");
	NEED(!sv_ends(p->base_url, SV_LIT("/")), "proxy.base_url ends with a slash");
	declares_its_variables(p, p->base_url);
	declares_its_variables(p, text(p, "authorization_url"));
	declares_its_variables(p, text(p, "token_url"));
	for (size_t i = 0; i < p->query.count; i++)
		declares_its_variables(p, p->query.items[i].value);
	has_what_its_mode_needs(p);
	pages_by_rules(p);
	verifies_by_paths(p);
}

static void every_entry_is_sound(void **state UNUSED)
{
	struct providers *all = NULL;
	struct err err = { 0 };
	size_t count;

	if (providers_open(NULL, 0, &all, &err) < 0)
		fail_msg("%s", err.msg);
	const struct provider *p = provider_list(all, &count);
	for (size_t i = 0; i < count; i++)
		is_sound(&p[i]);
	providers_close(all);
}

/* A file is a company; one of them is for APIs of one's own. */
static void the_most_used_apis_are_there(void **state UNUSED)
{
	size_t companies = 0;

	for (const struct catalogue_file *f = catalogue_files; f->name; f++)
		companies += strcmp(f->name, "providers/generic.yaml") != 0;
	assert_true(companies >= 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_sound),
		cmocka_unit_test(the_most_used_apis_are_there),
	};
	return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
