#include "data/freq.h"

#include "base/sv.h"

#include <stdio.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

struct word {
	const char *text;
	int64_t ms;
	const char *normal; /* of the word alone */
};

static const struct word phrases[] = {
	{ "month", 30 * DAY, "30d" },
	{ "week", 7 * DAY, "1w" },
	{ "half day", 12 * HOUR, "12h" },
	{ "half hour", 30 * MINUTE, "30m" },
	{ "quarter hour", 15 * MINUTE, "15m" },
};

static const struct word units[] = {
	{ "s", SECOND, "1s" },
	{ "sec", SECOND, "1s" },
	{ "secs", SECOND, "1s" },
	{ "second", SECOND, "1s" },
	{ "seconds", SECOND, "1s" },
	{ "m", MINUTE, "1m" },
	{ "min", MINUTE, "1m" },
	{ "mins", MINUTE, "1m" },
	{ "minute", MINUTE, "1m" },
	{ "minutes", MINUTE, "1m" },
	{ "h", HOUR, "1h" },
	{ "hr", HOUR, "1h" },
	{ "hrs", HOUR, "1h" },
	{ "hour", HOUR, "1h" },
	{ "hours", HOUR, "1h" },
	{ "d", DAY, "1d" },
	{ "day", DAY, "1d" },
	{ "days", DAY, "1d" },
};

static const struct word *find(const struct word *words, size_t n, struct sv text)
{
	for (size_t i = 0; i < n; i++)
		if (sv_eq_str(text, words[i].text))
			return &words[i];
	return NULL;
}

static int refuse(struct sv text, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"'%.*s' is no frequency: write 'every 30 minutes', '2h', 'every half day', "
		"'every week'",
		(int)(text.len < 60 ? text.len : 60), text.ptr ? text.ptr : "");
}

int freq_parse(struct sv text, struct freq *ret, struct err *err)
{
	struct freq f = { 0 };
	struct sv rest = text;
	size_t digits = 0;
	int64_t count = 1;

	if (sv_starts(rest, SV_LIT("every ")))
		rest = sv_from(rest, 6);
	const struct sv bare = rest;
	while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9')
		digits++;
	if (digits > 9 || (digits && !sv_to_i64(sv_make(rest.ptr, digits), &count)))
		return refuse(text, err);
	rest = sv_from(rest, digits);
	if (digits && rest.len && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t'))
		rest = sv_from(rest, 1);

	const struct word *w = find(units, ARRAY_LEN(units), rest);
	if (!w && !digits)
		w = find(phrases, ARRAY_LEN(phrases), rest);
	if (!w)
		return refuse(text, err);
	f.ms = count * w->ms;
	if (digits)
		snprintf(f.text, sizeof(f.text), "%.*s", SV(bare));
	else
		snprintf(f.text, sizeof(f.text), "%s", w->normal);
	*ret = f;
	return 0;
}
