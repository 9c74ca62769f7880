#include "records/records_test.h"

int main(void)
{
	return cursor_tests() + save_tests() + update_tests() + delete_tests() + read_tests() +
	       prune_tests() + model_tests() + concurrent_tests() + crash_tests();
}
