#include "model/deploy.h"

#include "base/buf.h"
#include "data/json.h"
#include "model/run_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The world has one connection of "crm" and its sync "contacts" with Contact and Company. */

/* Plans borrow from their packages, which therefore live as long as the tests. */
static struct json_t *packages[64];
static size_t package_count;

static int plan(
	struct dbc *c, const char *text, enum deploy_mode mode, struct deploy *d, struct err *err)
{
	struct json_t **package = &packages[package_count++];

	assert_in_range(package_count, 1, ARRAY_LEN(packages));
	*d = (struct deploy){ .environment_id = world->env,
		.mode = mode,
		.source = SV_LIT("repo"),
		.sdk_version = SV_LIT("0.71.10-zero"),
		.reconcile = true,
		.min_frequency_ms = 15000 };
	TRY(json_parse(sv_str(text), package, err));
	return deploy_plan(c, *package, db_arena(c), d, err);
}

static const char *plan_text(const struct deploy *d)
{
	static char text[4096];
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, sizeof(text) - 1);
	deploy_write_plan(d, &out);
	memcpy(text, out.ptr, out.len + 1);
	return text;
}

#define FLOW(name, type, version, js, models)                                         \
	"{\"syncName\":\"" name "\",\"providerConfigKey\":\"crm\",\"type\":\"" type   \
	"\",\"models\":" models ",\"version\":\"" version "\",\"runs\":\"every 1h\"," \
	"\"auto_start\":true,\"fileBody\":{\"js\":\"" js "\",\"ts\":\"t\"}}"
#define CONTACTS(js, models) FLOW("contacts", "sync", "", js, models)
#define BOTH "[\"Contact\",\"Company\"]"

static int job_new_updated_deleted(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct deploy d;

	TRY(plan(c,
		"{\"flowConfigs\":[" FLOW("orders", "sync", "", "j", "[\"Order\"]") "," FLOW(
			"send", "action", "", "j", "[]") "]}",
		DEPLOY_ALL, &d, err));
	assert_string_equal(plan_text(&d),
		"{\"newSyncs\":[{\"name\":\"orders\",\"providerConfigKey\":\"crm\","
		"\"connections\":1,\"auto_start\":true}],\"updatedSyncs\":[],"
		"\"deletedSyncs\":[{\"name\":\"contacts\",\"providerConfigKey\":\"crm\","
		"\"connections\":1,\"auto_start\":true}],"
		"\"newActions\":[{\"name\":\"send\",\"providerConfigKey\":\"crm\"}],"
		"\"updatedActions\":[],\"deletedActions\":[],\"newOnEventScripts\":[],"
		"\"updatedOnEventScripts\":[],\"deletedOnEventScripts\":[],"
		"\"deletedModels\":[]}");
	TRY(plan(c, "{\"flowConfigs\":[" CONTACTS("j", "[\"Contact\"]") "]}", DEPLOY_ALL, &d, err));
	assert_non_null(strstr(plan_text(&d), "\"updatedSyncs\":[{\"name\":\"contacts\""));
	assert_non_null(strstr(plan_text(&d), "\"deletedModels\":[\"Company\"]"));
	return 0;
}

static void test_the_plan_tells_new_updated_and_deleted(void **state UNUSED)
{
	in_world(job_new_updated_deleted);
}

static int job_modes(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct deploy d;

	TRY(plan(c, "{\"flowConfigs\":[" FLOW("orders", "sync", "", "j", "[]") "]}", DEPLOY_SINGLE,
		&d, err));
	CHECK(d.count == 1); /* nothing is deleted */
	TRY(plan(c, "{\"flowConfigs\":[" FLOW("orders", "sync", "", "j", "[]") "]}",
		DEPLOY_INTEGRATION, &d, err));
	CHECK(d.count == 2 && d.items[1].change == DEPLOY_DELETED);
	TRY(plan(c, "{\"flowConfigs\":[]}", DEPLOY_ALL, &d, err));
	CHECK(d.count == 0); /* an empty package deletes nothing either */
	return 0;
}

static void test_the_mode_says_what_may_be_deleted(void **state UNUSED)
{
	in_world(job_modes);
}

static int deploy_version(
	struct dbc *c, const char *package, struct sv *ret, int64_t *ret_id, struct err *err)
{
	struct deploy d;

	TRY(plan(c, package, DEPLOY_SINGLE, &d, err));
	TRY(deploy_apply(c, &d, db_arena(c), err));
	*ret = d.items[0].fn.version;
	*ret_id = d.items[0].fn.id;
	return 0;
}

static int job_versions(struct dbc *c, void *arg UNUSED, struct err *err)
{
	static const struct {
		const char *package, *version;
		bool writes;
	} steps[] = {
		{ "{\"flowConfigs\":[" CONTACTS("a", BOTH) "]}", "2", true },
		{ "{\"flowConfigs\":[" CONTACTS("a", BOTH) "]}", "2", false },
		{ "{\"flowConfigs\":[" CONTACTS("b", BOTH) "]}", "3", true },
		{ "{\"flowConfigs\":[" FLOW("contacts", "sync", "1.4.9", "b", BOTH) "]}", "1.4.9",
			true },
		{ "{\"flowConfigs\":[" CONTACTS("c", BOTH) "]}", "1.4.10", true },
		{ "{\"flowConfigs\":[" FLOW("contacts", "sync", "beta", "c", BOTH) "]}", "beta",
			true },
		{ "{\"flowConfigs\":[" CONTACTS("d", BOTH) "]}", "1", true },
		/* Other models, same code: another row of the same version. */
		{ "{\"flowConfigs\":[" CONTACTS("d", "[\"Contact\"]") "]}", "1", true },
	};
	int64_t last = world->function, id;
	struct sv version;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		TRY(deploy_version(c, steps[i].package, &version, &id, err));
		if (!sv_eq_str(version, steps[i].version) || (id != last) != steps[i].writes)
			return err_set(err, ERR_INTERNAL, "step %zu: version %.*s", i, SV(version));
		last = id;
	}
	return 0;
}

static void test_versions_count_up_when_the_code_changes(void **state UNUSED)
{
	in_world(job_versions);
}

static int job_apply(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct deploy d;
	struct sync *syncs;
	struct function f;
	size_t count;

	TRY(plan(c, "{\"flowConfigs\":[" FLOW("orders", "sync", "", "j", "[\"Order\"]") "]}",
		DEPLOY_ALL, &d, err));
	TRY(deploy_apply(c, &d, db_arena(c), err));
	TRY(sync_select(c, world->integration, world->connection, NULL, 0, db_arena(c), &syncs,
		&count, err));
	CHECK(count == 1 && strcmp(syncs[0].name, "orders") == 0 && !syncs[0].paused);
	CHECK(function_find(c, world->integration, FUNCTION_SYNC, SV_LIT("contacts"), db_arena(c),
		      &f, NULL) == ERR_NOT_FOUND);
	TRY(function_find(
		c, world->integration, FUNCTION_SYNC, SV_LIT("orders"), db_arena(c), &f, err));
	CHECK(f.interval_ms == 3600000 && f.enabled && sv_eq_str(f.source, "repo"));
	return 0;
}

static void test_applying_creates_and_ends_syncs(void **state UNUSED)
{
	in_world(job_apply);
}

static int job_disabled(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct function f;
	struct deploy d;
	struct sync *syncs;
	size_t count;

	TRY(function_get(c, world->function, db_arena(c), &f, err));
	TRY(function_set_enabled(c, &f, false, err));
	TRY(plan(c, "{\"flowConfigs\":[" CONTACTS("x", BOTH) "]}", DEPLOY_SINGLE, &d, err));
	CHECK(d.items[0].change == DEPLOY_UPDATED);
	TRY(deploy_apply(c, &d, db_arena(c), err));
	TRY(function_get(c, d.items[0].fn.id, db_arena(c), &f, err));
	TRY(sync_select(c, world->integration, world->connection, NULL, 0, db_arena(c), &syncs,
		&count, err));
	CHECK(!f.enabled && count == 0);
	return 0;
}

static void test_a_disabled_function_stays_disabled(void **state UNUSED)
{
	in_world(job_disabled);
}

static int job_refusals(struct dbc *c, void *arg UNUSED, struct err *err)
{
	struct err why = { 0 };
	struct deploy d;

	CHECK(plan(c,
		      "{\"flowConfigs\":[{\"syncName\":\"a\",\"providerConfigKey\":\"nope\","
		      "\"type\":\"sync\"}]}",
		      DEPLOY_ALL, &d, &why) == ERR_INVALID);
	CHECK(strcmp(d.error_code, "unknown_provider_config") == 0);
	CHECK(plan(c,
		      "{\"flowConfigs\":[{\"syncName\":\"a\",\"providerConfigKey\":\"crm\","
		      "\"type\":\"sync\",\"runs\":\"every 5s\"}]}",
		      DEPLOY_ALL, &d, &why) == ERR_INVALID);
	CHECK(strcmp(d.error_code, "invalid_body") == 0);
	CHECK(plan(c,
		      "{\"flowConfigs\":[{\"syncName\":\"a\",\"providerConfigKey\":\"crm\","
		      "\"type\":\"sync\",\"runs\":\"now and then\"}]}",
		      DEPLOY_ALL, &d, &why) == ERR_INVALID);
	return 0;
}

static void test_packages_that_cannot_be_deployed(void **state UNUSED)
{
	in_world(job_refusals);
}

static int job_events(struct dbc *c, void *arg UNUSED, struct err *err)
{
	static const char script[] = "{\"flowConfigs\":[" CONTACTS(
		"a", BOTH) "],\"onEventScriptsByProvider\":"
			   "[{\"providerConfigKey\":\"crm\",\"scripts\":[{\"name\":\"hello\","
			   "\"event\":\"post-connection-creation\",\"fileBody\":{\"js\":\"j\","
			   "\"ts\":\"t\"}}"
			   "]}]}";
	static const char none[] =
		"{\"flowConfigs\":[" CONTACTS("a", BOTH) "],\"onEventScriptsByProvider\":[]}";
	static const char silent[] = "{\"flowConfigs\":[" CONTACTS("a", BOTH) "]}";
	struct deploy d;

	TRY(plan(c, script, DEPLOY_ALL, &d, err));
	assert_non_null(strstr(plan_text(&d),
		"\"newOnEventScripts\":[{\"name\":\"hello\",\"providerConfigKey\":\"crm\","
		"\"event\":\"post-connection-creation\"}]"));
	TRY(deploy_apply(c, &d, db_arena(c), err));
	TRY(plan(c, none, DEPLOY_ALL, &d, err));
	assert_non_null(strstr(plan_text(&d), "\"deletedOnEventScripts\":[{\"name\":\"hello\""));
	TRY(plan(c, silent, DEPLOY_ALL, &d, err));
	CHECK(d.count == 1); /* a package without the list says nothing about them */
	return 0;
}

static void test_on_event_scripts(void **state UNUSED)
{
	in_world(job_events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_plan_tells_new_updated_and_deleted),
		cmocka_unit_test(test_the_mode_says_what_may_be_deleted),
		cmocka_unit_test(test_versions_count_up_when_the_code_changes),
		cmocka_unit_test(test_applying_creates_and_ends_syncs),
		cmocka_unit_test(test_a_disabled_function_stays_disabled),
		cmocka_unit_test(test_packages_that_cannot_be_deployed),
		cmocka_unit_test(test_on_event_scripts),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	while (package_count)
		json_unref(packages[--package_count]);
	return failed;
}
