/*
 * The discipline of entering JavaScript. Between entry_begin and entry_end the code of exactly one
 * run executes: the shared page names it, a clock of CPU time looks at the limits every tick, and
 * microtasks are drained before the call in between returns.
 *
 * The tick can only end what executes at that moment. Endless microtasks escape it (each is an
 * entry of its own for the engine): then no PONG leaves this process, and the server kills it.
 */
#pragma once

#include "js/realm.h"
#include "js/run.h"

void entry_begin(struct run *run);

/*
 * STOP_NONE, or why the run was terminated: nothing of that is left pending in the engine, so the
 * next entry is safe, and the caller must end the run (run_stop).
 */
enum stop MUST_CHECK entry_end(struct run *run);

/* A call between begin and end. NULL when it threw, which the prelude does only if terminated. */
JSValueRef entry_call(struct run *run, enum entry_fn fn, size_t argc, const JSValueRef argv[]);

/* Looks at the process's memory; growth since the last look is set down to the run. */
void entry_measure(struct run *run);
