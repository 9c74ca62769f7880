/*
 * The bundler: finds esbuild and runs it once over all wanted functions of a project. Blocking.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct project;

/* Where it is: of the project in dir, beside this program, or just "esbuild", for PATH. */
const char *esbuild_path(struct arena *a, const char *dir);

/* Fills js of every wanted function. Called by project_compile. */
int esbuild_bundle(struct project *p, struct err *err) MUST_CHECK;
