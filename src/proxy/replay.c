#include "proxy/replay.h"

#include "base/fault.h"
#include "base/sv.h"

#include <ctype.h>

struct sv replay_url(struct sv url, struct sv connection_id, struct arena *a)
{
	const char *origin = FAULT_TEXT("replay");
	ptrdiff_t at = sv_find(url, SV_LIT("://"));

	if (!origin || at < 0)
		return url;
	return sv_str(arena_printf(a, "%s/%.*s/%.*s/%.*s", origin, SV(connection_id), (int)at,
		url.ptr, SV(sv_from(url, (size_t)at + 3))));
}

int64_t replay_now_ms(struct sv connection_id)
{
	ptrdiff_t at = sv_find_char(connection_id, '@');
	int64_t ms = 0;

	if (!FAULT_TEXT("replay") || at < 0)
		return 0;
	/* 15 digits: far beyond any time, far below an overflow. */
	for (size_t i = (size_t)at + 1; i < connection_id.len && i <= (size_t)at + 15; i++) {
		if (!isdigit((unsigned char)connection_id.ptr[i]))
			return 0;
		ms = ms * 10 + (connection_id.ptr[i] - '0');
	}
	return ms;
}
