/*
 * The checks of `tidemark doctor`: each reports one line, and none stops the others. What needs the
 * database is in doctor_db.c.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cli/store.h"

enum verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct finding {
	enum verdict verdict;
	const char *what, *text;
};

struct doctor {
	const struct settings *conf;
	struct store store; /* db NULL: it could not be opened */
	bool json;
	bool records; /* read all of them */
	unsigned warnings, failures;
	struct finding *list; /* not printed yet; in the arena */
	size_t count, cap;
	struct arena arena;
	struct buf objects; /* with json: all so far */
};

/* "what: detail (what to do)"; printed by doctor_show, since a database job may run again. */
void doctor_say(struct doctor *d, enum verdict v, const char *what, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
void doctor_show(struct doctor *d);

/* Opens d->store, and looks at what is in it. */
void doctor_database(struct doctor *d);
