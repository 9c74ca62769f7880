/*
 * Validation of requests: what a body, a query or headers may be is a table of struct check, and
 * what is wrong becomes a list of issues in the codes and words that clients know (zod 4,
 * spec/records.md 10.2). Pure; everything built lives in the arena of the issues.
 */
#pragma once

#include "base/mem.h"

struct json_t;
struct jw;

struct issue {
	const char *code, *message;
	const char **path;
	size_t depth;
};

enum { ISSUE_DEPTH_MAX = 16, ISSUES_MAX = 100 };

struct issues {
	struct arena *arena;
	struct issue *items;
	size_t count, cap; /* past ISSUES_MAX they are counted, not kept */
	const char *path[ISSUE_DEPTH_MAX]; /* where the check is */
	size_t depth;
};

void issue_add(struct issues *is, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* At one step below where the check is. */
void issue_add_at(struct issues *is, const char *step, const char *code, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
void issues_write(const struct issues *is, struct jw *w);

/* `first` once when given, then `rest` once or more; both are classes like "a-z0-9_". */
struct check_pattern {
	const char *regex; /* as the message shows it */
	const char *first, *rest;
};
bool check_pattern_matches(const struct check_pattern *p, struct sv s);

extern const struct check_pattern PATTERN_NAME, PATTERN_MODEL, PATTERN_INTEGRATION,
	PATTERN_CONNECTION, PATTERN_PROVIDER;

enum check_kind {
	CHECK_STR,
	CHECK_NUM, /* a JSON number */
	CHECK_COERCED, /* a number, or text that JavaScript's Number() takes for one */
	CHECK_BOOL,
	CHECK_BOOL_TEXT, /* "true" or "false" */
	CHECK_ENUM, /* one of `options` */
	CHECK_OBJ, /* `fields`, nothing else; without fields any object */
	CHECK_MAP, /* any keys, values by `item` */
	CHECK_ARR, /* items by `item` */
	CHECK_UNION, /* one of `fields`, whose names do not matter */
	CHECK_ANY,
};

enum check_flags {
	CHECK_REQUIRED = 1,
	CHECK_NULLABLE = 2,
	CHECK_LOOSE = 4, /* unknown keys pass */
	CHECK_MIN = 8, /* min counts */
	CHECK_UUID = 16,
	CHECK_EMAIL = 32,
	CHECK_URL = 64,
};

struct check {
	const char *name;
	enum check_kind kind;
	unsigned flags;
	double min, max; /* characters, items or the number itself; max 0 = no maximum */
	const struct check_pattern *pattern;
	const char *options; /* "a|b|c" */
	const struct check *fields; /* ends with one without a name */
	const struct check *item;
	void (*also)(struct issues *is, const struct json_t *v); /* when it is there */
};

/* v against an object of `fields`, or (check_value) against one check. */
void check_object(
	const struct json_t *v, const struct check *fields, bool loose, struct issues *is);
void check_value(const struct json_t *v, const struct check *check, struct issues *is);

/* JavaScript's Number(text); false for NaN. Empty text is 0. */
bool check_number(struct sv text, double *ret);
