/*
 * The bundler: finds esbuild and runs it once over all wanted functions of a project. Blocking.
 */
#pragma once

#include "base/err.h"

struct project;

/* Fills js of every wanted function. Called by project_compile. */
int esbuild_bundle(struct project *p, struct err *err) MUST_CHECK;
