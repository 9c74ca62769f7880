/* project_inspect: what each bundle exports, asked of the runtime itself. */
#include "base/sv.h"
#include "cli/project.h"
#include "data/json.h"
#include "os/file.h"
#include "runner/pool.h"

#include <limits.h>
#include <stdio.h>

struct inspection {
	struct runner_run run;
	struct project_fn *fn;
	struct inspecting *all;
};

struct inspecting {
	struct loop *loop;
	struct project *project;
	size_t left;
};

static void inspected(struct inspection *in)
{
	if (--in->all->left == 0)
		loop_stop(in->all->loop);
}

static void fail(struct inspection *in, const char *what)
{
	in->fn->problem = arena_printf(&in->all->project->arena, "%s: %s", in->fn->path, what);
}

static void on_done(struct runner_run *r, const struct runner_result *res)
{
	struct inspection *in = container_of(r, struct inspection, run);
	struct sv message = SV_NULL;
	struct err err = { 0 };

	if (!res->ok) {
		char text[200];
		json_opt_str(res->error, "message", &message, NULL);
		if (!message.ptr)
			json_opt_str(res->error, "payload.message", &message, NULL);
		snprintf(text, sizeof(text), "%.*s", SV(message));
		fail(in, message.ptr ? text : "could not be evaluated");
	} else if (json_parse(res->output, &in->fn->definition, &err) < 0) {
		fail(in, err.msg);
	}
	inspected(in);
}

static void on_lost(struct runner_run *r, const char *why)
{
	struct inspection *in = container_of(r, struct inspection, run);
	fail(in, why);
	inspected(in);
}

/* A function that calls the server while its module loads is told so by its own error. */
static void on_call(struct runner_run *r, const struct runner_call *call)
{
	struct json_t *error = json_new_obj(), *head = json_new_obj();

	json_set_str(error, "kind", SV_LIT("plain"));
	json_set_str(error, "code", SV_LIT("not_running"));
	json_set_str(error, "message", SV_LIT("nango calls are for exec, not for module load"));
	json_set(head, SV_LIT("error"), error);
	runner_reply(r, call->id, head, SV_NULL);
	json_unref(head);
}

static void on_log(struct runner_run *r UNUSED, struct json_t *head UNUSED)
{
}

static const struct runner_host inspect_host = { on_call, on_log, on_done, on_lost };

static void start(struct runner_pool *pool, struct inspection *in)
{
	own(json_unref) struct json_t *head = json_new_obj();
	struct project_fn *f = in->fn;

	json_set_str(head, "integration", sv_str(f->integration));
	json_set_str(head, "name", sv_str(f->name));
	struct runner_spec spec = {
		.fn = f->hash,
		.file = f->file,
		.js = f->js,
		.environment = 1,
		.start = head,
		.inspect = true,
	};
	in->run.host = &inspect_host;
	runner_start(pool, &in->run, &spec);
}

static bool is_due(const struct project_fn *f)
{
	return f->wanted && !f->problem;
}

int project_inspect(struct project *p, struct err *err)
{
	char exe[PATH_MAX];
	struct inspecting all = { .project = p };

	TRY(exe_path(exe, sizeof(exe), err));
	struct runner_pool_config cfg = { .exe = exe, .processes = 1 };
	own(loop_free) struct loop *loop = loop_new();
	own(runner_pool_free) struct runner_pool *pool = runner_pool_new(loop, &cfg);
	struct inspection *ins = arena_array(&p->arena, p->count, sizeof(*ins));

	all.loop = loop;
	for (size_t i = 0; i < p->count; i++)
		all.left += is_due(&p->fns[i]);
	if (all.left == 0)
		return 0;
	for (size_t i = 0; i < p->count; i++) {
		if (!is_due(&p->fns[i]))
			continue;
		ins[i].fn = &p->fns[i];
		ins[i].all = &all;
		start(pool, &ins[i]);
	}
	loop_run(loop);
	return 0;
}
