/*
 * The vocabulary of the tree: ownership macros, borrowed strings, small helpers. Header only, no
 * state, usable from any thread. Everything else may include it.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The one macro that can leave a function. Stands alone on a line, where everything is own()ed. */
#define TRY(expr)                    \
	do {                         \
		int try_ = (expr);   \
		if (try_ < 0)        \
			return try_; \
	} while (0)

/* own: a pointer freed at scope end; needs OWN_FN(T, fn) beside fn's prototype. */
#define own(fn) __attribute__((cleanup(fn##_p)))
/* own_in: a struct in place, finished at scope end. */
#define own_in(fn) __attribute__((cleanup(fn)))
/* take: the value of p, leaving NULL, so that a transfer of ownership is visible. */
#define take(p)                             \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
#define OWN_FN(T, fn)                    \
	static inline void fn##_p(T **p) \
	{                                \
		fn(*p);                  \
	}

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

/* A borrowed string: not NUL-terminated, valid until its owner changes. {NULL, 0} means absent. */
struct sv {
	const char *ptr;
	size_t len;
};

#define SV_NULL ((struct sv){ 0 })
/* For printf("%.*s", SV(s)). */
#define SV(s) (int)(s).len, (s).ptr ? (s).ptr : ""
#define SV_LIT(lit) ((struct sv){ .ptr = (lit), .len = sizeof(lit) - 1 })

static inline struct sv sv_str(const char *s)
{
	return (struct sv){ .ptr = s, .len = s ? strlen(s) : 0 };
}

static inline struct sv sv_make(const char *ptr, size_t len)
{
	return (struct sv){ .ptr = ptr, .len = len };
}

static inline bool sv_eq(struct sv a, struct sv b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool sv_eq_str(struct sv a, const char *b)
{
	return sv_eq(a, sv_str(b));
}

static inline bool sv_starts(struct sv s, struct sv prefix)
{
	return s.len >= prefix.len && sv_eq(sv_make(s.ptr, prefix.len), prefix);
}

static inline bool sv_ends(struct sv s, struct sv suffix)
{
	return s.len >= suffix.len &&
	       sv_eq(sv_make(s.ptr + s.len - suffix.len, suffix.len), suffix);
}

static inline struct sv sv_from(struct sv s, size_t start)
{
	assert(start <= s.len);
	return sv_make(s.ptr + start, s.len - start);
}
