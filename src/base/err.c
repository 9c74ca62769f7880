#include "base/err.h"

#include <stdio.h>

static const struct {
	int status;
	bool transient;
	const char *label;
} err_table[] = {
	{ 200, false, "ok" },
#define ERR(name, status, retry, label) { status, retry, label },
#include "base/errors.def"
#undef ERR
};

static size_t err_row(enum err_code code)
{
	size_t row = (size_t) - (int)code;
	assert(row < ARRAY_LEN(err_table));
	return row;
}

int err_http_status(enum err_code code)
{
	return err_table[err_row(code)].status;
}

bool err_is_transient(enum err_code code)
{
	return err_table[err_row(code)].transient;
}

const char *err_label(enum err_code code)
{
	return err_table[err_row(code)].label;
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	assert(code < 0);
	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return ERR_INTERNAL;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %.200s", old);
	return err->code;
}

int err_errno(struct err *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return ERR_IO;
	err->code = ERR_IO;
	va_start(ap, fmt);
	int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", strerror(errnum));
	return ERR_IO;
}
