#include "records/json_walk.h"

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* From behind the opening quote to behind the closing one. */
static const char *skip_string(const char *p, const char *end)
{
	for (const char *from = p; p < end;) {
		const char *quote = memchr(p, '"', (size_t)(end - p));
		if (!quote)
			return end;
		const char *back = quote;
		while (back > from && back[-1] == '\\')
			back--;
		p = quote + 1;
		if ((quote - back) % 2 == 0)
			return p;
	}
	return end;
}

static const char *skip_container(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		char c = *p++;
		if (c == '"')
			p = skip_string(p, end);
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return p;
	}
	return end;
}

static const char *skip_value(const char *p, const char *end)
{
	if (p < end && *p == '"')
		return skip_string(p + 1, end);
	if (p < end && (*p == '{' || *p == '['))
		return skip_container(p, end);
	while (p < end && !strchr(",}] \n\r\t", *p))
		p++;
	return p;
}

void walk_begin(struct walk *w, struct sv object)
{
	w->end = object.ptr + object.len;
	w->p = skip_space(object.ptr, w->end);
	if (w->p < w->end && *w->p == '{')
		w->p++;
	else
		w->p = w->end;
}

bool walk_next(struct walk *w, struct sv *ret_key, struct sv *ret_value)
{
	const char *end = w->end, *p = skip_space(w->p, end);

	if (p < end && *p == ',')
		p = skip_space(p + 1, end);
	if (p == end || *p != '"')
		return false;
	const char *key_end = skip_string(p + 1, end);
	*ret_key = sv_make(p + 1, (size_t)(key_end - p) - 2);
	p = skip_space(key_end, end);
	if (p < end && *p == ':')
		p = skip_space(p + 1, end);
	w->p = skip_value(p, end);
	*ret_value = sv_make(p, (size_t)(w->p - p));
	return true;
}
