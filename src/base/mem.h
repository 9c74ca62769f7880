/*
 * Memory: allocation that cannot fail (out of memory dies with a message, because no code path
 * that copes with it can be tested honestly) and arenas. Whatever outsiders can make us allocate
 * is bounded by its caller before it comes here. Any thread; an arena belongs to one at a time.
 */
#pragma once

#include "base/base.h"

#include <stdarg.h>

void *mem_alloc(size_t size); /* uninitialised; never NULL */
void *mem_zalloc(size_t size); /* zeroed; never NULL */
void *mem_realloc(void *old, size_t size); /* never NULL */
void *mem_array(size_t count, size_t size); /* zeroed; dies on overflow */
char *mem_strdup(const char *s); /* NULL gives NULL */
char *mem_svdup(struct sv s); /* NUL-terminated copy */
void mem_free(void *p); /* NULL is fine */
static inline void mem_free_p(void *pp)
{
	mem_free(*(void **)pp);
}
#define own_mem __attribute__((cleanup(mem_free_p)))
#define NEW(T) ((T *)mem_zalloc(sizeof(T)))

/*
 * An arena: everything a flow or a database job parses or builds, freed at once. Pieces are
 * 16-byte aligned; nothing in it is freed singly.
 */
struct arena {
	struct arena_chunk *chunks;
	char *at, *end;
	size_t total; /* bytes asked of the system */
};

void arena_init(struct arena *a); /* same as zeroing */
void arena_done(struct arena *a); /* frees everything; the arena is empty and usable again */

void *arena_alloc(struct arena *a, size_t size); /* uninitialised */
void *arena_zalloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t count, size_t size); /* zeroed; dies on overflow */
#define ARENA_NEW(a, T) ((T *)arena_zalloc((a), sizeof(T)))

/* Copies, NUL-terminated behind the end. An absent sv stays absent. */
struct sv arena_sv(struct arena *a, struct sv s);
char *arena_str(struct arena *a, struct sv s);
struct sv arena_lower(struct arena *a, struct sv s); /* ASCII letters in lower case */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
