#include "conf/settings.h"

#include "base/buf.h"
#include "conf/environ.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct settings *load(
	int argc, const char *const *argv, const char *const *envp, struct err *err)
{
	struct environ_vars vars;
	struct settings *conf = NULL;

	assert_int_equal(environ_load((char *const *)envp, NULL, &vars, NULL), 0);
	int rc = settings_load(argc, (char *const *)argv, &vars, &conf, err);
	assert_true((rc < 0) == (conf == NULL));
	environ_done(&vars);
	return conf;
}

static void test_defaults(void **state)
{
	(void)state;
	own(settings_free) struct settings *conf = load(0, NULL, NULL, NULL);

	assert_string_equal(conf->listen, "127.0.0.1:3003");
	assert_int_equal(conf->min_frequency_ms, 15000);
	assert_int_equal(conf->max_body, 75 << 20);
	assert_null(conf->encryption_key);
	assert_int_equal(conf->providers.count, 0);
}

static void test_flags_win_over_the_environment(void **state)
{
	(void)state;
	const char *envp[] = { "TIDEMARK_LISTEN=0.0.0.0:80", "TIDEMARK_RUNNER_MEMORY=128M",
		"TIDEMARK_PROVIDERS=a.yaml, b.yaml", NULL };
	const char *argv[] = { "--listen", "[::1]:0", "--min-frequency=2m", "--providers", "c.yaml",
		"--providers=d.yaml" };
	own(settings_free) struct settings *conf = load(6, argv, envp, NULL);

	assert_string_equal(conf->listen, "[::1]:0");
	assert_int_equal(conf->runner_memory, 128 << 20);
	assert_int_equal(conf->min_frequency_ms, 120000);
	assert_int_equal(conf->providers.count, 2);
	assert_string_equal(conf->providers.items[1], "d.yaml");
}

static void test_empty_is_not_given(void **state)
{
	(void)state;
	const char *envp[] = { "TIDEMARK_DATA=", "TIDEMARK_ENCRYPTION_KEY=", NULL };
	const char *argv[] = { "--listen", "", "--database=" };
	own(settings_free) struct settings *conf = load(3, argv, envp, NULL);

	assert_string_equal(conf->data, "tidemark-data");
	assert_string_equal(conf->listen, "127.0.0.1:3003");
	assert_null(conf->database);
	assert_null(conf->encryption_key);
}

static void test_presets_are_found_by_their_prefix(void **state)
{
	(void)state;
	const char *envp[] = { "TIDEMARK_SECRET_KEY_DEV=one", "TIDEMARK_SECRET_KEY_=none",
		"TIDEMARK_WEBHOOK_URL_PROD=http://app", "TIDEMARK_SECRET_KEY_STAGE=", NULL };
	own(settings_free) struct settings *conf = load(0, NULL, envp, NULL);

	assert_int_equal(conf->secret_keys.count, 1);
	assert_string_equal(conf->secret_keys.items[0].environment, "dev");
	assert_string_equal(conf->secret_keys.items[0].value, "one");
	assert_int_equal(conf->webhook_urls.count, 1);
	assert_string_equal(conf->webhook_urls.items[0].environment, "prod");
}

static void test_mistakes_are_explained(void **state)
{
	(void)state;
	static const struct {
		const char *arg, *why;
	} cases[] = {
		{ "--nope=1", "unknown flag --nope" },
		{ "extra", "unexpected argument 'extra'" },
		{ "--listen", "--listen needs a value" },
		{ "--min-frequency=1ms", "--min-frequency: '1ms' is not between 1s and 1d" },
		{ "--runner-memory=1", "--runner-memory: '1' is not between 64M and 64G" },
		{ "--runner-processes=x", "--runner-processes: 'x' is not between 0 and 1024" },
		{ "--log-level=loud", "--log-level: 'loud' is none of debug|info|warn|error" },
		{ "--encryption-key=x",
			"--encryption-key: a secret comes from TIDEMARK_ENCRYPTION_KEY or the "
			"settings file, not from a flag" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *argv[] = { cases[i].arg };
		struct err err = { 0 };
		assert_null(load(1, argv, NULL, &err));
		assert_string_equal(err.msg, cases[i].why);
	}
}

static void test_a_file_is_the_lowest_layer(void **state)
{
	(void)state;
	char path[] = "/tmp/settings_test_XXXXXX";
	int fd = mkstemp(path);
	static const char text[] = "listen: 127.0.0.1:1\nmin_frequency: 30s\nrunner_runs: 7\n"
				   "allow_egress: [127.0.0.0/8, 10.0.0.0/8]\n";
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	const char *envp[] = { "TIDEMARK_MIN_FREQUENCY=20s", NULL };
	const char *argv[] = { "--config", path, "--listen=127.0.0.1:2" };
	struct err err = { 0 };
	own(settings_free) struct settings *conf = load(3, argv, envp, &err);

	assert_string_equal(err.msg, "");
	assert_string_equal(conf->listen, "127.0.0.1:2");
	assert_int_equal(conf->min_frequency_ms, 20000);
	assert_int_equal(conf->runner_runs, 7);
	assert_int_equal(conf->allow_egress.count, 2);
	unlink(path);
}

static void test_dotenv_gives_what_the_environment_lacks(void **state)
{
	(void)state;
	char path[] = "/tmp/dotenv_test_XXXXXX";
	int fd = mkstemp(path);
	static const char text[] = "# keys\nA=from file # why\nexport B=\"two words\"\nC='#'\nD=\n"
				   "broken\n";
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	const char *envp[] = { "A=from environment", NULL };
	struct environ_vars vars;

	assert_int_equal(environ_load((char *const *)envp, path, &vars, NULL), 0);
	assert_string_equal(environ_get(&vars, "A"), "from environment");
	assert_string_equal(environ_get(&vars, "B"), "two words");
	assert_string_equal(environ_get(&vars, "C"), "#");
	assert_string_equal(environ_get(&vars, "D"), "");
	assert_null(environ_get(&vars, "broken"));
	environ_done(&vars);
	unlink(path);
}

static void test_help_lists_every_setting(void **state)
{
	(void)state;
	own_in(buf_done) struct buf out = { 0 };

	buf_init(&out, 1 << 16);
	settings_help(&out);
	assert_non_null(strstr(out.ptr, "--min-frequency TIME"));
	assert_non_null(strstr(out.ptr, "[15s]"));
	assert_non_null(strstr(out.ptr, "[512M]"));
	assert_non_null(strstr(out.ptr, "--log-level debug|info|warn|error"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_flags_win_over_the_environment),
		cmocka_unit_test(test_empty_is_not_given),
		cmocka_unit_test(test_presets_are_found_by_their_prefix),
		cmocka_unit_test(test_mistakes_are_explained),
		cmocka_unit_test(test_a_file_is_the_lowest_layer),
		cmocka_unit_test(test_dotenv_gives_what_the_environment_lacks),
		cmocka_unit_test(test_help_lists_every_setting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
