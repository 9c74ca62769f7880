#include "cli/replay.h"

#include "base/sv.h"
#include "cli/project.h"
#include "data/json.h"
#include "model/provider.h"

#include <stdio.h>

/* A replayed function that takes longer than this hangs: nothing it does waits for a network. */
enum { REPLAY_DEADLINE_MS = 120000 };
#define BODY_MAX (256u << 20)

static struct replay *of_local(struct local_run *l)
{
	return container_of(l, struct replay, local);
}

/* Provider requests. */

/* {type: "Buffer", data: [bytes]}: how JSON.stringify writes a binary response. */
static bool buffer_bytes(const struct json_t *v, struct buf *out)
{
	struct json_t *data = json_member(v, SV_LIT("data"));

	if (!sv_eq(json_sv(json_member(v, SV_LIT("type"))), SV_LIT("Buffer")) ||
		json_kind(data) != JSON_KIND_ARRAY)
		return false;
	for (size_t i = 0; i < json_len(data); i++)
		buf_char(out, (char)json_int(json_item(data, i)));
	return true;
}

static void response_body(const struct json_t *response, struct buf *out)
{
	if (json_kind(response) == JSON_KIND_STRING)
		buf_sv_add(out, json_sv(response));
	else if (response && !buffer_bytes(response, out))
		json_dump_compact(response, out);
}

static struct json_t *header_pairs(const struct json_t *headers)
{
	struct json_t *pairs = json_new_arr(), *value;
	struct sv key;
	void *it = NULL;

	while (json_next(headers, &it, &key, &value)) {
		if (json_kind(value) != JSON_KIND_STRING)
			continue;
		struct json_t *pair = json_new_arr();
		json_push(pair, json_new_str(key));
		json_push(pair, json_ref(value));
		json_push(pairs, pair);
	}
	return pairs;
}

/* A request by the provider client, or by uncontrolledFetch. */
static void on_request(struct local_run *l, const struct runner_call *call)
{
	struct replay *r = of_local(l);
	struct recording_exchange *x;
	struct err err = { 0 };
	int64_t status = 200;
	own_in(buf_done) struct buf body = { 0 };

	buf_init(&body, BODY_MAX);
	if (recording_match(&r->rec, call->head, call->body, &x, &err) < 0) {
		r->unmatched = true;
		local_problem(l, "%s", err.msg);
		local_refuse(l, call, "plain", "not_recorded", err.msg);
		return;
	}
	response_body(json_member(x->entry, SV_LIT("response")), &body);
	json_opt_int(x->entry, "status", &status, NULL);
	struct json_t *head = json_new_obj();
	json_set_int(head, "status", status);
	json_set_str(head, "statusText", SV_LIT(""));
	json_set(head, SV_LIT("headers"), header_pairs(json_member(x->entry, SV_LIT("headers"))));
	/* Recordings were made by a client that returns error statuses instead of throwing. */
	json_set_bool(head, "acceptAnyStatus", true);
	local_answer(l, call, head, buf_sv(&body));
}

static bool is_recorded_action(const struct json_t *x, const struct json_t *head, struct sv input)
{
	static const char *const keys[] = { "name", "providerConfigKey" };
	struct json_t *want = json_member(x, SV_LIT("input"));
	own(json_unref) struct json_t *got = NULL;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!sv_eq(json_sv(json_member(x, sv_str(keys[i]))),
			    json_sv(json_member(head, sv_str(keys[i])))))
			return false;
	if (input.len && json_parse(input, &got, NULL) < 0)
		return false;
	return want && got ? json_same(want, got) : want == got;
}

/* `nango.triggerAction` of the recording: [{name, providerConfigKey, input?, output | error}]. */
static struct json_t *find_action(struct replay *r, const struct runner_call *call)
{
	struct json_t *all = json_find(r->rec.root, SV_LIT("nango.triggerAction"));
	struct json_t *best = NULL;

	for (size_t i = 0; i < json_len(all); i++) {
		struct json_t *x = json_item(all, i);
		if (!is_recorded_action(x, call->head, call->body))
			continue;
		if (!json_member(x, SV_LIT("used")))
			return x;
		best = best ? best : x;
	}
	return best;
}

static void on_trigger_action(struct local_run *l, const struct runner_call *call)
{
	struct json_t *x = find_action(of_local(l), call), *error;
	own_in(buf_done) struct buf output = { 0 };

	if (!x) {
		local_problem(l, "not recorded: triggerAction %.*s of %.*s with %.*s",
			SV(json_sv(json_member(call->head, SV_LIT("name")))),
			SV(json_sv(json_member(call->head, SV_LIT("providerConfigKey")))),
			(int)(call->body.len < 200 ? call->body.len : 200), call->body.ptr);
		local_refuse(l, call, "plain", "not_recorded", l->problem.ptr);
		return;
	}
	json_set_bool(x, "used", true);
	if ((error = json_member(x, SV_LIT("error")))) {
		local_refuse_as(l, call, json_clone(error));
		return;
	}
	buf_init(&output, BODY_MAX);
	if (json_member(x, SV_LIT("output")))
		json_dump_compact(json_member(x, SV_LIT("output")), &output);
	else
		buf_str(&output, "null");
	local_answer(l, call, json_new_obj(), buf_sv(&output));
}

/* Exactly what was recorded: functions take another path where a member is missing. */
static struct json_t *connection(struct local_run *l)
{
	struct json_t *recorded = json_find(of_local(l)->rec.root, SV_LIT("nango.getConnection"));
	struct json_t *c;

	if (json_kind(recorded) == JSON_KIND_OBJECT)
		return json_clone(recorded);
	c = json_new_obj();
	json_set_int(c, "id", 1);
	json_set_str(c, "connection_id", sv_str(l->connection_id));
	json_set_str(c, "provider_config_key", sv_str(l->fn->integration));
	json_set_str(c, "provider", sv_str(l->provider));
	json_set(c, SV_LIT("connection_config"), json_new_obj());
	json_set(c, SV_LIT("credentials"), json_new_obj());
	json_set(c, SV_LIT("metadata"), json_new_obj());
	return c;
}

static struct json_t *integration(struct local_run *l)
{
	struct json_t *i = json_new_obj();

	json_set_str(i, "unique_key", sv_str(l->fn->integration));
	json_set_str(i, "provider", sv_str(l->provider));
	json_set_str(i, "display_name", sv_str(l->fn->integration));
	return i;
}

static struct json_t *env_vars(struct local_run *l UNUSED)
{
	return json_new_arr();
}

static const struct local_source replay_source = {
	.proxy = on_request,
	.fetch = on_request,
	.trigger_action = on_trigger_action,
	.connection = connection,
	.integration = integration,
	.env_vars = env_vars,
};

/* Verdict. */

static void compare_models(struct replay *r, const char *what, struct json_t *got)
{
	char path[64], label[512];
	struct json_t *want, *value;
	struct sv model;
	void *it = NULL;

	snprintf(path, sizeof(path), "nango.%s", what);
	want = json_find(r->rec.root, sv_str(path));
	while (json_next(want, &it, &model, &value)) {
		own_in(buf_done) struct buf diff = { 0 };
		struct json_t *list = json_member(got, model);
		buf_init(&diff, 8192);
		if (!list && json_len(value) == 0)
			continue;
		snprintf(label, sizeof(label), "%s %.*s", what, SV(model));
		if (!recording_same(label, value, list, &diff))
			local_problem(&r->local, "%s", diff.len ? diff.ptr : "differs");
	}
	for (it = NULL; json_next(got, &it, &model, &value);)
		if (json_len(value) && !json_member(want, model))
			local_problem(&r->local,
				"%s %.*s: %zu records that are not in the recording", what,
				SV(model), json_len(value));
}

static void compare_output(struct replay *r)
{
	struct json_t *want = json_member(r->rec.root, SV_LIT("output"));
	own_in(buf_done) struct buf diff = { 0 };

	if (!want)
		return;
	buf_init(&diff, 8192);
	if (!recording_same("output", want, r->local.output, &diff))
		local_problem(&r->local, "%s", diff.len ? diff.ptr : "output differs");
}

/* A recorded failure, {type, payload?}: the function must fail in just that way. */
static void compare_error(struct replay *r, struct json_t *want)
{
	struct local_run *l = &r->local;
	own_in(buf_done) struct buf diff = { 0 };
	struct json_t *value;
	void *it = NULL;
	struct sv key;
	char label[300];

	buf_init(&diff, 8192);
	if (r->unmatched)
		return;
	buf_clear(&l->problem);
	if (!l->error)
		local_problem(l, "the recording says that it fails, but it did not");
	while (l->error && json_next(want, &it, &key, &value)) {
		snprintf(label, sizeof(label), "error.%.*s", SV(key));
		if (!recording_same(label, value, json_member(l->error, key), &diff))
			local_problem(l, "%s", diff.len ? diff.ptr : "another error");
	}
}

static void ended(struct local_run *l)
{
	struct replay *r = of_local(l);
	struct json_t *error = json_member(r->rec.root, SV_LIT("error"));

	if (error)
		compare_error(r, error);
	if (l->problem.len == 0) {
		compare_models(r, "batchSave", l->saved);
		compare_models(r, "batchUpdate", l->updated);
		compare_models(r, "batchDelete", l->deleted);
		compare_output(r);
	}
	r->ended(r);
}

void replay_init(struct replay *r, struct project_fn *fn, const struct provider *provider,
	struct recording *rec)
{
	r->rec = *rec;
	*rec = (struct recording){ 0 };
	local_init(&r->local, fn, &replay_source);
	r->local.ended = ended;
	r->local.deadline_ms = REPLAY_DEADLINE_MS;
	/* Functions compute windows from "now": it is the time of the recording. */
	r->local.now_ms = recording_now_ms(&r->rec);
	if (provider && provider->paginate)
		r->local.paginate = json_clone(provider->paginate);
	r->local.metadata = json_ref(json_find(r->rec.root, SV_LIT("nango.getMetadata")));
	r->local.input = json_ref(json_member(r->rec.root, SV_LIT("input")));
	struct json_t *given = json_find(r->rec.root, SV_LIT("nango.getCheckpoint"));
	if (json_kind(given) == JSON_KIND_OBJECT)
		r->local.checkpoint = json_ref(given);
}

void replay_start(struct replay *r, struct runner_pool *pool)
{
	local_start(&r->local, pool);
}

void replay_done(struct replay *r)
{
	local_done(&r->local);
	recording_done(&r->rec);
}
