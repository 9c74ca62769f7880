/*
 * The race of src/records/race_test.h at full size: race [writers] [processes] [changes] [first
 * seed] [runs]. Prints a line per run; exit status 1 when a reader missed or was told anything it
 * should not.
 */
#include "records/race_test.h"

#include "base/clock.h"
#include "records/ids.h"

static int64_t argument(int argc, char **argv, int at, int64_t otherwise)
{
	return argc > at ? strtoll(argv[at], NULL, 10) : otherwise;
}

static bool run_one(const struct race *race)
{
	struct race_result r;
	struct store s;

	store_open(&s, NULL);
#ifdef TIDEMARK_TEST_HOOKS
	ids_recent_most = race->seed % 2 ? 0 : 300; /* else ids move to the index a few times only */
#endif
	int64_t begin = clock_mono_us();
	race_run(&s, race, &r);
	printf("race: seed %llu: %d writers x %d processes: %lld changes in %lld batches and %lld "
	       "ms; readers polled %lld times and saw %lld: missed=%lld invented=%lld "
	       "disorder=%lld\n",
		(unsigned long long)race->seed, race->writers, race->processes,
		(long long)r.changes, (long long)r.batches,
		(long long)((clock_mono_us() - begin) / 1000), (long long)r.polls,
		(long long)r.read, (long long)r.missed, (long long)r.invented,
		(long long)r.disorder);
	fflush(stdout);
	store_close(&s);
	return r.missed == 0 && r.invented == 0 && r.disorder == 0;
}

int main(int argc, char **argv)
{
	struct race race = {
		.writers = (int)argument(argc, argv, 1, 8),
		.processes = (int)argument(argc, argv, 2, 1),
		.changes = argument(argc, argv, 3, 200000),
		.seed = (uint64_t)argument(argc, argv, 4, 1),
	};
	bool good = true;

	for (int64_t runs = argument(argc, argv, 5, 1); runs > 0; runs--, race.seed++)
		good &= run_one(&race);
	return good ? 0 : 1;
}
