/*
 * Nodes tell each other that there is something to do, by NOTIFY on one channel without a payload.
 * A thread with a connection of its own waits for it. Only a hint: a node that hears nothing (the
 * listener's connection broke, a pooler in between) finds out at its next regular look.
 */
#include "base/log.h"
#include "db/postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* Between attempts to connect again. */
enum { RECONNECT_MS = 1000 };

struct pg_ear {
	struct pg_conn conn; /* never in pipeline mode */
	void (*heard)(void *ctx);
	void *ctx;
	int wake[2]; /* a byte: tell; its end: stop */
	pthread_t thread;
};

static bool simple(struct pg_ear *e, const char *sql)
{
	PGresult *res = PQexec(e->conn.pg, sql);
	bool ok = PQresultStatus(res) == PGRES_COMMAND_OK;

	PQclear(res);
	return ok;
}

static void connect_again(struct pg_ear *e)
{
	struct err err = { 0 };

	if (pg_connect(&e->conn, &err) < 0)
		return;
	if (!PQexitPipelineMode(e->conn.pg) || !simple(e, "LISTEN tidemark")) {
		pg_disconnect(&e->conn);
		return;
	}
	e->heard(e->ctx); /* whatever was said meanwhile */
}

static void hear(struct pg_ear *e)
{
	bool others = false;

	if (!PQconsumeInput(e->conn.pg)) {
		pg_disconnect(&e->conn);
		return;
	}
	for (PGnotify *n; (n = PQnotifies(e->conn.pg)); PQfreemem(n))
		others |= n->be_pid != PQbackendPID(e->conn.pg);
	if (others)
		e->heard(e->ctx);
}

/* False when it is time to end. Many calls that came close together are one. */
static bool speak(struct pg_ear *e)
{
	char bytes[64];
	ssize_t n = read(e->wake[0], bytes, sizeof(bytes));

	if (n == 0)
		return false;
	if (n > 0 && e->conn.pg && !simple(e, "NOTIFY tidemark"))
		pg_disconnect(&e->conn);
	return true;
}

static void *ear_main(void *arg)
{
	struct pg_ear *e = arg;

	for (bool on = true; on;) {
		if (!e->conn.pg)
			connect_again(e);
		struct pollfd fds[2] = { { .fd = e->wake[0], .events = POLLIN },
			{ .fd = e->conn.pg ? PQsocket(e->conn.pg) : -1, .events = POLLIN } };
		int n = poll(fds, 2, e->conn.pg ? -1 : RECONNECT_MS);
		if (n > 0 && fds[0].revents)
			on = speak(e);
		if (n > 0 && fds[1].revents && e->conn.pg)
			hear(e);
	}
	return NULL;
}

static int pipe_make(int fds[2], struct err *err)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, errno, "cannot make a pipe");
	fcntl(fds[1], F_SETFL, O_NONBLOCK); /* full means that it is awake already */
	return 0;
}

int pg_listen(void *store, void (*heard)(void *ctx), void *ctx, struct err *err)
{
	struct pg_store *s = store;
	struct pg_ear *e = NEW(struct pg_ear);

	*e = (struct pg_ear){ .conn.store = s, .heard = heard, .ctx = ctx };
	int rc = pipe_make(e->wake, err);
	if (rc < 0) {
		mem_free(e);
		return rc;
	}
	rc = db_thread_start(&e->thread, ear_main, e, err);
	if (rc < 0) {
		close(e->wake[0]);
		close(e->wake[1]);
		mem_free(e);
		return rc;
	}
	s->ear = e;
	return 0;
}

void pg_tell(void *store)
{
	struct pg_store *s = store;

	/* A full pipe has bytes enough. */
	if (s->ear && write(s->ear->wake[1], "x", 1) < 0)
		return;
}

void pg_ear_free(struct pg_ear *e)
{
	if (!e)
		return;
	close(e->wake[1]);
	pthread_join(e->thread, NULL);
	close(e->wake[0]);
	pg_disconnect(&e->conn);
	mem_free(e);
}
