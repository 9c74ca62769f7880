/*
 * What a runner says: bytes on its socket, framed, checked and handed on (io/frame.c, and pool.c,
 * report.c and code.c of src/runner). The process is made up here, in place of src/runner/child.c:
 * it is ready, has three runs, and from then on says what the input says.
 */
#include "base/mem.h"
#include "data/json.h"
#include "data/json_dump.h"
#include "fuzz.h"
#include "io/frame.h"
#include "runner/private.h"

enum { RUNS = 3, MESSAGE_LIMIT = 1 << 20 };

/* A run and what became of it. */
struct told {
	struct runner_run run;
	bool over;
	uint32_t last_call;
};

static struct runner *child;

/* The process. */

int child_spawn(struct runner_pool *p, struct runner **ret, struct err *err)
{
	if (child)
		return err_set(err, ERR_LIMIT, "one is enough");
	child = *ret = NEW(struct runner);
	child->pool = p;
	child->channel.fd = -1;
	child->prev = &p->runners;
	p->runners = child;
	p->count = 1;
	return 0;
}

void child_destroy(struct runner *c)
{
	c->pool->runners = NULL;
	c->pool->count = 0;
	for (size_t i = 0; i < c->code_count; i++)
		code_unref(c->pool, c->codes[i]);
	mem_free(c->codes);
	mem_free(c);
	child = NULL;
}

void child_set_state(struct runner *c, enum runner_state state)
{
	CHECK(state > c->state);
	c->state = state;
}

void child_retire(struct runner *c)
{
	if (c->state == RUNNER_READY)
		child_set_state(c, RUNNER_RETIRING);
	if (c->state == RUNNER_RETIRING && !c->run_count)
		child_set_state(c, RUNNER_DYING);
}

void child_kill(struct runner *c, const char *type, const char *fmt, ...)
{
	(void)type;
	(void)fmt;
	if (c->state != RUNNER_DYING)
		child_set_state(c, RUNNER_DYING);
}

void child_start_run(struct runner *c, struct runner_run *r)
{
	r->runner = c;
	r->next = c->runs;
	r->prev = &c->runs;
	if (r->next)
		r->next->prev = &r->next;
	c->runs = r;
	c->run_count++;
	c->runs_total++;
	c->environment = r->order->environment;
}

struct runner_run *child_run(struct runner *c, uint32_t id)
{
	struct runner_run *r = c->runs;

	while (r && r->id != id)
		r = r->next;
	return r;
}

/* Whatever is sent is text that can be read again. */
void child_send(struct runner *c UNUSED, uint16_t type UNUSED, const struct runner_run *r UNUSED,
	uint32_t call UNUSED, const struct json_t *head, struct sv body UNUSED)
{
	struct buf text;

	buf_init(&text, CHANNEL_MESSAGE_MAX);
	if (head)
		json_dump_compact(head, &text);
	CHECK(buf_ok(&text));
	buf_done(&text);
}

int64_t child_rss(const struct runner *c UNUSED)
{
	return 0;
}

/* The host: nothing comes after the end, and calls come in order. */

static struct told *told_of(struct runner_run *r)
{
	struct told *t = container_of(r, struct told, run);

	CHECK(!t->over);
	return t;
}

static void on_call(struct runner_run *r, const struct runner_call *call)
{
	struct told *t = told_of(r);

	CHECK(call->method > RUNNER_METHOD_NONE && call->method < RUNNER_METHOD_COUNT);
	CHECK(json_kind(call->head) == JSON_KIND_OBJECT);
	CHECK(call->id > t->last_call);
	t->last_call = call->id;
	if (call->id % 2)
		runner_reply(r, call->id, NULL, call->body);
}

static void on_log(struct runner_run *r, struct json_t *head)
{
	told_of(r);
	CHECK(json_kind(head) == JSON_KIND_OBJECT);
}

static void on_done(struct runner_run *r, const struct runner_result *res)
{
	struct told *t = told_of(r);

	CHECK(res->ok || json_kind(res->error) == JSON_KIND_OBJECT);
	t->over = true;
}

static void on_lost(struct runner_run *r, const char *why UNUSED)
{
	told_of(r)->over = true;
}

static const struct runner_host host = { on_call, on_log, on_done, on_lost };

static void listen_to(struct sv said)
{
	struct err err = { 0 };

	for (;;) {
		struct frame f;
		int64_t size = frame_parse(said, MESSAGE_LIMIT, &f, &err);
		if (size == 0)
			return;
		if (size < 0 || report_frame(child, &f, &err) < 0)
			break;
		CHECK((size_t)size <= said.len);
		said = sv_from(said, (size_t)size);
	}
	CHECK(err.code != ERR_OK && err.msg[0]);
}

static void stop(struct timer *t)
{
	loop_stop(container_of(t, struct runner_pool, tick)->loop);
}

/* Lets the pool place what waits. */
static void turn(struct runner_pool *p)
{
	timer_start(p->loop, &p->tick, 0, stop);
	loop_run(p->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	struct runner_pool_config cfg = { .exe = "none", .processes = 1, .log_rate = 10 };
	struct frame ready = { .type = MESSAGE_READY };
	struct told told[RUNS] = { 0 };
	struct err err = { 0 };

	if (!loop)
		loop = loop_new();
	struct runner_pool *p = runner_pool_new(loop, &cfg);
	struct json_t *start = json_new_obj();
	struct runner_spec spec = { .fn = "f",
		.file = "crm/syncs/a",
		.js = SV_LIT("x"),
		.environment = 1,
		.start = start };
	for (size_t i = 0; i < RUNS; i++) {
		told[i].run.host = &host;
		runner_start(p, &told[i].run, &spec);
	}
	turn(p);
	CHECK(child && report_frame(child, &ready, &err) == 0);
	turn(p);
	CHECK(child->run_count == RUNS);
	listen_to(sv_make((const char *)data, size));
	size_t over = 0;
	for (size_t i = 0; i < RUNS; i++)
		over += told[i].over;
	CHECK(child->run_count == RUNS - over);
	json_unref(start);
	runner_pool_free(p);
	return 0;
}
