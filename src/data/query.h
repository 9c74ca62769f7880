/*
 * Query strings by the rules of the qs library, as the public API reads them (spec/api-cli.md
 * 1.8): `a[b]=c` makes objects, repeated keys, `a[]=` and `a[0]=` make arrays, values are strings.
 * Pure, any thread.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

struct json_t;

#define QUERY_PARAMS_MAX 1000 /* pairs read; more is ERR_LIMIT */
#define QUERY_ARRAY_MAX 100 /* the highest index that makes an array; above it, an object */
#define QUERY_DEPTH_MAX 5 /* brackets read as nesting; the rest of a key is one name */

/*
 * `text` is what follows the '?' (without it). Always an object, empty for empty text. What is
 * not UTF-8 after decoding is repaired with U+FFFD.
 */
int query_parse(struct sv text, struct json_t **ret, struct err *err);

/*
 * Plain pairs without brackets or nesting, in order and still encoded: for signatures and for
 * passing on. False at the end; *rest advances. Value is absent when there is no '='.
 */
bool query_next(struct sv *rest, struct sv *ret_key, struct sv *ret_value);
