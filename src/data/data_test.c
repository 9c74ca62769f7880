#include "data/data_test.h"

int main(void)
{
	int failed = enc_tests() + formats_tests() + freq_tests() + json_tests() +
		     json_dump_tests() + jsnum_tests();
	failed += jw_tests() + pattern_tests() + query_tests() + schema_tests() +
		  sourcemap_tests() + tmpl_tests() + uuid_tests() + yaml_find_tests() +
		  yaml_tests() + xml_tests();
	return failed != 0;
}
