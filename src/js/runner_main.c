#include "js/runner_main.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "js/memory.h"
#include "js/message.h"
#include "js/pressure.h"
#include "js/run.h"
#include "js/sandbox.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Output that is worth a system call before the input has been worked off. */
enum { FLUSH_SIZE = 64 << 10 };

static int map_page(int shm_fd, struct runner_page **ret, struct err *err)
{
	void *p = mmap(NULL, RUNNER_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, shm_fd, 0);

	if (p == MAP_FAILED)
		return err_errno(err, errno, "the runner's shared page cannot be mapped");
	*ret = p;
	return 0;
}

/* OpenSSL opens files and makes its tables on first use: not later, in the sandbox. */
static int warm_crypto(struct err *err)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned len;

	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) || RAND_bytes(out, 1) != 1 ||
		!EVP_Digest("", 0, out, &len, EVP_sha256(), NULL))
		return err_set(err, ERR_INTERNAL, "OpenSSL cannot be initialised");
	return 0;
}

static int prepare(struct host *h, int fd, int shm_fd, struct err *err)
{
	conn_init(&h->conn, fd);
	TRY(map_page(shm_fd, &h->page, err));
	sandbox_prepare();
	TRY(memory_open(&h->statm, err));
	TRY(warm_crypto(err));
	return jsc_open(err);
}

static void say_ready(struct host *h)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "{\"pid\":%d}", (int)getpid());

	conn_send(&h->conn, MESSAGE_READY, 0, sv_make(head, (size_t)n));
}

static void fire_timers(struct host *h)
{
	struct js_timer t;
	/* Not again what the callbacks set themselves: the socket must have its turn. */
	int64_t now_us = clock_mono_us();

	while (timers_take_due(&h->timers, now_us, &t)) {
		struct run *run = run_find(h, t.run);
		if (run)
			run_fire(run, t.id);
		pressure_relieve(h);
	}
}

/* Whatever is at hand, in order. False: the process shall end. */
static bool handle_messages(struct host *h)
{
	struct frame f;
	size_t size;

	while (!h->conn.closed && conn_next(&h->conn, &f, &size)) {
		if (!message_handle(h, &f))
			return false;
		conn_consume(&h->conn, size);
		if (conn_unsent(&h->conn) > FLUSH_SIZE)
			conn_flush(&h->conn);
		pressure_relieve(h);
		fire_timers(h);
	}
	return !h->conn.closed;
}

static void wait_for_work(struct host *h)
{
	struct pollfd p = { .fd = h->conn.fd, .events = POLLIN };

	if (conn_unsent(&h->conn) > 0)
		p.events |= POLLOUT;
	poll(&p, 1, timers_wait_ms(&h->timers, clock_mono_us()));
	if (p.revents & (POLLIN | POLLHUP | POLLERR))
		conn_fill(&h->conn);
}

int runner_main(int fd, int shm_fd)
{
	struct host *h = NEW(struct host);
	struct err err;

	if (prepare(h, fd, shm_fd, &err) < 0) {
		log_error(NULL, "the runner cannot start", LOG_ERR(&err));
		return 1;
	}
	say_ready(h);
	while (handle_messages(h)) {
		fire_timers(h);
		conn_flush(&h->conn);
		wait_for_work(h);
	}
	conn_flush(&h->conn);
	/* Taking the engine down in order costs more than the process is worth. */
	_exit(0);
}
