/*
 * A compiled schema: what schema_new makes of the document, schema_check walks beside a value and
 * schema_accepts beside a text. Internal to schema*.c. Immutable once made.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "data/formats.h"

struct json_t;
struct pattern;

/* Bits of `types`, in the order of enum json_kind; whole numbers have one of their own. */
enum { TYPE_INTEGER = 1 << 6 };

struct node;

struct property {
	struct sv name;
	struct node *node;
	bool required;
	struct pattern *pattern; /* of patternProperties; NULL: not understood */
};

struct nodes {
	struct node **items;
	size_t count;
};

/* How many properties an object may have for schema_accepts to judge it. */
#define SCHEMA_QUICK_PROPERTIES 256

/* One schema, compiled. Shared by every $ref to it. */
struct node {
	bool never; /* the schema `false` */
	bool quick; /* schema_accepts can judge it, but for what is below */
	bool own; /* says more than allOf and anyOf do */
	bool bounded; /* has a rule about numbers */
	unsigned types; /* 0 = any */
	struct json_t *enumeration, *constant; /* borrowed from the document */
	struct json_t *required; /* borrowed as well */
	size_t required_count; /* of properties that are declared too */
	struct property *properties, *patterns; /* properties: sorted by name */
	size_t property_count, pattern_count;
	struct node *additional, *names; /* NULL = no rule */
	struct node *items, *rest, *contains; /* rest: additionalItems */
	struct nodes tuple, any, one, all;
	struct node *negated, *when, *then, *otherwise, *ref; /* not, if, then, else, $ref */
	struct pattern *pattern;
	format_fn *format;
	struct sv format_name;
	double minimum, maximum, over, under, multiple; /* NAN = no rule */
	int64_t min_length, max_length, min_items, max_items, min_keys, max_keys; /* -1 = none */
	bool unique;
};

/* Where a $ref leads is compiled once, under its path. */
struct target {
	struct sv path;
	struct node *node;
};

struct schema {
	struct arena arena;
	struct json_t *doc;
	struct node *root;
	struct target *targets;
	struct pattern **patterns; /* to be freed */
	size_t node_count, target_count, pattern_count;
	bool partial;
};

/* The rules about a string, and about a number, hold. */
bool schema_string_fits(const struct node *n, struct sv text);
bool schema_number_fits(const struct node *n, double v);

/* NULL when there is none of this name. */
struct property *schema_property(const struct node *n, struct sv name);
