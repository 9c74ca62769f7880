/* Whole requests: a database with connections, a provider on the loop, retries without waiting. */
#include "auth/provider_fixture.h"
#include "base/sv.h"
#include "data/json.h"
#include "proxy/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct rig {
	struct provider_net net;
	struct proxy proxy;
	char base[64];
	/* What the provider answers, one after the other; the last one stays. */
	int script[8];
	size_t at;
	char seen[4096]; /* the last request */
	bool rotate; /* new credentials after the first answer */
	struct op rotation;
	struct http_call *held;
	struct timer timer;
	struct op op;
	/* Outcome. */
	bool done;
	struct err err;
	struct proxy_reply reply;
	char log[4096];
};

static const char catalogue[] =
	"crm: { auth_mode: OAUTH2, proxy: { base_url: '${connectionConfig.base}', "
	"retry: { after: retry-after }, query: { token: '${accessToken}' } } }\n";

/* The provider. */

static int job_rotate(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct connection conn;

	TRY(connection_get(c, r->net.world.connection, db_arena(c), &conn, err));
	bool swapped;
	return connection_swap_credentials(c, r->net.world.keys, &conn,
		SV_LIT("{\"type\":\"OAUTH2\",\"access_token\":\"second-token\"}"), &swapped, err);
}

static void rotated(void *ctx, const struct err *err)
{
	struct rig *r = ctx;

	assert_int_equal(err->code, ERR_OK);
	http_reply(r->held, &(struct http_answer){ .status = 401 });
	r->held = NULL;
}

static void remember(struct rig *r, const struct http_call *call)
{
	struct buf b;

	buf_init(&b, 4000);
	buf_printf(&b, "%.*s %.*s?%.*s\n", SV(call->method), SV(call->path_raw), SV(call->query));
	for (size_t i = 0; i < call->headers.count; i++)
		buf_printf(&b, "%.*s: %.*s\n", SV(call->headers.items[i].name),
			SV(call->headers.items[i].value));
	buf_printf(&b, "\n%.*s", SV(call->body));
	snprintf(r->seen, sizeof(r->seen), "%s", b.ptr);
	buf_done(&b);
}

static void gone(struct http_call *call, void *ctx)
{
	struct rig *r = ctx;

	r->held = NULL;
	http_reply(call, &(struct http_answer){ .status = 499 });
}

static void handle(void *ctx, struct http_call *call)
{
	static const struct http_header location = { SV_LIT("location"), SV_LIT("/moved") };
	struct rig *r = ctx;
	int status = r->script[r->at];

	remember(r, call);
	if (r->script[r->at + 1])
		r->at++;
	if (status == 0) {
		r->held = call;
		http_call_on_abort(call, gone, r);
	} else if (r->rotate && status == 401) {
		r->rotate = false;
		r->held = call;
		r->rotation = (struct op){ .done = rotated, .ctx = r };
		db_submit(r->net.world.db, DB_WRITE, &r->rotation, job_rotate, r);
	} else {
		http_reply(call, &(struct http_answer){ .status = status,
					 .content_type = "application/json",
					 .body = SV_LIT("{\"ok\":true}"),
					 .headers = &location,
					 .header_count = status == 302 });
	}
}

/* The rig. */

static int job_connect(struct dbc *c, void *arg, struct err *err)
{
	struct rig *r = arg;
	char config[128];
	bool created;

	snprintf(config, sizeof(config), "{\"base\":\"%s\"}", r->base);
	struct connection conn = {
		.environment_id = r->net.world.env,
		.integration_id = r->net.world.integration,
		.integration = SV_LIT("crm"),
		.connection_id = SV_LIT("c-1"),
		.connection_config = sv_str(config),
	};
	TRY(connection_upsert(c, r->net.world.keys, &conn,
		SV_LIT("{\"type\":\"OAUTH2\",\"access_token\":\"first-token\"}"), &created, err));
	conn.connection_id = SV_LIT("no-base");
	conn.connection_config = SV_LIT("{}");
	conn.tags = SV_LIT("{}");
	conn.errors = SV_LIT("[]");
	return connection_upsert(
		c, r->net.world.keys, &conn, SV_LIT("{\"type\":\"NONE\"}"), &created, err);
}

static void rig_open(struct rig *r)
{
	*r = (struct rig){ 0 };
	provider_net_open(&r->net, handle, r);
	provider_net_catalogue(&r->net, catalogue);
	snprintf(r->base, sizeof(r->base), "%s", http_server_url(r->net.server));
	provider_net_run(&r->net, DB_WRITE, job_connect, r);
	r->proxy = (struct proxy){
		.loop = r->net.loop,
		.db = r->net.world.db,
		.keys = r->net.world.keys,
		.client = r->net.client,
		.providers = r->net.providers,
		.backoff_base_ms = 1,
	};
}

static void rig_close(struct rig *r)
{
	proxy_reply_done(&r->reply);
	proxy_done(&r->proxy);
	provider_net_close(&r->net);
}

static void finished(void *ctx, const struct err *err)
{
	struct rig *r = ctx;

	r->done = true;
	r->err = *err;
	loop_stop(r->net.loop);
}

static void write_log(void *ctx, const struct proxy_log *line)
{
	struct rig *r = ctx;
	size_t at = strlen(r->log);

	if (line->reason)
		snprintf(r->log + at, sizeof(r->log) - at, "%s;", line->reason);
	else
		snprintf(r->log + at, sizeof(r->log) - at, "%u/%u %d;", line->attempt, line->max,
			line->status);
	assert_null(strstr(line->message, "-token"));
	for (size_t i = 0; i < line->sent_count; i++)
		assert_true(sv_find(line->sent[i].value, SV_LIT("-token")) < 0);
}

static struct proxy_request request_for(struct rig *r)
{
	return (struct proxy_request){
		.environment_id = r->net.world.env,
		.integration = SV_LIT("crm"),
		.connection_id = SV_LIT("c-1"),
		.endpoint = SV_LIT("/things"),
		.log = write_log,
		.log_ctx = r,
	};
}

static void begin(struct rig *r, const struct proxy_request *req)
{
	r->op = (struct op){ .done = finished, .ctx = r };
	proxy_send(&r->proxy, &r->op, req, &r->reply);
	assert_false(r->done); /* never inside the call */
}

static void send_it(struct rig *r, const struct proxy_request *req)
{
	begin(r, req);
	loop_run(r->net.loop);
	assert_true(r->done);
}

/* Tests. */

static void sends_with_the_connections_credentials(void **state UNUSED)
{
	struct proxy_pair header = { SV_LIT("X-Mine"), SV_LIT("yes") };
	struct proxy_pair param = { SV_LIT("limit"), SV_LIT("5") };
	struct rig r;

	rig_open(&r);
	r.script[0] = 200;
	struct proxy_request req = request_for(&r);
	req.method = SV_LIT("POST");
	req.headers = &header, req.header_count = 1;
	req.params = &param, req.param_count = 1;
	req.body = SV_LIT("hello");
	send_it(&r, &req);
	assert_int_equal(r.err.code, ERR_OK);
	assert_null(r.reply.kind);
	assert_int_equal(r.reply.response.status, 200);
	assert_string_equal(r.reply.response.body.ptr, "{\"ok\":true}");
	assert_int_equal(r.reply.attempts, 1);
	assert_non_null(strstr(r.seen, "POST /things?limit=5&token=first-token\n"));
	assert_non_null(strstr(r.seen, "uthorization: Bearer first-token\n"));
	assert_non_null(strstr(r.seen, "x-mine: yes\n"));
	assert_non_null(strstr(r.seen, "tidemark/" TIDEMARK_VERSION));
	assert_non_null(strstr(r.seen, "\n\nhello"));
	assert_string_equal(r.log, "1/1 200;");
	rig_close(&r);
}

static const struct {
	int script[5];
	int retries, status;
	const char *log;
} runs[] = {
	{ { 503, 500, 200 }, 3, 200, "1/4 503;status_code_503;2/4 500;status_code_500;3/4 200;" },
	{ { 503 }, 1, 503, "1/2 503;status_code_503;2/2 503;" },
	{ { 503 }, 0, 503, "1/1 503;" },
	{ { 404 }, 3, 404, "1/4 404;not_retryable;" },
	{ { 401 }, 5, 401, "1/6 401;status_code_401;2/6 401;invalid_credentials;" },
	{ { 401, 503, 401 }, 5, 401,
		"1/6 401;status_code_401;2/6 503;status_code_503;3/6 401;invalid_credentials;" },
	{ { 302, 200 }, 0, 200, "1/1 200;" },
	{ { 302 }, 1, 0, "1/2 0;not_retryable;" },
};

static void retries_by_the_rules(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		struct rig r;
		rig_open(&r);
		memcpy(r.script, runs[i].script, sizeof(runs[i].script));
		struct proxy_request req = request_for(&r);
		req.retries = runs[i].retries;
		send_it(&r, &req);
		assert_int_equal(r.err.code, ERR_OK);
		if (r.reply.response.status != runs[i].status || strcmp(r.log, runs[i].log) != 0)
			fail_msg("row %zu: %d, %s %s", i, r.reply.response.status, r.log,
				r.reply.message);
		rig_close(&r);
	}
}

static void sees_new_credentials_before_the_next_attempt(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.script[0] = 401, r.script[1] = 401, r.script[2] = 200;
	r.rotate = true;
	struct proxy_request req = request_for(&r);
	req.retries = 5;
	send_it(&r, &req);
	/* The second 401 is the first one of the new credentials. */
	assert_string_equal(r.log, "1/6 401;status_code_401;2/6 401;status_code_401;3/6 200;");
	assert_non_null(strstr(r.seen, "Bearer second-token\n"));
	rig_close(&r);
}

static const struct {
	const char *integration, *connection, *override, *kind, *code;
	int status;
	unsigned attempts;
} refusals[] = {
	{ "none", "c-1", NULL, "control", "unknown_provider_config", 404, 0 },
	{ "crm", "none", NULL, "control", "server_error", 400, 0 },
	{ "crm", "no-base", NULL, "client", "missing_api_url", 400, 0 },
	{ "crm", "c-1", "gopher://x", "client", "invalid_url", 400, 0 },
	{ "crm", "c-1", "http://10.1.2.3", "client", "denied_ip", 400, 1 },
	{ "crm", "c-1", "http://169.254.169.254", "client", NULL, 400, 1 },
	{ "crm", "c-1", "http://127.0.0.1:1", "network", "ECONNREFUSED", 502, 2 },
};

static void says_why_there_is_no_response(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct rig r;
		rig_open(&r);
		struct proxy_request req = request_for(&r);
		req.integration = sv_str(refusals[i].integration);
		req.connection_id = sv_str(refusals[i].connection);
		req.base_url_override = sv_str(refusals[i].override);
		req.retries = 1;
		send_it(&r, &req);
		assert_int_equal(r.err.code, ERR_OK);
		assert_int_equal(r.reply.response.status, 0);
		if (strcmp(r.reply.kind, refusals[i].kind) != 0 ||
			(refusals[i].code && strcmp(r.reply.code, refusals[i].code) != 0) ||
			r.reply.status != refusals[i].status ||
			r.reply.attempts != refusals[i].attempts || !*r.reply.message)
			fail_msg("row %zu: %s %s %d %u: %s", i, r.reply.kind, r.reply.code,
				r.reply.status, r.reply.attempts, r.reply.message);
		rig_close(&r);
	}
}

static void cancel_it(struct timer *t)
{
	struct rig *r = container_of(t, struct rig, timer);

	r->op.cancel(&r->op);
}

static void can_be_cancelled(int64_t base_ms, int status, int after_ms)
{
	struct rig r;

	rig_open(&r);
	r.proxy.backoff_base_ms = base_ms;
	r.script[0] = status;
	struct proxy_request req = request_for(&r);
	req.retries = 3;
	int64_t start = clock_mono_us();
	begin(&r, &req);
	timer_start(r.net.loop, &r.timer, after_ms, cancel_it);
	loop_run(r.net.loop);
	assert_true(r.done);
	assert_int_equal(r.err.code, ERR_CANCELLED);
	assert_true(clock_mono_us() - start < 10000000);
	rig_close(&r);
}

static void can_be_cancelled_at_any_point(void **state UNUSED)
{
	can_be_cancelled(60000, 503, 200); /* asleep */
	can_be_cancelled(60000, 0, 200); /* waiting for the provider */
	can_be_cancelled(60000, 503, 0); /* loading the connection */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_with_the_connections_credentials),
		cmocka_unit_test(retries_by_the_rules),
		cmocka_unit_test(sees_new_credentials_before_the_next_attempt),
		cmocka_unit_test(says_why_there_is_no_response),
		cmocka_unit_test(can_be_cancelled_at_any_point),
	};
	return cmocka_run_group_tests_name("proxy flow", tests, NULL, NULL);
}
