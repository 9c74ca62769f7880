#include "base/sv.h"

#include <ctype.h>
#include <strings.h>

ptrdiff_t sv_find_char(struct sv s, char c)
{
	const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
	return at ? at - s.ptr : -1;
}

ptrdiff_t sv_find(struct sv s, struct sv needle)
{
	if (needle.len == 0)
		return 0;
	const char *at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
	return at ? at - s.ptr : -1;
}

bool sv_eq_nocase(struct sv a, struct sv b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static bool is_space(char c)
{
	return isspace((unsigned char)c);
}

struct sv sv_trim(struct sv s)
{
	while (s.len && is_space(s.ptr[0]))
		s = sv_from(s, 1);
	while (s.len && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool sv_split(struct sv *rest, char sep, struct sv *ret_piece)
{
	if (!rest->ptr)
		return false;
	ptrdiff_t at = sv_find_char(*rest, sep);
	if (at < 0) {
		*ret_piece = *rest;
		*rest = SV_NULL;
		return true;
	}
	*ret_piece = sv_make(rest->ptr, (size_t)at);
	*rest = sv_from(*rest, (size_t)at + 1);
	return true;
}

bool sv_to_i64(struct sv s, int64_t *ret)
{
	bool neg = s.len && s.ptr[0] == '-';
	int64_t n = 0;

	if (neg)
		s = sv_from(s, 1);
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		/* Built up negatively: the negative range is one wider. */
		if (__builtin_mul_overflow(n, 10, &n) ||
			__builtin_sub_overflow(n, s.ptr[i] - '0', &n))
			return false;
	}
	if (!neg && n == INT64_MIN)
		return false;
	*ret = neg ? n : -n;
	return true;
}
