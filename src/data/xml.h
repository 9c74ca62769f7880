/*
 * XML as far as answers of token endpoints and logins need it: elements, attributes, text,
 * character data and the predefined entities. Document types are refused, so nothing expands and
 * nothing is fetched. Pure, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct json_t;

enum { XML_DEPTH_MAX = 64 };

/*
 * A document as JSON, {"root": value}, a new reference. An element with text alone is that text,
 * trimmed; any other is an object of its children (repeated ones: an array), its attributes
 * ("@name") and its text ("#text"). Prefixes of namespaces are dropped. ERR_INVALID, ERR_LIMIT.
 */
int xml_parse(struct sv text, struct json_t **ret, struct err *err);

/*
 * The reverse, appended: members become elements, "@name" attributes, "#text" text, arrays repeated
 * elements, anything else its text. ERR_INVALID for a name that no element can have.
 */
int xml_write(const struct json_t *v, struct buf *out, struct err *err);
