/*
 * Source maps (version 3) of deployed bundles, and stack traces rewritten with them: user code
 * runs as one bundled script, its errors should name the lines people wrote. A map is immutable;
 * any thread. Built when an error is reported, not kept: it takes about 20 bytes per token.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

struct sourcemap;

#define SOURCEMAP_SEGMENTS_MAX 4000000
#define SOURCEMAP_SOURCES_MAX 20000

struct sourcemap_pos {
	struct sv source; /* "crm/syncs/contacts.ts": leading "../" and "./" taken away */
	uint32_t line, column; /* from 1 */
	struct sv name; /* original identifier, absent when the map has none */
};

/* Text of a map (with or without the `)]}'` guard). Index maps (`sections`) are refused,
 * `sourceRoot` is ignored. */
int sourcemap_parse(struct sv json, struct sourcemap **ret, struct err *err);
void sourcemap_free(struct sourcemap *m); /* NULL is fine */
OWN_FN(struct sourcemap, sourcemap_free)

/*
 * Splits a bundle: the code without its trailing `//# sourceMappingURL=` line, and what that line
 * refers to (absent when there is none).
 */
void sourcemap_split(struct sv bundle, struct sv *ret_code, struct sv *ret_url);

/*
 * Both at once: the code, and the map from an inline base64 comment. *ret is NULL when the bundle
 * has no comment or one that is no base64 data URL of JSON.
 */
int sourcemap_from_bundle(
	struct sv bundle, struct sv *ret_code, struct sourcemap **ret, struct err *err);

/* Where line and column (from 1) of the bundle came from; false when nobody knows. */
bool sourcemap_find(
	const struct sourcemap *m, uint32_t line, uint32_t column, struct sourcemap_pos *ret);

/*
 * Rewrites the frames of a JavaScriptCore stack ("fn@file:12:5" lines) into lines
 * "    at fn (crm/syncs/contacts.ts:12:5)". `prefix_columns` is the width of the wrapper put before
 * the bundle's first line. Frames of the prelude (file names that begin with "tidemark:") are
 * dropped; `m` may be NULL (then only the form changes). At most 50 frames. No newline at the end.
 */
void sourcemap_rewrite_stack(
	const struct sourcemap *m, uint32_t prefix_columns, struct sv stack, struct buf *out);
