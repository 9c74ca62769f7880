#include "conf/environ.h"

#include "base/sv.h"
#include "os/file.h"

static void add(struct environ_vars *v, struct sv name, struct sv value)
{
	if (v->count == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 64;
		v->items = mem_realloc(v->items, v->cap * sizeof(*v->items));
	}
	v->items[v->count++] = (struct environ_var){
		.name = arena_str(&v->arena, name),
		.value = arena_str(&v->arena, value),
	};
}

/* "value" and 'value' lose their quotes; a bare value ends at " #". */
static struct sv unquote(struct sv s)
{
	if (s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'')) {
		ptrdiff_t end = sv_find_char(sv_from(s, 1), s.ptr[0]);
		if (end >= 0)
			return sv_make(s.ptr + 1, (size_t)end);
	}
	ptrdiff_t comment = sv_find(s, SV_LIT(" #"));
	return comment < 0 ? s : sv_trim(sv_make(s.ptr, (size_t)comment));
}

static void add_line(struct environ_vars *v, struct sv line)
{
	line = sv_trim(line);
	if (line.len == 0 || line.ptr[0] == '#')
		return;
	if (sv_starts(line, SV_LIT("export ")))
		line = sv_trim(sv_from(line, 7));
	ptrdiff_t eq = sv_find_char(line, '=');
	if (eq <= 0)
		return;
	struct sv value = sv_trim(sv_from(line, (size_t)eq + 1));
	add(v, sv_trim(sv_make(line.ptr, (size_t)eq)), unquote(value));
}

static int add_file(struct environ_vars *v, const char *path, struct err *err)
{
	own_in(buf_done) struct buf text = { 0 };
	buf_init(&text, 1 << 20);

	int rc = file_read(path, &text, err);
	if (rc == ERR_NOT_FOUND) {
		*err = (struct err){ 0 };
		return 0;
	}
	TRY(rc);
	struct sv rest = buf_sv(&text), line;
	while (sv_split(&rest, '\n', &line))
		add_line(v, line);
	return 0;
}

int environ_load(char *const *envp, const char *dotenv, struct environ_vars *ret, struct err *err)
{
	*ret = (struct environ_vars){ 0 };
	for (; envp && *envp; envp++) {
		struct sv entry = sv_str(*envp);
		ptrdiff_t eq = sv_find_char(entry, '=');
		if (eq > 0)
			add(ret, sv_make(entry.ptr, (size_t)eq), sv_from(entry, (size_t)eq + 1));
	}
	if (!dotenv)
		return 0;
	int rc = add_file(ret, dotenv, err);
	if (rc < 0)
		environ_done(ret);
	return rc;
}

void environ_done(struct environ_vars *v)
{
	mem_free(v->items);
	arena_done(&v->arena);
	*v = (struct environ_vars){ 0 };
}

const char *environ_get(const struct environ_vars *v, const char *name)
{
	for (size_t i = 0; v && i < v->count; i++) {
		if (strcmp(v->items[i].name, name) == 0)
			return v->items[i].value;
	}
	return NULL;
}
