/*
 * The unit tests of this module: one function per source file, each a cmocka group that returns
 * the number of failures. Also cmocka itself with what it needs before it, and small helpers.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

int enc_tests(void);
int freq_tests(void);
int json_tests(void);
int json_dump_tests(void);
int jsnum_tests(void);
int formats_tests(void);
int jw_tests(void);
int pattern_tests(void);
int query_tests(void);
int schema_tests(void);
int sourcemap_tests(void);
int tmpl_tests(void);
int uuid_tests(void);
int xml_tests(void);
int yaml_find_tests(void);
int yaml_tests(void);

#define assert_sv(got, want)                                                                   \
	do {                                                                                   \
		struct sv got_ = (got);                                                        \
		const char *want_ = (want);                                                    \
		if (!sv_eq_str(got_, want_))                                                   \
			fail_msg("line %d: got '%.*s', want '%s'", __LINE__, SV(got_), want_); \
	} while (0)
