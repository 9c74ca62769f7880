#include "base/mem.h"
#include "data/sourcemap.h"
#include "runner/private.h"

enum { CACHE_BYTES = 64 << 20, FRAMES_MAX = 10 };

struct runner_code *code_cached(const struct runner_pool *p, const char *fn)
{
	struct runner_code *c = p->codes;

	while (c && strcmp(c->fn, fn))
		c = c->next;
	return c;
}

static void code_free(struct runner_code *c)
{
	mem_free(c->fn);
	mem_free(c->file);
	mem_free(c->bundle);
	mem_free(c);
}

/* The cache keeps the newest first; what nobody uses goes when there is too much. */
static void evict(struct runner_pool *p)
{
	struct runner_code **at = &p->codes;
	size_t kept = 0;

	while (*at) {
		struct runner_code *c = *at;
		size_t size = strlen(c->bundle);
		if (c->refs || kept + size <= CACHE_BYTES) {
			kept += size;
			at = &c->next;
			continue;
		}
		*at = c->next;
		p->code_bytes -= size;
		code_free(c);
	}
}

struct runner_code *code_get(struct runner_pool *p, const struct runner_spec *spec)
{
	struct runner_code *c = code_cached(p, spec->fn);

	if (!c) {
		assert(spec->js.ptr); /* or runner_pool_has said so */
		c = NEW(struct runner_code);
		c->fn = mem_strdup(spec->fn);
		c->file = mem_strdup(spec->file);
		c->bundle = mem_svdup(spec->js);
		struct sv url;
		sourcemap_split(sv_make(c->bundle, spec->js.len), &c->js, &url);
		c->next = p->codes;
		p->codes = c;
		p->code_bytes += spec->js.len;
	}
	c->refs++;
	return c;
}

void code_unref(struct runner_pool *p, struct runner_code *c)
{
	assert(c->refs > 0);
	if (--c->refs == 0 && p->code_bytes > CACHE_BYTES)
		evict(p);
}

void code_free_all(struct runner_pool *p)
{
	while (p->codes) {
		struct runner_code *c = p->codes;
		p->codes = c->next;
		code_free(c);
	}
}

/* "Name: message", then the frames, as an array of lines. */
static struct json_t *stack_lines(const struct json_t *error, struct sv stack)
{
	struct json_t *lines = json_new_arr();
	struct buf first;
	struct sv name = json_sv(json_member(error, SV_LIT("name")));
	struct sv line, message = json_sv(json_member(error, SV_LIT("message")));

	buf_init(&first, 64 << 10);
	buf_printf(&first, "%.*s: %.*s", SV(name), SV(message));
	json_push(lines, json_new_str(buf_sv(&first)));
	buf_done(&first);
	while (json_len(lines) <= FRAMES_MAX && stack.len) {
		const char *nl = memchr(stack.ptr, '\n', stack.len);
		line = sv_make(stack.ptr, nl ? (size_t)(nl - stack.ptr) : stack.len);
		stack = sv_from(stack, nl ? line.len + 1 : line.len);
		json_push(lines, json_new_str(line));
	}
	return lines;
}

static bool shows_stack(const struct json_t *error)
{
	struct sv type = json_sv(json_member(error, SV_LIT("type")));

	return (sv_eq_str(type, "script_internal_error") ||
		       sv_eq_str(type, "script_network_error")) &&
	       json_kind(json_member(error, SV_LIT("payload"))) == JSON_KIND_OBJECT;
}

void code_map_error(const struct runner_code *c, struct json_t *error)
{
	struct sv stack = json_sv(json_member(error, SV_LIT("stack"))), js;
	own(sourcemap_free) struct sourcemap *map = NULL;
	own_in(buf_done) struct buf out = { 0 };
	struct err ignored;

	if (!stack.len)
		return;
	/* A broken map costs the positions, nothing else. */
	if (sourcemap_from_bundle(sv_str(c->bundle), &js, &map, &ignored) < 0)
		map = NULL;
	buf_init(&out, 256 << 10);
	sourcemap_rewrite_stack(map, 0, stack, &out);
	if (!buf_ok(&out))
		return;
	json_set_str(error, "stack", buf_sv(&out));
	if (shows_stack(error))
		json_set(json_member(error, SV_LIT("payload")), SV_LIT("stacktrace"),
			stack_lines(error, buf_sv(&out)));
}
