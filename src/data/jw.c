#include "data/jw.h"

#include "data/jsnum.h"
#include "data/json.h"

#include <math.h>

void jw_init(struct jw *w, struct buf *out)
{
	*w = (struct jw){ .out = out };
}

static bool in_obj(const struct jw *w)
{
	return w->depth && w->in_obj >> (w->depth - 1) & 1;
}

/* Before every value. */
static void lead(struct jw *w)
{
	assert(w->keyed == in_obj(w));
	assert(w->depth || !w->comma);
	if (w->comma && !w->keyed)
		buf_char(w->out, ',');
	w->keyed = false;
	w->comma = true;
}

static void begin(struct jw *w, bool obj)
{
	lead(w);
	assert(w->depth < JW_DEPTH_MAX);
	buf_char(w->out, obj ? '{' : '[');
	uint64_t bit = (uint64_t)1 << w->depth++;
	w->in_obj = obj ? w->in_obj | bit : w->in_obj & ~bit;
	w->comma = false;
}

void jw_obj(struct jw *w)
{
	begin(w, true);
}

void jw_arr(struct jw *w)
{
	begin(w, false);
}

void jw_end(struct jw *w)
{
	assert(w->depth && !w->keyed);
	buf_char(w->out, in_obj(w) ? '}' : ']');
	w->depth--;
	w->comma = true;
}

void jw_key_sv(struct jw *w, struct sv key)
{
	assert(in_obj(w) && !w->keyed);
	if (w->comma)
		buf_char(w->out, ',');
	buf_json_str(w->out, key);
	buf_char(w->out, ':');
	w->keyed = true;
}

void jw_key(struct jw *w, const char *key)
{
	jw_key_sv(w, sv_str(key));
}

void jw_str(struct jw *w, struct sv s)
{
	lead(w);
	if (s.ptr)
		buf_json_str(w->out, s);
	else
		buf_str(w->out, "null");
}

void jw_cstr(struct jw *w, const char *s)
{
	jw_str(w, sv_str(s));
}

void jw_i64(struct jw *w, int64_t n)
{
	lead(w);
	buf_i64(w->out, n);
}

void jw_num(struct jw *w, double n)
{
	char text[JSNUM_SIZE];

	if (!isfinite(n)) {
		jw_null(w);
		return;
	}
	lead(w);
	buf_add(w->out, text, jsnum_format(n, text));
}

void jw_bool(struct jw *w, bool b)
{
	lead(w);
	buf_str(w->out, b ? "true" : "false");
}

void jw_null(struct jw *w)
{
	lead(w);
	buf_str(w->out, "null");
}

void jw_raw(struct jw *w, struct sv json)
{
	assert(json.len);
	lead(w);
	buf_sv_add(w->out, json);
}

void jw_json(struct jw *w, const struct json_t *v)
{
	lead(w);
	json_dump_compact(v, w->out);
}

void jw_kv_str(struct jw *w, const char *key, struct sv s)
{
	jw_key(w, key);
	jw_str(w, s);
}

void jw_kv_cstr(struct jw *w, const char *key, const char *s)
{
	jw_key(w, key);
	jw_cstr(w, s);
}

void jw_kv_i64(struct jw *w, const char *key, int64_t n)
{
	jw_key(w, key);
	jw_i64(w, n);
}

void jw_kv_bool(struct jw *w, const char *key, bool b)
{
	jw_key(w, key);
	jw_bool(w, b);
}

void jw_kv_null(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_null(w);
}

void jw_kv_raw(struct jw *w, const char *key, struct sv json)
{
	jw_key(w, key);
	jw_raw(w, json);
}

void jw_kv_json(struct jw *w, const char *key, const struct json_t *v)
{
	jw_key(w, key);
	jw_json(w, v);
}

void jw_kv_obj(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_obj(w);
}

void jw_kv_arr(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_arr(w);
}

void jw_done(const struct jw *w)
{
	assert(w->depth == 0 && w->comma);
}
