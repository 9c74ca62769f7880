/* Source maps, bundles that carry them, stacks. */
#include "data/sourcemap.h"
#include "fuzz.h"

static void look_around(const struct sourcemap *m)
{
	struct sourcemap_pos pos;

	for (uint32_t line = 0; line < 6; line++)
		for (uint32_t column = 0; column < 40; column += 3)
			if (sourcemap_find(m, line, column, &pos))
				CHECK(pos.line && pos.column);
	sourcemap_find(m, UINT32_MAX, UINT32_MAX, &pos);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size), code;
	struct sourcemap *m = NULL, *inlined = NULL;
	struct buf b;

	buf_init(&b, 1 << 20);
	if (sourcemap_parse(text, &m, NULL) == 0)
		look_around(m);
	if (sourcemap_from_bundle(text, &code, &inlined, NULL) == 0 && inlined)
		look_around(inlined);
	sourcemap_rewrite_stack(inlined ? inlined : m, 3, text, &b);
	buf_done(&b);
	sourcemap_free(m);
	sourcemap_free(inlined);
	return 0;
}
