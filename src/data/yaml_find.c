#include "data/yaml_find.h"

#include "base/sv.h"

#include <stdlib.h>
#include <yaml.h>

struct finder {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	size_t line;
};

static bool next(struct finder *f)
{
	yaml_event_delete(&f->event);
	return yaml_parser_parse(&f->parser, &f->event) && f->event.type != YAML_STREAM_END_EVENT;
}

static bool is_start(yaml_event_type_t t)
{
	return t == YAML_MAPPING_START_EVENT || t == YAML_SEQUENCE_START_EVENT;
}

static bool is_end(yaml_event_type_t t)
{
	return t == YAML_MAPPING_END_EVENT || t == YAML_SEQUENCE_END_EVENT;
}

/* From the beginning of a node to what stands behind it. */
static bool skip(struct finder *f)
{
	size_t depth = 0;

	do {
		depth += is_start(f->event.type);
		depth -= is_end(f->event.type);
		if (!next(f))
			return false;
	} while (depth);
	return true;
}

/* Whether *path begins with this key as its next step; it is taken off then. */
static bool takes_key(struct sv *path, struct sv key)
{
	struct sv rest;

	if (!path->len || path->ptr[0] != '.')
		return false;
	rest = sv_from(*path, 1);
	if (!sv_starts(rest, key))
		return false;
	rest = sv_from(rest, key.len);
	if (rest.len && !strchr(".[:", rest.ptr[0]))
		return false;
	*path = rest;
	return true;
}

static bool takes_index(struct sv *path, size_t index)
{
	char want[24];
	int n = snprintf(want, sizeof(want), "[%zu]", index);

	if (!sv_starts(*path, sv_make(want, (size_t)n)))
		return false;
	*path = sv_from(*path, (size_t)n);
	return true;
}

static struct sv scalar(const struct finder *f)
{
	return sv_make((const char *)f->event.data.scalar.value, f->event.data.scalar.length);
}

/* At the beginning of a container: goes to the value that `path` names next. */
static bool enter(struct finder *f, struct sv *path)
{
	bool mapping = f->event.type == YAML_MAPPING_START_EVENT;

	if (!is_start(f->event.type) || !next(f))
		return false;
	for (size_t i = 0; !is_end(f->event.type); i++) {
		size_t line = f->event.start_mark.line + 1;
		bool found =
			mapping ? f->event.type == YAML_SCALAR_EVENT && takes_key(path, scalar(f))
				: takes_index(path, i);
		if (found)
			f->line = line;
		if (mapping && !(found ? next(f) : skip(f)))
			return false;
		if (found)
			return true;
		if (!skip(f))
			return false;
	}
	return false;
}

static void find(struct finder *f, struct sv key, struct sv path)
{
	while (f->event.type != YAML_MAPPING_START_EVENT)
		if (!next(f))
			return;
	if (!next(f))
		return;
	while (f->event.type == YAML_SCALAR_EVENT) {
		bool found = sv_eq(scalar(f), key);
		size_t line = f->event.start_mark.line + 1;
		if (!next(f))
			return;
		if (found) {
			f->line = line;
			while (enter(f, &path))
				;
			return;
		}
		if (!skip(f))
			return;
	}
}

size_t yaml_line_of(struct sv text, struct sv key, struct sv path)
{
	struct finder f = { .line = 0 };

	int ok = yaml_parser_initialize(&f.parser);
	assert(ok);
	yaml_parser_set_input_string(
		&f.parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
	find(&f, key, path.len ? sv_from(path, 1) : path);
	yaml_event_delete(&f.event);
	yaml_parser_delete(&f.parser);
	return f.line;
}
