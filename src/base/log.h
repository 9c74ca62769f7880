/*
 * The server's own log: one JSON object per line on stderr (or readable text on a terminal).
 * A struct log is "about" something and inherits fields from its parent (connection, sync, run).
 * Constant messages, values in fields; secrets are never passed. Any thread.
 */
#pragma once

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
	const char *name;
	enum { LOG_TYPE_I64, LOG_TYPE_SV, LOG_TYPE_BOOL } type;
	union {
		int64_t i64;
		struct sv sv;
		bool flag;
	};
};

/* What a log line is about: borrowed fields, valid as long as the struct is used. */
struct log {
	const struct log *parent;
	const struct log_field *fields;
	size_t count;
};

#define LOG_I64(n, v) ((struct log_field){ .name = (n), .type = LOG_TYPE_I64, .i64 = (v) })
#define LOG_SV(n, v) ((struct log_field){ .name = (n), .type = LOG_TYPE_SV, .sv = (v) })
#define LOG_STR(n, v) LOG_SV(n, sv_str(v))
#define LOG_BOOL(n, v) ((struct log_field){ .name = (n), .type = LOG_TYPE_BOOL, .flag = (v) })
#define LOG_MS(n, v) LOG_I64(n "_ms", v)
#define LOG_ERR(e) LOG_STR("error", (e)->msg)

#define log_at(level, about, msg, ...)                                                   \
	log_write(level, about, msg, (const struct log_field[]){ { 0 }, ##__VA_ARGS__ }, \
		ARRAY_LEN(((const struct log_field[]){ { 0 }, ##__VA_ARGS__ })))
#define log_debug(about, msg, ...) log_at(LOG_DEBUG, about, msg, ##__VA_ARGS__)
#define log_info(about, msg, ...) log_at(LOG_INFO, about, msg, ##__VA_ARGS__)
#define log_warn(about, msg, ...) log_at(LOG_WARN, about, msg, ##__VA_ARGS__)
#define log_error(about, msg, ...) log_at(LOG_ERROR, about, msg, ##__VA_ARGS__)

/* `about` may be NULL. The first element of fields is a placeholder that is skipped. */
void log_write(enum log_level level, const struct log *about, const char *msg,
	const struct log_field *fields, size_t count);

void log_set_level(enum log_level level);
/* "debug", "info", "warn", "error"; false otherwise. */
bool log_level_parse(struct sv name, enum log_level *ret);
