#include "crypto/random.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

static void fill(void *out, size_t len)
{
	assert(len <= INT32_MAX);
	if (RAND_bytes(out, (int)len) != 1) {
		fprintf(stderr, "tidemark: no random numbers from the system\n");
		abort();
	}
}

void random_bytes(void *out, size_t len)
{
	static _Thread_local struct {
		unsigned char bytes[4096];
		size_t left;
	} pool;

	if (len > 64) {
		fill(out, len);
		return;
	}
	if (pool.left < len) {
		fill(pool.bytes, sizeof(pool.bytes));
		pool.left = sizeof(pool.bytes);
	}
	pool.left -= len;
	memcpy(out, pool.bytes + pool.left, len);
	/* Given out once, then gone: a later look at this memory must not find a token. */
	memset(pool.bytes + pool.left, 0, len);
}
