/*
 * How often a sync runs: "every 30 minutes", "2h", "every half day", "every minute"
 * (spec/orchestration.md 2.1). Pure, any thread. Minimum and maximum are the caller's business.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

#define FREQ_TEXT_SIZE 32

struct freq {
	int64_t ms;
	char text[FREQ_TEXT_SIZE]; /* normalised as GET /sync/status shows it: "30 minutes", "12h"
				    */
};

/*
 * The whole text, case-sensitive: optional "every ", then a number with at most one space before
 * the unit (s, m, h, d and their longer names), a unit alone (1), or month (30 days), week, half
 * day, half hour, quarter hour. ERR_INVALID says what is accepted.
 */
int freq_parse(struct sv text, struct freq *ret, struct err *err);
