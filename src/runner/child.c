/* The life of one runner process: spawned, ready, retiring, dying, reaped. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* CPU time a function may use without waiting for anything: parsing 200 MB of JSON takes about 5 s.
 */
enum { ENTRY_MS = 5000 };
enum { ERR_LINE_MAX = 4096, ERR_LINES_PER_SECOND = 100 };

/* Standard error of the child, line by line into our log. */

static void err_line_log(struct runner *c)
{
	int64_t second = clock_mono_us() / 1000000;

	if (second != c->err_second) {
		c->err_second = second;
		c->err_lines = 0;
	}
	if (c->err_line.len && ++c->err_lines <= ERR_LINES_PER_SECOND)
		log_warn(NULL, "runner says", LOG_I64("pid", c->process.pid),
			LOG_SV("text", buf_sv(&c->err_line)));
	buf_clear(&c->err_line);
}

static void err_readable(void *ctx, int events UNUSED)
{
	struct runner *c = ctx;
	char text[4096];

	ssize_t n = read(c->err_fd, text, sizeof(text));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		watch_set(c->err_watch, 0);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			err_line_log(c);
		else
			buf_char(&c->err_line, text[i]);
	}
}

static void err_close(struct runner *c)
{
	if (c->err_fd < 0)
		return;
	if (c->err_watch)
		err_readable(c, WATCH_READ);
	err_line_log(c);
	watch_free(take(c->err_watch));
	close(c->err_fd);
	c->err_fd = -1;
}

/* The list of a pool's processes. */

static void link_child(struct runner_pool *p, struct runner *c)
{
	c->next = p->runners;
	c->prev = &p->runners;
	if (c->next)
		c->next->prev = &c->next;
	p->runners = c;
	p->count++;
}

static void unlink_child(struct runner *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->pool->count--;
}

static void child_free(struct runner *c)
{
	err_close(c);
	channel_done(&c->channel);
	buf_done(&c->err_line);
	if (c->page)
		munmap(c->page, RUNNER_PAGE_SIZE);
	mem_free(c->codes);
	mem_free(c);
}

static void closed(uv_handle_t *h)
{
	child_free(container_of((uv_process_t *)h, struct runner, process));
}

/* What became of its runs. */

static const char *death_text(struct runner *c, int64_t status, int signal)
{
	if (c->death[0])
		return c->death;
	if (signal)
		snprintf(c->death, sizeof(c->death), "the runner crashed (%s)", strsignal(signal));
	else
		snprintf(c->death, sizeof(c->death), "the runner ended (exit code %lld)",
			(long long)status);
	return c->death;
}

/* The run that was executing. When none was: nobody, unless we had a reason to kill the process of
 * a single run. */
static struct runner_run *culprit_of(struct runner *c)
{
	uint32_t id = atomic_load(&c->page->run);

	if (id)
		return child_run(c, id);
	return c->death_type && c->run_count == 1 ? c->runs : NULL;
}

static void fail_runs(struct runner *c, const char *why)
{
	struct runner_run *culprit = culprit_of(c);

	for (struct runner_run *r = c->runs; r; r = r->next)
		r->deaths++;
	if (culprit)
		run_failed(culprit, c->death_type ? c->death_type : "function_runtime_other", why);
	while (c->runs)
		run_lost(c->runs, why);
}

static void drop_codes(struct runner *c)
{
	for (size_t i = 0; i < c->code_count; i++)
		code_unref(c->pool, c->codes[i]);
	c->code_count = 0;
}

static void exited(uv_process_t *process, int64_t status, int signal)
{
	struct runner *c = container_of(process, struct runner, process);
	struct runner_pool *p = c->pool;

	c->exited = true;
	/* What it said before it died counts. */
	channel_drain(&c->channel);
	channel_close(&c->channel);
	err_close(c);
	bool starting = c->state == RUNNER_STARTING;
	bool expected = c->state == RUNNER_DYING && !c->death[0];
	const char *why = death_text(c, status, signal);
	if (!expected) {
		p->stats.deaths++;
		log_warn(NULL, "runner died", LOG_I64("pid", process->pid), LOG_STR("why", why),
			LOG_I64("runs", c->run_count));
	}
	if (starting || (c->death_type && !strcmp(c->death_type, "start")))
		p->start_failures++;
	c->state = RUNNER_DYING;
	fail_runs(c, why);
	drop_codes(c);
	unlink_child(c);
	uv_close((uv_handle_t *)process, closed);
	pool_place_soon(p);
}

/* Spawning. */

static int page_new(struct runner *c, int *ret_fd, struct err *err)
{
	int fd = memfd_create("tidemark-runner", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, RUNNER_PAGE_SIZE) < 0) {
		if (fd >= 0)
			close(fd);
		return err_errno(err, errno, "creating the shared page");
	}
	c->page = mmap(NULL, RUNNER_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (c->page == MAP_FAILED) {
		c->page = NULL;
		close(fd);
		return err_errno(err, errno, "mapping the shared page");
	}
	*ret_fd = fd;
	return 0;
}

/* Every descriptor of the child but standard in and out. */
struct pipes {
	int socket[2], err[2], page;
};

static void pipes_close(struct pipes *s)
{
	int *all[] = { &s->socket[0], &s->socket[1], &s->err[0], &s->err[1], &s->page };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (*all[i] >= 0)
			close(*all[i]);
}

static int pipes_open(struct runner *c, struct pipes *s, struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->socket) < 0)
		return err_errno(err, errno, "creating a socket");
	if (pipe2(s->err, O_CLOEXEC) < 0)
		return err_errno(err, errno, "creating a pipe");
	/* Only our ends: the child has its own idea of blocking. */
	fcntl(s->socket[0], F_SETFL, O_NONBLOCK);
	fcntl(s->err[0], F_SETFL, O_NONBLOCK);
	int size = 1 << 20;
	setsockopt(s->socket[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(s->socket[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return page_new(c, &s->page, err);
}

static int spawn(struct runner *c, const struct pipes *s, struct err *err)
{
	char *args[] = { c->pool->exe, (char *)"runner", NULL };
	/* Nothing of our environment: it may hold secrets. */
	char *env[] = { (char *)"TZ=UTC", (char *)"LANG=C.UTF-8", NULL };
	uv_stdio_container_t io[] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = s->err[1] },
		{ .flags = UV_INHERIT_FD, .data.fd = s->err[1] },
		{ .flags = UV_INHERIT_FD, .data.fd = s->socket[1] },
		{ .flags = UV_INHERIT_FD, .data.fd = s->page },
	};
	uv_process_options_t options = {
		.file = c->pool->exe,
		.args = args,
		.env = env,
		.stdio = io,
		.stdio_count = ARRAY_LEN(io),
		.exit_cb = exited,
	};
	int rc = uv_spawn(loop_uv(c->pool->loop), &c->process, &options);
	if (rc < 0)
		return err_set(
			err, ERR_IO, "starting '%s runner': %s", c->pool->exe, uv_strerror(rc));
	return 0;
}

static void channel_ended(void *ctx, const struct err *err)
{
	struct runner *c = ctx;

	if (err)
		child_kill(
			c, "function_runtime_other", "the runner broke the protocol: %s", err->msg);
	else if (c->state != RUNNER_DYING && !c->exited)
		/* It closed its socket: it ends, and its exit says why. */
		kill(c->process.pid, SIGTERM);
	c->dying_us = c->dying_us ? c->dying_us : clock_mono_us();
}

static void send_init(struct runner *c)
{
	own(json_unref) struct json_t *head = json_new_obj();

	json_set_int(head, "memory_limit", c->pool->cfg.memory_bytes);
	json_set_int(head, "entry_ms", ENTRY_MS);
	json_set_int(head, "tick_ms", 20);
	child_send(c, MESSAGE_INIT, NULL, 0, head, SV_NULL);
}

static void start_failed(uv_handle_t *h)
{
	child_free(container_of((uv_process_t *)h, struct runner, process));
}

int child_spawn(struct runner_pool *p, struct runner **ret, struct err *err)
{
	struct runner *c = NEW(struct runner);
	struct pipes s = { { -1, -1 }, { -1, -1 }, -1 };

	c->pool = p;
	c->err_fd = c->channel.fd = -1;
	buf_init(&c->err_line, ERR_LINE_MAX);
	int rc = pipes_open(c, &s, err);
	if (rc < 0) {
		pipes_close(&s);
		child_free(c);
		return rc;
	}
	rc = spawn(c, &s, err);
	if (rc < 0) {
		pipes_close(&s);
		/* libuv has the handle even when the spawn failed. */
		uv_close((uv_handle_t *)&c->process, start_failed);
		return rc;
	}
	c->err_fd = s.err[0];
	c->err_watch = watch_new(p->loop, c->err_fd, err_readable, c);
	watch_set(c->err_watch, WATCH_READ);
	c->channel.ctx = c;
	c->channel.on_frame = report_frame;
	c->channel.on_end = channel_ended;
	channel_open(&c->channel, p->loop, s.socket[0]);
	s.socket[0] = s.err[0] = -1;
	pipes_close(&s);
	c->since_us = clock_mono_us();
	link_child(p, c);
	send_init(c);
	pool_tick_start(p);
	*ret = c;
	return 0;
}

/* The one place where a state changes. */
void child_set_state(struct runner *c, enum runner_state state)
{
	assert(state > c->state);
	c->state = state;
	c->since_us = clock_mono_us();
	if (state == RUNNER_READY)
		c->pool->start_failures = 0;
	if (state == RUNNER_DYING)
		c->dying_us = c->since_us;
}

void child_kill(struct runner *c, const char *type, const char *fmt, ...)
{
	va_list args;

	if (c->exited || c->death[0])
		return;
	va_start(args, fmt);
	vsnprintf(c->death, sizeof(c->death), fmt, args);
	va_end(args);
	c->death_type = c->state == RUNNER_STARTING ? "start" : type;
	if (c->state != RUNNER_DYING)
		child_set_state(c, RUNNER_DYING);
	uv_process_kill(&c->process, SIGKILL);
}

void child_retire(struct runner *c)
{
	if (c->state == RUNNER_READY)
		child_set_state(c, RUNNER_RETIRING);
	if (c->state != RUNNER_RETIRING || c->run_count)
		return;
	child_set_state(c, RUNNER_DYING);
	child_send(c, MESSAGE_EXIT, NULL, 0, NULL, SV_NULL);
	pool_tick_start(c->pool);
}

/* Without waiting for anything: the pool goes away. */
void child_destroy(struct runner *c)
{
	drop_codes(c);
	channel_close(&c->channel);
	err_close(c);
	unlink_child(c);
	uv_process_kill(&c->process, SIGKILL);
	waitpid(c->process.pid, NULL, 0);
	uv_close((uv_handle_t *)&c->process, closed);
}

/* Talking to it. */

void child_send(struct runner *c, uint16_t type, const struct runner_run *r, uint32_t call,
	const struct json_t *head, struct sv body)
{
	own_in(buf_done) struct buf text = { 0 };

	buf_init(&text, CHANNEL_MESSAGE_MAX);
	if (head)
		json_dump_compact(head, &text);
	struct frame f = {
		.type = type,
		.run = r ? r->id : 0,
		.call = call,
		.head = head ? buf_sv(&text) : SV_LIT("{}"),
		.body = body,
	};
	channel_send(&c->channel, &f);
}

static void send_code(struct runner *c, struct runner_code *code)
{
	for (size_t i = 0; i < c->code_count; i++)
		if (c->codes[i] == code)
			return;
	c->codes = mem_realloc(c->codes, (c->code_count + 1) * sizeof(struct runner_code *));
	c->codes[c->code_count++] = code;
	code->refs++;
	own(json_unref) struct json_t *head = json_new_obj();
	json_set_str(head, "fn", sv_str(code->fn));
	json_set_str(head, "file", sv_str(code->file));
	child_send(c, MESSAGE_CODE, NULL, 0, head, code->js);
}

void child_start_run(struct runner *c, struct runner_run *r)
{
	struct runner_order *o = r->order;

	assert(c->state == RUNNER_READY);
	r->runner = c;
	r->next = c->runs;
	r->prev = &c->runs;
	if (r->next)
		r->next->prev = &r->next;
	c->runs = r;
	c->run_count++;
	c->runs_total++;
	c->environment = o->environment;
	c->alone |= o->alone;
	send_code(c, o->code);
	struct sv input = sv_make(o->input ? o->input : "", o->input_len);
	child_send(c, o->inspect ? MESSAGE_INSPECT : MESSAGE_START, r, 0, o->start, input);
	pool_tick_start(c->pool);
}

struct runner_run *child_run(struct runner *c, uint32_t id)
{
	struct runner_run *r = c->runs;

	while (r && r->id != id)
		r = r->next;
	return r;
}

int64_t child_rss(const struct runner *c)
{
	char path[40], text[128];

	snprintf(path, sizeof(path), "/proc/%d/statm", c->process.pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	long pages = 0;
	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "%*s %ld", &pages) != 1)
		return 0;
	return (int64_t)pages * sysconf(_SC_PAGESIZE);
}
