/*
 * Errors: functions return 0 or more on success and a negative enum err_code on failure; the text
 * goes into the caller's struct err. Set once where it is known, wrapped with context at most
 * twice, logged once where it is handled. No allocation, copies across threads and flows.
 */
#pragma once

#include "base/base.h"

#include <stdarg.h>

enum err_code {
	ERR_OK = 0,
#define ERR(name, status, retry, label) ERR_##name##_N,
#include "base/errors.def"
#undef ERR
#define ERR(name, status, retry, label) ERR_##name = -ERR_##name##_N,
#include "base/errors.def"
#undef ERR
};

struct err {
	enum err_code code;
	char msg[248];
};

/* Fills err (may be NULL) and returns code, so that `return err_set(...)` reads well. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before the message that is there; returns err->code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ERR_IO with strerror(errnum) appended. */
int err_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The HTTP status that stands for this meaning. */
int err_http_status(enum err_code code);

/* Whether trying the same thing again later can help. */
bool err_is_transient(enum err_code code);

/* Short English label: "not found". */
const char *err_label(enum err_code code);
