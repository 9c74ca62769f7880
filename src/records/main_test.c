#include "records/records_test.h"

/* All groups, or the one named. */
int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} groups[] = {
		{ "cursor", cursor_tests },
		{ "save", save_tests },
		{ "ids", ids_tests },
		{ "update", update_tests },
		{ "delete", delete_tests },
		{ "read", read_tests },
		{ "prune", prune_tests },
		{ "payload", payload_tests },
		{ "differential", differential_tests },
		{ "concurrent", concurrent_tests },
		{ "crash", crash_tests },
		{ "fault", fault_tests },
		{ "input", input_tests },
		{ "plan", plan_tests },
	};
	int failed = 0;

	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (argc < 2 || strcmp(argv[1], groups[i].name) == 0)
			failed += groups[i].run();
	return failed;
}
