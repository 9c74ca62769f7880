/* A schema on the first line, a value on the rest; judged both ways, which must agree. */
#include "base/sv.h"
#include "data/json.h"
#include "data/schema.h"
#include "fuzz.h"

static bool too_costly(const struct schema_issue *last)
{
	return strcmp(last->msg, "too costly to check to the end") == 0;
}

/* What the quick way accepts has no issue. */
static void check_quick(const struct schema *s, struct sv text, const struct json_t *values)
{
	struct schema_issue issue;

	if (json_kind(values) != JSON_KIND_ARRAY || !schema_accepts(s, text))
		return;
	for (size_t i = 0; i < json_len(values); i++)
		CHECK(schema_check(s, json_item(values, i), &issue, 1) == 0 || too_costly(&issue));
}

static void check(struct json_t *doc, struct sv text, const struct json_t *value)
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
	check_quick(s, text, value);
	schema_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size);
	ptrdiff_t nl = sv_find_char(text, '\n');
	struct json_t *doc = NULL, *value = NULL;

	if (nl < 0)
		return 0;
	struct sv rest = sv_from(text, (size_t)nl + 1);
	if (json_parse(sv_make(text.ptr, (size_t)nl), &doc, NULL) == 0 &&
		json_parse(rest, &value, NULL) == 0)
		check(doc, rest, value);
	json_unref(doc);
	json_unref(value);
	return 0;
}
