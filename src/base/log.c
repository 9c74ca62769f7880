#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdatomic.h>
#include <unistd.h>

/* One line is one write(2), so lines of several threads never mix. */
#define LINE_MAX_BYTES (64u << 10)

static _Atomic int min_level = LOG_INFO;
static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_set_level(enum log_level level)
{
	atomic_store(&min_level, (int)level);
}

bool log_level_parse(struct sv name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (!sv_eq_str(name, level_names[i]))
			continue;
		*ret = (enum log_level)i;
		return true;
	}
	return false;
}

static void add_field(struct buf *b, const struct log_field *f)
{
	buf_char(b, ',');
	buf_json_str(b, sv_str(f->name));
	buf_char(b, ':');
	switch (f->type) {
	case LOG_TYPE_I64: buf_i64(b, f->i64); break;
	case LOG_TYPE_SV: buf_json_str(b, f->sv); break;
	case LOG_TYPE_BOOL: buf_str(b, f->flag ? "true" : "false"); break;
	}
}

static void add_about(struct buf *b, const struct log *about)
{
	if (!about)
		return;
	add_about(b, about->parent);
	for (size_t i = 0; i < about->count; i++)
		add_field(b, &about->fields[i]);
}

void log_write(enum log_level level, const struct log *about, const char *msg,
	const struct log_field *fields, size_t count)
{
	own_in(buf_done) struct buf b = { 0 };
	char iso[CLOCK_ISO_SIZE];

	if ((int)level < atomic_load(&min_level))
		return;
	buf_init(&b, LINE_MAX_BYTES);
	buf_printf(&b,
		"{\"time\":\"%s\",\"level\":\"%s\",\"msg\":", clock_iso_ms(clock_now_ms(), iso),
		level_names[level]);
	buf_json_str(&b, sv_str(msg));
	add_about(&b, about);
	for (size_t i = 1; i < count; i++)
		add_field(&b, &fields[i]);
	if (!buf_ok(&b)) {
		buf_clear(&b);
		buf_str(&b, "{\"level\":\"error\",\"msg\":\"log line too long\"");
	}
	buf_str(&b, "}\n");
	/* Nothing can be done about a broken stderr, least of all logging it. */
	ssize_t n UNUSED = write(STDERR_FILENO, b.ptr, b.len);
}
