/*
 * tidemark deploy: the protocol of the public CLI (spec/api-cli.md section 3): ask what would
 * change, show it, ask before anything is destroyed, send the same package again to apply it.
 */
#include "base/sv.h"
#include "cli/cli.h"
#include "cli/package.h"
#include "cli/project.h"
#include "cli/rest.h"
#include "data/json.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct deploy {
	const char *environment, *dir, *sync, *action, *integration, *version;
	bool allow_destructive, yes;
};

static void usage(FILE *to)
{
	fputs("usage: tidemark deploy ENV [DIR] [options]\n\n"
	      "Compiles the functions of a project and deploys them to the server that\n"
	      "TIDEMARK_HOST (or NANGO_HOSTPORT) names, into environment ENV (dev, prod...).\n\n"
	      "  --sync NAME           only this sync\n"
	      "  --action NAME         only this action\n"
	      "  --integration NAME    only this integration's functions\n"
	      "  --version V           version of what is deployed\n"
	      "  --allow-destructive   may delete syncs that have connections, and models\n"
	      "  --auto-confirm        do not ask\n",
		to);
}

/* Which functions; and the protocol's name for that. */
static int choose(const struct deploy *d, struct project *p, const char **ret_mode, struct err *err)
{
	const char *name = d->sync ? d->sync : d->action;
	size_t wanted = 0;

	*ret_mode = name ? "single" : d->integration ? "integration" : "all";
	for (size_t i = 0; i < p->count; i++) {
		struct project_fn *f = &p->fns[i];
		f->wanted = (!name || strcmp(f->name, name) == 0) &&
			    (!d->integration || strcmp(f->integration, d->integration) == 0);
		wanted += f->wanted;
	}
	if (wanted == 0)
		return err_set(err, ERR_NOT_FOUND, "no function '%s' in the project",
			name ? name : d->integration);
	if (name && wanted > 1)
		return err_set(err, ERR_CONFLICT,
			"%zu functions are named '%s': choose one with --integration", wanted,
			name);
	return 0;
}

static void print_list(
	const struct json_t *plan, const char *key, const char *sign, const char *kind)
{
	struct json_t *list = json_member(plan, sv_str(key));

	for (size_t i = 0; i < json_len(list); i++) {
		struct json_t *item = json_item(list, i);
		int64_t connections = json_int(json_member(item, SV_LIT("connections")));
		printf("  %s %s %.*s/%.*s", sign, kind,
			SV(json_sv(json_member(item, SV_LIT("providerConfigKey")))),
			SV(json_sv(json_member(item, SV_LIT("name")))));
		if (connections)
			printf(" (%lld connections)", (long long)connections);
		printf("\n");
	}
}

static void print_plan(const struct json_t *plan)
{
	static const struct {
		const char *key, *sign, *kind;
	} rows[] = { { "newSyncs", "+", "sync" }, { "newActions", "+", "action" },
		{ "newOnEventScripts", "+", "on-event" }, { "updatedSyncs", "~", "sync" },
		{ "updatedActions", "~", "action" }, { "updatedOnEventScripts", "~", "on-event" },
		{ "deletedSyncs", "-", "sync" }, { "deletedActions", "-", "action" },
		{ "deletedOnEventScripts", "-", "on-event" } };
	struct json_t *models = json_member(plan, SV_LIT("deletedModels"));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		print_list(plan, rows[i].key, rows[i].sign, rows[i].kind);
	for (size_t i = 0; i < json_len(models); i++)
		printf("  - model %.*s\n", SV(json_sv(json_item(models, i))));
}

/* Deleting syncs that customers use, or models with records, loses data. */
static bool is_destructive(const struct json_t *plan)
{
	struct json_t *syncs = json_member(plan, SV_LIT("deletedSyncs"));

	for (size_t i = 0; i < json_len(syncs); i++)
		if (json_int(json_member(json_item(syncs, i), SV_LIT("connections"))) > 0)
			return true;
	return json_len(json_member(plan, SV_LIT("deletedModels"))) > 0;
}

static int confirm(const struct deploy *d, const struct json_t *plan, struct err *err)
{
	char answer[16] = "";

	if (!is_destructive(plan) || (d->allow_destructive && d->yes))
		return 0;
	if (!isatty(STDIN_FILENO) || d->yes)
		return err_set(err, ERR_CONFLICT,
			"this deletes synced data (say so: --auto-confirm --allow-destructive)");
	printf("This deletes synced data of the lines with '-'. Deploy? [y/N] ");
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		return err_set(err, ERR_CANCELLED, "nothing was deployed");
	return 0;
}

static int send_package(struct rest *r, const char *path, struct json_t *package, bool reconcile,
	struct json_t **ret, struct err *err)
{
	own_in(buf_done) struct buf body = { 0 };

	json_set_bool(package, "reconcile", reconcile);
	buf_init(&body, 512u << 20);
	json_dump_compact(package, &body);
	return rest_json(r, "POST", path, buf_sv(&body), ret, err);
}

static void print_deployed(const struct json_t *done)
{
	for (size_t i = 0; i < json_len(done); i++) {
		struct json_t *f = json_item(done, i);
		printf("deployed %.*s/%.*s@v%.*s\n",
			SV(json_sv(json_member(f, SV_LIT("providerConfigKey")))),
			SV(json_sv(json_member(f, SV_LIT("name")))),
			SV(json_sv(json_member(f, SV_LIT("version")))));
	}
	printf("%zu functions deployed\n", json_len(done));
}

static int deploy(const struct deploy *d, struct err *err)
{
	own_in(project_done) struct project p = { 0 };
	own_in(rest_done) struct rest r = { 0 };
	own(json_unref) struct json_t *package = NULL, *plan = NULL, *done = NULL;
	struct package_options o = { .version = d->version };

	TRY(rest_open(d->environment, &r, err));
	TRY(project_open(d->dir, &p, err));
	TRY(choose(d, &p, &o.mode, err));
	TRY(project_build(&p, true, err));
	TRY(package_build(&p, &o, &package, err));
	json_set_bool(package, "debug", false);
	json_set_str(package, "sdkVersion", SV_LIT(TIDEMARK_VERSION "-zero"));
	TRY(send_package(&r, "/sync/deploy/confirmation", package, false, &plan, err));
	print_plan(plan);
	TRY(confirm(d, plan, err));
	json_set_str(package, "nangoYamlBody", SV_LIT(""));
	json_set_str(package, "source", SV_LIT("repo"));
	TRY(send_package(&r, "/sync/deploy", package, true, &done, err));
	print_deployed(done);
	return 0;
}

int cmd_deploy(int argc, char **argv)
{
	static const struct option options[] = { { "sync", required_argument, NULL, 's' },
		{ "action", required_argument, NULL, 'a' },
		{ "integration", required_argument, NULL, 'i' },
		{ "version", required_argument, NULL, 'v' },
		{ "allow-destructive", no_argument, NULL, 'd' },
		{ "auto-confirm", no_argument, NULL, 'y' }, { "help", no_argument, NULL, 'h' },
		{ 0 } };
	struct deploy d = { .dir = "." };
	struct err err = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "s:a:i:v:h", options, NULL)) != -1) {
		switch (c) {
		case 's': d.sync = optarg; break;
		case 'a': d.action = optarg; break;
		case 'i': d.integration = optarg; break;
		case 'v': d.version = optarg; break;
		case 'd': d.allow_destructive = true; break;
		case 'y': d.yes = true; break;
		default: usage(c == 'h' ? stdout : stderr); return c == 'h' ? 0 : 2;
		}
	}
	if (optind >= argc || argc - optind > 2) {
		usage(stderr);
		return 2;
	}
	d.environment = argv[optind];
	if (optind + 1 < argc)
		d.dir = argv[optind + 1];
	return deploy(&d, &err) < 0 ? cli_fail("deploy failed", &err) : 0;
}
