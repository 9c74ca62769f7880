/* For tests that compare json_canon.h with jansson. */
#pragma once

#include "base/base.h"

/* Nothing that jansson refuses though it is JSON, or holds with loss: long numbers, escapes. */
static inline bool json_is_plain(struct sv text)
{
	size_t digits = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		digits = c >= '0' && c <= '9' ? digits + 1 : 0;
		if (digits > 15 || c == '.' || c == 'e' || c == 'E' || c == '\\')
			return false;
	}
	return true;
}
