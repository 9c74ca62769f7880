/*
 * JavaScriptCore, opened at run time and by the runner role alone: the server never maps the
 * engine. `jsc.X(...)` is the library's JSX(...). The table is filled once, before any other thread
 * exists, and constant from then on.
 */
#pragma once

#include "base/err.h"

#include <JavaScriptCore/JavaScript.h>

struct jsc {
#define JSC(name) __typeof__(&JS##name) name;
#define JSC_HIDDEN(ret, name, args) ret(*name) args;
#include "js/jsc.def"
#undef JSC
#undef JSC_HIDDEN
};

extern struct jsc jsc;

/* ERR_NOT_FOUND when the library or one of its functions is missing: says which. */
int jsc_open(struct err *err);
