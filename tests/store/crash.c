/*
 * The random kills of src/records/kill_test.h in number: crash [cycles] [seed] [strike]. Prints
 * what was acknowledged and found; ends with a message and status when anything is not as it should
 * be.
 */
#include "records/kill_test.h"

#include "base/clock.h"

int main(int argc, char **argv)
{
	struct kills kills = {
		.cycles = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200,
		.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1,
		.most_ms = argc > 3 ? 2000 : 200,
		.strike = argc > 3 ? argv[3] : NULL,
	};
	struct kills_result r;
	struct store s;

	store_open(&s, NULL);
	int64_t begin = clock_mono_us();
	kills_run(&s, &kills, &r);
	printf("crash: seed %llu: %d kills in %lld ms: %lld operations acknowledged, all there; of "
	       "those "
	       "at work %lld whole, %lld absent; a reader was told %lld changes and misses none\n",
		(unsigned long long)kills.seed, kills.cycles,
		(long long)((clock_mono_us() - begin) / 1000), (long long)r.acknowledged,
		(long long)r.pending_whole, (long long)r.pending_absent, (long long)r.seen);
	store_close(&s);
	return 0;
}
