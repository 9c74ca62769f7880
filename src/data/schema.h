/*
 * JSON Schema, the subset of draft-07 that model definitions use: type, enum, const, properties,
 * required, additionalProperties, patternProperties, propertyNames, min/maxProperties, items (also
 * tuples), additionalItems, contains, min/maxItems, uniqueItems, min/maxLength, pattern, format
 * (date-time, date, time, email, uri, uuid, ipv4), minimum, maximum, exclusive*, multipleOf,
 * anyOf, oneOf, allOf, not, if/then/else, and $ref within the document (#/definitions/..,
 * #/$defs/..). Other keywords are ignored. Compile once, check many: a compiled schema is
 * immutable and may be shared by threads.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

struct json_t;
struct schema;

#define SCHEMA_NODES_MAX 20000
#define SCHEMA_DEPTH_MAX 64

struct schema_issue {
	char path[120]; /* JSON pointer of the value: "/tags/0"; "" is the whole; cut when long */
	char keyword[24]; /* "required", "type", "pattern" ... */
	char msg[120]; /* "expected string, got number" */
};

/*
 * `root` is a pointer into doc to start from, "#" or "#/definitions/Contact". ERR_INVALID for a
 * schema that makes no sense or a $ref that leads nowhere, NOT_FOUND for a root that does.
 * The schema keeps its own reference of doc, which must not change afterwards.
 */
int schema_new(struct json_t *doc, struct sv root, struct schema **ret, struct err *err);
void schema_free(struct schema *s); /* NULL is fine */
OWN_FN(struct schema, schema_free)

/* Some pattern could not be understood (look-around, back references) and is not checked. */
bool schema_is_partial(const struct schema *s);

/*
 * Returns the number of issues found, at most `max` (>= 1), the first of which are in `out`.
 * 0 means valid. `out` may be NULL when only the verdict matters.
 */
size_t schema_check(
	const struct schema *s, const struct json_t *v, struct schema_issue *out, size_t max);

/*
 * A quick yes for the text of an array: every item is certain to have no issue, provided that the
 * text is valid JSON. False says nothing: parse it and ask schema_check. About a tenth of the cost
 * of those, without memory.
 */
bool schema_accepts(const struct schema *s, struct sv array);
