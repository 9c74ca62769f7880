#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* Big enough that a typical request needs one chunk, small enough that idle flows stay cheap. */
#define ARENA_CHUNK 4096u
#define ARENA_ALIGN 16u

static void *mem_check(void *p, size_t size)
{
	if (!p) {
		fprintf(stderr, "tidemark: out of memory: asked for %zu bytes\n", size);
		abort();
	}
	return p;
}

void *mem_alloc(size_t size)
{
	return mem_check(malloc(size ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
	return mem_check(calloc(1, size ? size : 1), size);
}

void *mem_realloc(void *old, size_t size)
{
	return mem_check(realloc(old, size ? size : 1), size);
}

static size_t mem_mul(size_t count, size_t size)
{
	size_t n;
	if (__builtin_mul_overflow(count, size, &n))
		mem_check(NULL, SIZE_MAX);
	return n;
}

void *mem_array(size_t count, size_t size)
{
	return mem_zalloc(mem_mul(count, size));
}

char *mem_strdup(const char *s)
{
	return s ? mem_svdup(sv_str(s)) : NULL;
}

char *mem_svdup(struct sv s)
{
	char *p = mem_alloc(s.len + 1);
	if (s.len)
		memcpy(p, s.ptr, s.len);
	p[s.len] = 0;
	return p;
}

void mem_free(void *p)
{
	free(p);
}

struct arena_chunk {
	struct arena_chunk *next;
	char pad[8];
	char data[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

void arena_done(struct arena *a)
{
	struct arena_chunk *c = a->chunks;
	while (c) {
		struct arena_chunk *next = c->next;
		mem_free(c);
		c = next;
	}
	arena_init(a);
}

static struct arena_chunk *arena_chunk_new(struct arena *a, size_t size)
{
	struct arena_chunk *c = mem_alloc(sizeof(*c) + size);
	c->next = a->chunks;
	a->chunks = c;
	a->total += size;
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t need;

	if (__builtin_add_overflow(size, ARENA_ALIGN - 1, &need))
		mem_check(NULL, size);
	need &= ~(size_t)(ARENA_ALIGN - 1);
	if (need > ARENA_CHUNK / 4) /* a chunk of its own: the current one stays in use */
		return arena_chunk_new(a, need)->data;
	if (!a->at || (size_t)(a->end - a->at) < need) {
		/* Doubling keeps the number of chunks logarithmic for flows that build a lot. */
		size_t chunk = a->total < 16 * ARENA_CHUNK ? ARENA_CHUNK : 16 * ARENA_CHUNK;
		a->at = arena_chunk_new(a, chunk)->data;
		a->end = a->at + chunk;
	}
	void *p = a->at;
	a->at += need;
	return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	return arena_zalloc(a, mem_mul(count, size));
}

char *arena_str(struct arena *a, struct sv s)
{
	if (!s.ptr)
		return NULL;
	char *p = arena_alloc(a, s.len + 1);
	memcpy(p, s.ptr, s.len);
	p[s.len] = 0;
	return p;
}

struct sv arena_lower(struct arena *a, struct sv s)
{
	char *out = arena_str(a, s);

	for (size_t i = 0; i < s.len; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
	return sv_make(out, s.len);
}

struct sv arena_sv(struct arena *a, struct sv s)
{
	return sv_make(arena_str(a, s), s.len);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, ap2;

	va_start(ap, fmt);
	va_copy(ap2, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	char *p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap2);
	va_end(ap2);
	return p;
}
