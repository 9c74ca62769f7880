#include "data/datefmt.h"

#include "base/clock.h"

#include <time.h>

#define SECOND INT64_C(1000)
#define DAY (86400 * SECOND)

static const char *const months[] = { "January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December" };
static const char *const days[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday" };

/* Seconds since 1970, and milliseconds within the second: rounding down also before 1970. */
static void split_ms(int64_t ms, time_t *ret_s, int *ret_ms)
{
	int64_t rest = ms % 1000;

	if (rest < 0)
		rest += 1000;
	*ret_ms = (int)rest;
	*ret_s = (time_t)((ms - rest) / 1000);
}

/* Length of the run of one character at the start, at most `max`. */
static size_t run_of(struct sv s, size_t max)
{
	size_t n = 1;

	while (n < s.len && n < max && s.ptr[n] == s.ptr[0])
		n++;
	return n;
}

static void name(struct buf *out, const char *full, size_t n)
{
	buf_add(out, full, n && n < strlen(full) ? n : strlen(full));
}

static void put_year(struct buf *out, const struct tm *t, size_t n)
{
	int year = t->tm_year + 1900;

	if (n == 2)
		buf_printf(out, "%02d", year % 100);
	else
		buf_printf(out, n == 4 ? "%04d" : "%d", year);
}

static void put_two(struct buf *out, int value, size_t n)
{
	buf_printf(out, n == 2 ? "%02d" : "%d", value);
}

static size_t put_month(struct buf *out, const struct tm *t, struct sv at)
{
	size_t n = run_of(at, 4);

	if (n > 2)
		name(out, months[t->tm_mon], n == 3 ? 3 : 0);
	else
		put_two(out, t->tm_mon + 1, n);
	return n;
}

static size_t put_weekday(struct buf *out, const struct tm *t, struct sv at)
{
	size_t n = run_of(at, 4);

	if (n == 1)
		buf_i64(out, t->tm_wday);
	else
		name(out, days[t->tm_wday], n == 4 ? 0 : n);
	return n;
}

/* The token at the start of `at`; returns its length, 0 when there is none. */
static size_t put_token(struct buf *out, int64_t ms, const struct tm *t, int millis, struct sv at)
{
	size_t n = run_of(at, 2);
	int hour12 = t->tm_hour % 12 ? t->tm_hour % 12 : 12;

	switch (at.ptr[0]) {
	case 'Y':
		n = run_of(at, 4);
		put_year(out, t, n);
		return n;
	case 'M': return put_month(out, t, at);
	case 'd': return put_weekday(out, t, at);
	case 'D': put_two(out, t->tm_mday, n); return n;
	case 'H': put_two(out, t->tm_hour, n); return n;
	case 'h': put_two(out, hour12, n); return n;
	case 'm': put_two(out, t->tm_min, n); return n;
	case 's': put_two(out, t->tm_sec, n); return n;
	case 'A': buf_str(out, t->tm_hour < 12 ? "AM" : "PM"); return 1;
	case 'a': buf_str(out, t->tm_hour < 12 ? "am" : "pm"); return 1;
	case 'Z': buf_str(out, n == 2 ? "+0000" : "+00:00"); return n;
	case 'X': buf_i64(out, (ms - millis) / 1000); return 1;
	case 'x': buf_i64(out, ms); return 1;
	case 'S':
		if (run_of(at, 3) < 3)
			return 0;
		buf_printf(out, "%03d", millis);
		return 3;
	default: return 0;
	}
}

void datefmt(struct buf *out, int64_t ms, struct sv format)
{
	char iso[CLOCK_ISO_SIZE];
	struct tm t;
	time_t seconds;
	int millis;

	split_ms(ms, &seconds, &millis);
	if (!format.ptr || !gmtime_r(&seconds, &t)) {
		buf_str(out, clock_iso_ms(ms, iso));
		return;
	}
	for (size_t i = 0; i < format.len;) {
		struct sv at = sv_from(format, i);
		const char *close = at.ptr[0] == '[' ? memchr(at.ptr, ']', at.len) : NULL;
		if (close) {
			buf_add(out, at.ptr + 1, (size_t)(close - at.ptr) - 1);
			i += (size_t)(close - at.ptr) + 1;
			continue;
		}
		size_t n = put_token(out, ms, &t, millis, at);
		if (n == 0)
			buf_char(out, at.ptr[n++]);
		i += n;
	}
}

static bool shift_months(int64_t ms, int64_t n, int64_t *ret)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct tm t;
	time_t seconds;
	int millis;

	split_ms(ms, &seconds, &millis);
	if (n < -120000 || n > 120000 || !gmtime_r(&seconds, &t))
		return false;
	int64_t month = (t.tm_year + INT64_C(1900)) * 12 + t.tm_mon + n;
	if (month < 0 || month >= 120000)
		return false;
	int year = (int)(month / 12);
	t.tm_year = year - 1900;
	t.tm_mon = (int)(month % 12);
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;
	int last = lengths[t.tm_mon] + (t.tm_mon == 1 && leap);
	if (t.tm_mday > last)
		t.tm_mday = last;
	*ret = (int64_t)timegm(&t) * 1000 + millis;
	return true;
}

bool datefmt_shift(int64_t ms, int64_t n, struct sv unit, int64_t *ret)
{
	static const struct {
		const char *names[3];
		int64_t ms, months;
	} units[] = {
		{ { "ms", "millisecond", "milliseconds" }, 1, 0 },
		{ { "s", "second", "seconds" }, SECOND, 0 },
		{ { "m", "minute", "minutes" }, 60 * SECOND, 0 },
		{ { "h", "hour", "hours" }, 3600 * SECOND, 0 },
		{ { "d", "day", "days" }, DAY, 0 },
		{ { "w", "week", "weeks" }, 7 * DAY, 0 },
		{ { "M", "month", "months" }, 0, 1 },
		{ { "y", "year", "years" }, 0, 12 },
	};
	int64_t by;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!sv_eq_str(unit, units[i].names[0]) && !sv_eq_str(unit, units[i].names[1]) &&
			!sv_eq_str(unit, units[i].names[2]))
			continue;
		if (units[i].months)
			return !__builtin_mul_overflow(n, units[i].months, &by) &&
			       shift_months(ms, by, ret);
		if (__builtin_mul_overflow(n, units[i].ms, &by) ||
			__builtin_add_overflow(ms, by, &by))
			return false;
		/* The years 0 to 9999. */
		if (by < -INT64_C(62167219200000) || by > INT64_C(253402300799999))
			return false;
		*ret = by;
		return true;
	}
	return false;
}
