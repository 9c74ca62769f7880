#include "cli/progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { EVERY_US = 250000 };

void progress_init(struct progress *p)
{
	*p = (struct progress){ .on = isatty(STDERR_FILENO), .started_us = clock_mono_us() };
}

double progress_seconds(const struct progress *p)
{
	return (double)(clock_mono_us() - p->started_us) / 1e6;
}

void progress_tell(struct progress *p, const char *what, int64_t rows, const char *unit,
	int64_t done, int64_t total)
{
	int64_t now = clock_mono_us();

	if (!p->on || now - p->told_us < EVERY_US)
		return;
	p->told_us = now;
	fprintf(stderr, "\r\033[K%-22s %12lld %s %9.0f/s", what, (long long)rows, unit,
		(double)rows / (progress_seconds(p) + 1e-6));
	if (total > 0)
		fprintf(stderr, " %3lld%%", (long long)(done >= total ? 100 : 100 * done / total));
	fflush(stderr);
}

void progress_done(struct progress *p)
{
	if (p->on && p->told_us)
		fprintf(stderr, "\r\033[K");
}
