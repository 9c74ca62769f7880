/*
 * The deploy package: what the public CLI sends to POST /sync/deploy (spec/api-cli.md 3.3), built
 * from a compiled and inspected project. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct json_t;
struct project;

struct package_options {
	const char *version; /* -v; NULL = what the functions say */
	const char *mode; /* all | integration | single */
};

/* Checks the definitions (frequency, models, duplicates) and builds the package. */
int package_build(const struct project *p, const struct package_options *o, struct json_t **ret,
	struct err *err) MUST_CHECK;
