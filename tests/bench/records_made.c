#include "records_made.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t mix(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

void make_record(struct buf *out, int i, int version)
{
	static const char *const words[] = { "alpha", "bravo", "charlie", "delta", "echo",
		"foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima", "mike", "november",
		"oscar" };
	uint32_t h = mix((uint32_t)i + 1);
	size_t start = out->len;

	buf_printf(out,
		"{\"id\":\"%08x-%06d\",\"name\":\"%s %s\",\"email\":\"%s.%d@example.com\","
		"\"amount\":%u.%02u,\"active\":%s,\"owner\":{\"id\":%u,\"team\":\"%s\"},"
		"\"version\":%d,\"updated_at\":\"2026-11-%02uT10:%02u:00Z\",\"tags\":[\"%s\",\"%"
		"s\"],"
		"\"notes\":\"",
		h, i, words[h % 15], words[h / 15 % 15], words[h % 15], i, h % 10000, h % 100,
		h & 1 ? "true" : "false", h % 1000, words[h / 7 % 15], version, h % 28 + 1, h % 60,
		words[h / 3 % 15], words[h / 5 % 15]);
	for (uint32_t n = h; out->len - start < RECORD_BYTES - 12; n = mix(n))
		buf_printf(out, "%s ", words[n % 15]);
	buf_str(out, "\"}");
}

void make_batch(struct buf *out, int first, int count, int version)
{
	buf_clear(out);
	for (int i = 0; i < count; i++) {
		buf_char(out, i ? ',' : '[');
		make_record(out, first + i, version);
	}
	buf_char(out, ']');
}

bool bench_place_open(const char *where, struct bench_place *ret)
{
	const char *cluster = getenv("TIDEMARK_TEST_POSTGRES");

	*ret = (struct bench_place){ 0 };
	if (strcmp(where, "postgres") == 0)
		where = cluster ? cluster : "no TIDEMARK_TEST_POSTGRES";
	if (strncmp(where, "postgres://", 11) == 0) {
		ret->url = where;
		where = "/tmp";
	}
	snprintf(ret->dir, sizeof(ret->dir), "%s/records-bench-XXXXXX", where);
	return mkdtemp(ret->dir) != NULL;
}

int bench_place_close(const struct bench_place *p)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	return system(command);
}
