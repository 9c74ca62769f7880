/* A peer that gets HTTP wrong, by path. */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum after { CLOSE, RESET, HOLD };

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

static const struct script {
	const char *path, *bytes;
	enum after after;
} scripts[] = {
	{ "/short", OK "Content-Length: 100\r\n\r\nhello", CLOSE },
	{ "/long", OK "Content-Length: 5\r\n\r\nhello world", CLOSE },
	{ "/cutchunk", OK CHUNKED "ff\r\nhello", CLOSE },
	{ "/nolastchunk", OK CHUNKED "5\r\nhello\r\n", CLOSE },
	{ "/badchunk", OK CHUNKED "zz\r\nhello\r\n", CLOSE },
	{ "/nothing", "", CLOSE },
	{ "/reset", OK "Content-Length: 100\r\n\r\nhello", RESET },
	{ "/resetnow", "", RESET },
	{ "/garbage", "SSH-2.0-OpenSSH_9.2\r\n", CLOSE },
	{ "/html", "<html>no header</html>", CLOSE },
	{ "/halfheader", OK "Content-Le", CLOSE },
	{ "/silent", "", HOLD },
	{ "/stall", OK "Content-Length: 100\r\n\r\nhello", HOLD },
	{ "/badgzip", OK "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", CLOSE },
	{ "/oddencoding", OK "Content-Encoding: utf-8\r\nContent-Length: 5\r\n\r\nhello", CLOSE },
	{ "/hints",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Hint: 1\r\n\r\n" OK
		"X-Real: 1\r\nContent-Length: 2\r\n\r\nok",
		CLOSE },
	{ "/trailer", OK "X-A: 1\r\n" CHUNKED "2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n", CLOSE },
	{ "/noreason", "HTTP/1.1 203\r\nContent-Length: 0\r\n\r\n", CLOSE },
	{ "/repeat",
		OK "Set-Cookie: a=1\r\nX-B: 2\r\nset-cookie: c=3\r\nX-Empty:\r\n"
		   "Content-Length: 0\r\n\r\n",
		CLOSE },
	{ "/untilclose", OK "\r\nuntil the end", CLOSE },
	{ "/nolocation", "HTTP/1.1 302 Found\r\nContent-Length: 4\r\n\r\nbody", CLOSE },
	{ "/badlocation",
		"HTTP/1.1 302 Found\r\nLocation: http://:bad:/\r\nContent-Length: 0\r\n\r\n",
		CLOSE },
	{ "/filelocation",
		"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
		CLOSE },
	{ "/internal",
		"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\n"
		"Content-Length: 0\r\n\r\n",
		CLOSE },
};

struct rogue {
	int fd;
	unsigned port;
	pthread_t thread;
};

static void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
		if (done <= 0)
			return;
		p += done;
		n -= (size_t)done;
	}
}

/* 64 MiB of zeros in less than 1 MiB. */
static void send_bomb(int fd)
{
	static unsigned char zeros[1 << 20], out[1 << 20];
	z_stream z = { 0 };
	char head[] = OK "Content-Encoding: gzip\r\nConnection: close\r\n\r\n";

	deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	z.next_out = out;
	z.avail_out = sizeof(out);
	for (int i = 0; i < 64; i++) {
		z.next_in = zeros;
		z.avail_in = sizeof(zeros);
		deflate(&z, i == 63 ? Z_FINISH : Z_NO_FLUSH);
	}
	send_all(fd, head, sizeof(head) - 1);
	send_all(fd, (char *)out, sizeof(out) - z.avail_out);
	deflateEnd(&z);
}

static void send_headers(int fd, int count, int size)
{
	char line[5000], pad[4096];

	memset(pad, 'v', sizeof(pad));
	send_all(fd, OK, strlen(OK));
	for (int i = 0; i < count; i++) {
		int n = snprintf(line, sizeof(line), "X-%d: %.*s\r\n", i, size, pad);
		send_all(fd, line, (size_t)n);
	}
	send_all(fd, "Content-Length: 2\r\n\r\nok", 23);
}

static void run_script(int fd, const char *path)
{
	if (strcmp(path, "/bomb") == 0)
		send_bomb(fd);
	if (strcmp(path, "/headers1000") == 0)
		send_headers(fd, 1000, 30);
	if (strcmp(path, "/headers3000") == 0)
		send_headers(fd, 3000, 3);
	if (strcmp(path, "/headersbig") == 0)
		send_headers(fd, 100, 4000);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		const struct script *s = &scripts[i];
		if (strcmp(path, s->path) != 0)
			continue;
		send_all(fd, s->bytes, strlen(s->bytes));
		if (s->after == RESET)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
				sizeof(struct linger));
		if (s->after == RESET)
			usleep(50 * 1000); /* let what was sent arrive first */
		char byte;
		if (s->after == HOLD)
			while (recv(fd, &byte, 1, 0) > 0)
				;
	}
}

static void *converse(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char req[4096], path[256];
	size_t n = 0;

	while (n < sizeof(req) - 1) {
		ssize_t got = recv(fd, req + n, sizeof(req) - 1 - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
		req[n] = 0;
		if (strstr(req, "\r\n\r\n"))
			break;
	}
	req[n] = 0;
	if (sscanf(req, "%*s %255s", path) == 1)
		run_script(fd, path);
	close(fd);
	return NULL;
}

static void *serve(void *arg)
{
	struct rogue *r = arg;

	for (;;) {
		pthread_t t;
		int fd = accept(r->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		pthread_create(&t, NULL, converse, (void *)(intptr_t)fd);
		pthread_detach(t);
	}
}

struct rogue *rogue_new(void)
{
	struct rogue *r = calloc(1, sizeof(*r));
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);

	inet_pton(AF_INET, "127.0.0.1", &addr.sin_addr);
	r->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(r->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	listen(r->fd, 64);
	getsockname(r->fd, (struct sockaddr *)&addr, &len);
	r->port = ntohs(addr.sin_port);
	pthread_create(&r->thread, NULL, serve, r);
	return r;
}

void rogue_free(struct rogue *r)
{
	shutdown(r->fd, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->fd);
	free(r);
}

unsigned rogue_port(const struct rogue *r)
{
	return r->port;
}
