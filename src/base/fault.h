/*
 * Fault points, in builds with -Dtest_hooks=true only: `TRY(FAULT("db.commit", err));` is free
 * elsewhere. TIDEMARK_FAULT or fault_set() names one: "db.commit:3" fails its third hit,
 * "db.commit:3:kill" raises SIGKILL there, "*:7" counts every point. Any thread.
 */
#pragma once

#include "base/err.h"

#ifdef TIDEMARK_TEST_HOOKS
#define FAULT(name, err) fault_hit(name, err)
int fault_hit(const char *name, struct err *err);
void fault_set(const char *spec); /* NULL = none; instead of the environment */
bool fault_fired(void); /* since fault_set */
/* A behaviour instead of a failure: "db.rerun:always" turns FAULT_ALWAYS("db.rerun") on. */
#define FAULT_ALWAYS(name) fault_always(name)
bool fault_always(const char *name);
/* A text: "replay:=http://127.0.0.1:9" makes it FAULT_TEXT("replay"), which is NULL elsewhere. */
#define FAULT_TEXT(name) fault_text(name)
const char *fault_text(const char *name); /* valid until fault_set */
#else
#define FAULT(name, err) 0
#define FAULT_ALWAYS(name) false
#define FAULT_TEXT(name) ((const char *)NULL)
#endif
