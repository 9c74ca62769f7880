/*
 * The only source of time. Wall times are milliseconds (`_ms`) or microseconds (`_us`) since 1970
 * UTC; monotonic times are for measuring and timeouts. Tests move the wall clock, never sleep.
 */
#pragma once

#include "base/base.h"

int64_t clock_now_ms(void); /* wall clock */
int64_t clock_now_us(void);
int64_t clock_mono_us(void); /* monotonic, unaffected by clock_shift */
int64_t clock_cpu_us(void); /* CPU time of this process, all threads */
int64_t clock_cpu_of_us(int pid); /* of another process, 0 when it is gone */
void clock_shift_ms(int64_t by); /* tests only: moves the wall clock */

#define CLOCK_ISO_SIZE 40
/* "2026-01-02T03:04:05.678Z" (always three digits), into out. Returns out. */
char *clock_iso_ms(int64_t ms, char out[CLOCK_ISO_SIZE]);
/*
 * "2026-01-02T03:04:05.6781+00:00": microseconds with trailing zeros cut, no fraction when zero.
 * This is how record timestamps and cursors are written (spec/records.md 2.6).
 */
char *clock_iso_us(int64_t us, char out[CLOCK_ISO_SIZE]);

/*
 * Parses `YYYY-MM-DDTHH:MM[:SS[.fraction]]` with `Z` or a numeric offset, fractions rounded to
 * microseconds. False unless the whole text is such a date and the date exists.
 */
bool clock_parse_iso(struct sv s, int64_t *ret_us);
