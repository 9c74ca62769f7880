/* A schema on the first line, a value on the rest. */
#include "base/sv.h"
#include "data/json.h"
#include "data/schema.h"
#include "fuzz.h"

static void check(struct json_t *doc, const struct json_t *value)
{
	struct schema_issue issues[4];
	struct schema *s = NULL;
	struct err err = { 0 };

	if (schema_new(doc, SV_LIT("#"), &s, &err) < 0) {
		CHECK(!s && err.msg[0]);
		return;
	}
	size_t n = schema_check(s, value, issues, ARRAY_LEN(issues));
	CHECK(n <= ARRAY_LEN(issues));
	CHECK((schema_check(s, value, NULL, 1) == 0) == (n == 0));
	schema_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size);
	ptrdiff_t nl = sv_find_char(text, '\n');
	struct json_t *doc = NULL, *value = NULL;

	if (nl < 0)
		return 0;
	if (json_parse(sv_make(text.ptr, (size_t)nl), &doc, NULL) == 0 &&
		json_parse(sv_from(text, (size_t)nl + 1), &value, NULL) == 0)
		check(doc, value);
	json_unref(doc);
	json_unref(value);
	return 0;
}
