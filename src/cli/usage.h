/*
 * What functions use, over the runs of one command: for --diagnostics. Memory is that of the
 * runner process when a run ends, CPU that of the run itself. Command line only.
 */
#pragma once

#include "base/base.h"

struct local_run;

struct usage {
	unsigned runs;
	int64_t started_us;
	int64_t before; /* peak of the children before the runs: that of the bundler, mostly */
	int64_t memory_sum, memory_peak, cpu_sum_us, cpu_peak_us;
	unsigned requests;
	char most_memory[300], most_cpu[300]; /* names of the functions */
};

void usage_begin(struct usage *u); /* when all is built, before the runner pool is made */
void usage_add(struct usage *u, const struct local_run *l, const char *name);

/* On stderr. After the runner pool was freed: its peak between the ends of runs is known then. */
void usage_print(const struct usage *u);
