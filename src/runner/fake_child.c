#include "runner/fake_child.h"

#include "base/buf.h"
#include "base/mem.h"
#include "io/frame.h"
#include "protocol/page.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
#define MESSAGE(name, type, sender, comment) MESSAGE_##name = type,
#include "protocol/messages.def"
#undef MESSAGE
};

static struct runner_page *page;

static void say(uint16_t type, uint32_t run, uint32_t call, const char *head, const char *body)
{
	struct buf out;
	struct frame f = {
		.type = type, .run = run, .call = call, .head = sv_str(head), .body = sv_str(body)
	};

	buf_init(&out, 1 << 24);
	frame_write(&out, &f);
	for (size_t at = 0; at < out.len;) {
		ssize_t n = write(RUNNER_FD_SOCKET, out.ptr + at, out.len - at);
		if (n <= 0)
			_exit(9);
		at += (size_t)n;
	}
	buf_done(&out);
}

static void done(uint32_t run, const char *output)
{
	say(MESSAGE_DONE, run, 0, "{\"ok\":true,\"cpu_us\":7,\"heap_bytes\":8}", output);
}

static void log_lines(uint32_t run, int n)
{
	for (int i = 0; i < n; i++)
		say(MESSAGE_LOG, run, 0, "{\"level\":\"info\",\"message\":\"line\"}", "");
}

static void grow(void)
{
	for (size_t mb = 0; mb < 200; mb++)
		memset(mem_alloc(1 << 20), 1, 1 << 20);
	atomic_store(&page->run, 0);
}

/* What the input names; true when the child goes on listening. */
static void start(const struct frame *f)
{
	atomic_store(&page->run, f->run);
	if (sv_eq_str(f->body, "ok"))
		done(f->run, "\"fine\"");
	else if (sv_eq_str(f->body, "echo"))
		say(MESSAGE_DONE, f->run, 0, "{\"ok\":true}", mem_svdup(f->head));
	else if (sv_eq_str(f->body, "call"))
		say(MESSAGE_CALL, f->run, 1, "{\"m\":\"checkpoint_get\"}", "body");
	else if (sv_eq_str(f->body, "badcall"))
		say(MESSAGE_CALL, f->run, 1, "{\"m\":\"nonsense\"}", "");
	else if (sv_eq_str(f->body, "fail"))
		say(MESSAGE_DONE, f->run, 0,
			"{\"ok\":false,\"error\":{\"type\":\"script_internal_error\",\"payload\":{}"
			","
			"\"name\":\"Error\",\"message\":\"boom\",\"stack\":\"f@crm/a:1:2\"}}",
			"");
	else if (sv_eq_str(f->body, "crash"))
		raise(SIGKILL);
	else if (sv_eq_str(f->body, "exit"))
		_exit(3);
	else if (sv_eq_str(f->body, "hang"))
		pause();
	else if (sv_eq_str(f->body, "grow"))
		grow();
	else if (sv_eq_str(f->body, "flood"))
		log_lines(f->run, 3000), done(f->run, "");
	else if (sv_eq_str(f->body, "badtype"))
		say(99, f->run, 0, "{}", "");
	else if (sv_eq_str(f->body, "badjson"))
		say(MESSAGE_LOG, f->run, 0, "{", "");
	else if (sv_eq_str(f->body, "wrongrun"))
		say(MESSAGE_LOG, f->run + 1000, 0, "{}", "");
	else if (sv_eq_str(f->body, "huge")) {
		struct frame_head h = { .len = UINT32_MAX, .type = MESSAGE_LOG, .run = f->run };
		if (write(RUNNER_FD_SOCKET, &h, sizeof(h)) < 0)
			_exit(9);
	}
	/* "wait": nothing, until it is aborted */
	if (!sv_eq_str(f->body, "hang"))
		atomic_store(&page->run, 0);
}

static void handle(const struct frame *f)
{
	switch (f->type) {
	case MESSAGE_START:
	case MESSAGE_INSPECT: start(f); break;
	case MESSAGE_REPLY: done(f->run, mem_svdup(f->head)); break;
	case MESSAGE_ABORT:
		say(MESSAGE_DONE, f->run, 0,
			"{\"ok\":false,\"error\":{\"type\":\"script_aborted\",\"payload\":{}}}",
			"");
		break;
	case MESSAGE_PING: say(MESSAGE_PONG, 0, 0, "{}", ""); break;
	case MESSAGE_EXIT: _exit(0);
	default: break;
	}
}

int fake_child_main(void)
{
	struct buf in;

	page = mmap(NULL, RUNNER_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, RUNNER_FD_PAGE, 0);
	assert(page != MAP_FAILED);
	buf_init(&in, 1 << 26);
	fprintf(stderr, "hello from the fake\n");
	say(MESSAGE_READY, 0, 0, "{\"pid\":1}", "");
	for (;;) {
		struct frame f;
		struct err err;
		int64_t size = frame_parse(buf_sv(&in), 1 << 26, &f, &err);
		if (size > 0) {
			handle(&f);
			buf_consume(&in, (size_t)size);
			continue;
		}
		char *room = buf_reserve(&in, 65536);
		ssize_t n = read(RUNNER_FD_SOCKET, room, 65536);
		if (n <= 0)
			return 0;
		buf_grow(&in, (size_t)n);
	}
}
