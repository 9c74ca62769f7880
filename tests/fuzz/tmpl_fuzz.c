/* Templates, with values that look like templates. */
#include "data/freq.h"
#include "data/tmpl.h"
#include "fuzz.h"

static int lookup(void *ctx, struct sv name, struct sv *ret)
{
	(void)ctx;
	if (name.len == 0 || name.ptr[0] == 'x')
		return 0;
	*ret = name.ptr[0] == 'v' ? SV_LIT("${a},)}||") : name;
	return 1;
}

static int call(
	void *ctx, struct sv fn, const struct sv *args, size_t n, struct buf *out, struct err *err)
{
	(void)ctx;
	(void)err;
	CHECK(fn.len > 0 && n > 0);
	for (size_t i = 0; i < n; i++)
		buf_sv_add(out, args[i]);
	return fn.ptr[0] != 'u';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tmpl_env env = { .lookup = lookup, .call = call, .now_ms = 1769864709007 };
	const struct tmpl_env none = { 0 };
	struct sv text = sv_make((const char *)data, size);
	struct freq f;
	struct buf b;
	struct err err;
	bool resolved = true;

	buf_init(&b, 4096);
	int rc = tmpl_eval(text, &env, &b, &resolved, &err);
	CHECK(rc == 0 || rc == ERR_LIMIT);
	CHECK(rc == 0 || b.len == 0);
	buf_clear(&b);
	/* With nothing to put in, one alternative is copied as it stands (or a function is done).
	 */
	rc = tmpl_eval(text, &none, &b, &resolved, &err);
	if (rc == 0 && !tmpl_is_template(text))
		CHECK(resolved && sv_eq(buf_sv(&b), text));
	buf_done(&b);
	freq_parse(text, &f, &err);
	return 0;
}
