/*
 * Looks into the text of JSON objects that are known to be valid (stored records), one level deep:
 * nothing is checked, but nothing outside the text is read either. Any thread.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

struct walk {
	const char *p, *end;
};

/* Begins at an object's text. */
void walk_begin(struct walk *w, struct sv object);

/* The next member: key as written without quotes, text of the value. False at the end. */
bool walk_next(struct walk *w, struct sv *ret_key, struct sv *ret_value);
