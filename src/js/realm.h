/*
 * A realm: one JavaScript context with the prelude in it. Runs of one environment share a hardened
 * realm, in which nothing that two runs can reach can be changed; `isolation: context` gives a run
 * a realm of its own, in which it may change what it likes. Realms of different environments have
 * different groups (heaps).
 *
 * A realm is retired when one of its runs had to be terminated: its runs finish, no new ones come,
 * and it is freed with the last of them.
 */
#pragma once

#include "js/host.h"

/* Functions of js/prelude/entries.ts. */
#define REALM_ENTRIES(X) \
	X(create)        \
	X(start)         \
	X(inspect)       \
	X(reply) X(fire) X(unhandled) X(settle) X(fail) X(kill) X(nothing) X(wrapperPrefix)

/* The environment of a realm made ahead of time, for whichever comes first. */
enum { REALM_UNCLAIMED = -1 };

enum entry_fn {
#define X(name) ENTRY_##name,
	REALM_ENTRIES(X)
#undef X
		ENTRY_COUNT
};

struct realm {
	struct realm *next;
	struct host *host;
	int64_t env;
	bool own; /* serves a single run */
	bool retired; /* takes no new runs */
	size_t runs;
	JSContextGroupRef group;
	JSGlobalContextRef ctx;
	JSObjectRef entries[ENTRY_COUNT]; /* protected */
	JSObjectRef error; /* the Error constructor */
	char *prefix; /* what stands before the code of a bundle */
	JSObjectRef *wrappers; /* by code index, protected; NULL = not yet */
	size_t wrapper_cap;
};

/* The realm for a new run: shared by env, or one of its own. Costs 50-150 ms when it must be made.
 */
int realm_for(struct host *h, int64_t env, bool own, struct realm **ret, struct err *err);

/* Frees it if nothing holds it any more. */
void realm_release(struct realm *r);
void realm_free_all(struct host *h);

/*
 * The function in which the bundle stands, evaluated once per realm. NULL when the code cannot be
 * compiled; *ret_exception says why.
 */
JSObjectRef realm_wrapper(struct realm *r, struct code *code, JSValueRef *ret_exception);
