/*
 * How far a long command is: one line on stderr, rewritten a few times a second, if a person is
 * there to see it.
 */
#pragma once

#include "base/base.h"

struct progress {
	bool on;
	int64_t started_us, told_us;
};

void progress_init(struct progress *p);
/* done of total (0 = unknown); rows for the rate, unit as in "rows". */
void progress_tell(struct progress *p, const char *what, int64_t rows, const char *unit,
	int64_t done, int64_t total);
void progress_done(struct progress *p); /* clears the line */
double progress_seconds(const struct progress *p);
