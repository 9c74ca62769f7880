#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic int64_t shift_ms;

static int64_t read_us(clockid_t id)
{
	struct timespec ts;
	int rc = clock_gettime(id, &ts);
	assert(rc == 0);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
	return read_us(CLOCK_REALTIME) + atomic_load(&shift_ms) * 1000;
}

int64_t clock_now_ms(void)
{
	return clock_now_us() / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_cpu_us(void)
{
	return read_us(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t clock_cpu_of_us(int pid)
{
	struct timespec ts;
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &ts) != 0)
		return 0;
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void clock_shift_ms(int64_t by)
{
	atomic_fetch_add(&shift_ms, by);
}

/* Splits so that the fraction is never negative, before 1970 too. */
static struct tm split_us(int64_t us, int64_t *ret_frac_us)
{
	int64_t frac = us % 1000000;
	if (frac < 0)
		frac += 1000000;
	time_t secs = (time_t)((us - frac) / 1000000);
	struct tm tm = { 0 };
	gmtime_r(&secs, &tm);
	*ret_frac_us = frac;
	return tm;
}

static int print_date(const struct tm *tm, char out[CLOCK_ISO_SIZE])
{
	return snprintf(out, CLOCK_ISO_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d",
		(tm->tm_year + 1900) % 10000, tm->tm_mon + 1, tm->tm_mday, tm->tm_hour, tm->tm_min,
		tm->tm_sec);
}

char *clock_iso_ms(int64_t ms, char out[CLOCK_ISO_SIZE])
{
	int64_t frac;
	struct tm tm = split_us(ms * 1000, &frac);
	int n = print_date(&tm, out);
	snprintf(out + n, (size_t)(CLOCK_ISO_SIZE - n), ".%03dZ", (int)(frac / 1000));
	return out;
}

char *clock_iso_us(int64_t us, char out[CLOCK_ISO_SIZE])
{
	int64_t frac;
	struct tm tm = split_us(us, &frac);
	int n = print_date(&tm, out);
	if (frac) {
		n += snprintf(out + n, (size_t)(CLOCK_ISO_SIZE - n), ".%06d", (int)frac);
		while (out[n - 1] == '0')
			n--;
	}
	snprintf(out + n, (size_t)(CLOCK_ISO_SIZE - n), "+00:00");
	return out;
}

/* Reads exactly n digits at *at. */
static bool digits(struct sv s, size_t *at, int n, int *ret)
{
	int v = 0;
	for (int i = 0; i < n; i++, (*at)++) {
		if (*at >= s.len || s.ptr[*at] < '0' || s.ptr[*at] > '9')
			return false;
		v = v * 10 + (s.ptr[*at] - '0');
	}
	*ret = v;
	return true;
}

static bool literal(struct sv s, size_t *at, char c)
{
	if (*at >= s.len || s.ptr[*at] != c)
		return false;
	(*at)++;
	return true;
}

/* ".123456789": rounded to microseconds, which may carry into the next second. */
static bool fraction(struct sv s, size_t *at, int *ret_us)
{
	size_t start = *at;
	int us = 0, scale = 100000;
	bool round_up = false;

	for (; *at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9'; (*at)++, scale /= 10) {
		if (*at - start < 6)
			us += (s.ptr[*at] - '0') * scale;
		else if (*at - start == 6)
			round_up = s.ptr[*at] >= '5';
	}
	*ret_us = us + round_up;
	return *at > start;
}

static bool offset(struct sv s, size_t *at, int *ret_minutes)
{
	int h, m;

	if (literal(s, at, 'Z')) {
		*ret_minutes = 0;
		return true;
	}
	int sign = *at < s.len && s.ptr[*at] == '-' ? -1 : 1;
	if (!literal(s, at, '+') && !literal(s, at, '-'))
		return false;
	if (!digits(s, at, 2, &h) || !literal(s, at, ':') || !digits(s, at, 2, &m))
		return false;
	if (h > 23 || m > 59)
		return false;
	*ret_minutes = sign * (h * 60 + m);
	return true;
}

/* timegm() normalises silly dates (Feb 30) instead of refusing them: compare what comes back. */
static bool date_exists(struct tm tm, time_t *ret)
{
	struct tm want = tm;
	*ret = timegm(&tm);
	return tm.tm_mon == want.tm_mon && tm.tm_mday == want.tm_mday &&
	       tm.tm_hour == want.tm_hour && tm.tm_min == want.tm_min && tm.tm_sec == want.tm_sec;
}

bool clock_parse_iso(struct sv s, int64_t *ret_us)
{
	struct tm tm = { 0 };
	size_t at = 0;
	int frac = 0, minutes;
	time_t secs;

	if (!digits(s, &at, 4, &tm.tm_year) || !literal(s, &at, '-') ||
		!digits(s, &at, 2, &tm.tm_mon) || !literal(s, &at, '-') ||
		!digits(s, &at, 2, &tm.tm_mday) || !literal(s, &at, 'T') ||
		!digits(s, &at, 2, &tm.tm_hour) || !literal(s, &at, ':') ||
		!digits(s, &at, 2, &tm.tm_min))
		return false;
	if (literal(s, &at, ':')) {
		if (!digits(s, &at, 2, &tm.tm_sec))
			return false;
		if (literal(s, &at, '.') && !fraction(s, &at, &frac))
			return false;
	}
	if (!offset(s, &at, &minutes) || at != s.len)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (!date_exists(tm, &secs))
		return false;
	*ret_us = ((int64_t)secs - minutes * 60) * 1000000 + frac;
	return true;
}
