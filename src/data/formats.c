#include "data/formats.h"

#include "base/clock.h"
#include "base/sv.h"

#include <ctype.h>
#include <stdio.h>

static bool is_date_time(struct sv s)
{
	int64_t us;
	return s.len >= 20 && s.ptr[16] == ':' && clock_parse_iso(s, &us);
}

static bool is_date(struct sv s)
{
	char text[20];
	int64_t us;

	if (s.len != 10)
		return false;
	snprintf(text, sizeof(text), "%.10sT00:00Z", s.ptr);
	return clock_parse_iso(sv_str(text), &us);
}

static bool is_time(struct sv s)
{
	char text[64];
	int64_t us;

	if (s.len < 8 || s.len > 40 || s.ptr[5] != ':')
		return false;
	/* An offset is optional here. */
	bool zoned = s.ptr[s.len - 1] == 'Z' || s.ptr[s.len - 6] == '+' || s.ptr[s.len - 6] == '-';
	snprintf(text, sizeof(text), "2000-01-01T%.*s%s", SV(s), zoned ? "" : "Z");
	return clock_parse_iso(sv_str(text), &us);
}

static bool printable(struct sv s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7F)
			return false;
	return s.len > 0;
}

static bool is_host_label(struct sv label)
{
	for (size_t i = 0; i < label.len; i++)
		if (!isalnum((unsigned char)label.ptr[i]) && label.ptr[i] != '-')
			return false;
	return label.len > 0 && label.len < 64 && label.ptr[0] != '-' &&
	       label.ptr[label.len - 1] != '-';
}

static bool is_email(struct sv s)
{
	ptrdiff_t at = sv_find_char(s, '@');
	struct sv host, label;
	size_t labels = 0;

	if (at <= 0 || !printable(s))
		return false;
	struct sv local = sv_make(s.ptr, (size_t)at);
	if (local.ptr[0] == '.' || local.ptr[local.len - 1] == '.' ||
		sv_find(local, SV_LIT("..")) >= 0)
		return false;
	host = sv_from(s, (size_t)at + 1);
	while (sv_split(&host, '.', &label)) {
		if (!is_host_label(label))
			return false;
		labels++;
	}
	return labels > 1;
}

static bool is_uri(struct sv s)
{
	size_t i = 0;

	if (!printable(s) || !isalpha((unsigned char)s.ptr[0]))
		return false;
	while (i < s.len && (isalnum((unsigned char)s.ptr[i]) || strchr("+-.", s.ptr[i])))
		i++;
	if (i + 1 >= s.len || s.ptr[i] != ':')
		return false;
	for (; i < s.len; i++)
		if (strchr("\"<>\\^`{|}", s.ptr[i]))
			return false;
	return true;
}

/* Any version: producers exist that follow none. */
static bool is_uuid(struct sv s)
{
	if (s.len != 36)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		if (hyphen ? s.ptr[i] != '-' : !isxdigit((unsigned char)s.ptr[i]))
			return false;
	}
	return true;
}

static bool is_ipv4(struct sv s)
{
	struct sv part;
	int64_t n;
	size_t parts = 0;

	while (sv_split(&s, '.', &part)) {
		if (part.len > 3 || (part.len > 1 && part.ptr[0] == '0') || !sv_to_i64(part, &n) ||
			n < 0 || n > 255)
			return false;
		parts++;
	}
	return parts == 4;
}

format_fn *format_find(struct sv name)
{
	static const struct {
		const char *name;
		format_fn *fn;
	} formats[] = {
		{ "date-time", is_date_time },
		{ "date", is_date },
		{ "time", is_time },
		{ "email", is_email },
		{ "uri", is_uri },
		{ "url", is_uri },
		{ "uuid", is_uuid },
		{ "ipv4", is_ipv4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (sv_eq_str(name, formats[i].name))
			return formats[i].fn;
	return NULL;
}
