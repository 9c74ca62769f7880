/*
 * Dates by a format of dayjs tokens, in UTC: YYYY YY MMMM MMM MM M DD D dddd ddd dd d HH H hh h
 * mm m ss s SSS A a Z ZZ, X (Unix seconds), x (milliseconds); [text] stands for itself, as does
 * everything else. Pure, any thread.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

/* Appends; an absent format gives ISO with milliseconds. */
void datefmt(struct buf *out, int64_t ms, struct sv format);

/* ms moved by n units ("day", "days", "d", "month", "M" ...; a month's end stays within the
 * month). False for an unknown unit or a date beyond the years 0 to 9999. */
bool datefmt_shift(int64_t ms, int64_t n, struct sv unit, int64_t *ret);
