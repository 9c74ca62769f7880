/* Catalogue files: what loads is whole, what does not says where it goes wrong. */
#include "base/sv.h"
#include "data/json.h"
#include "data/yaml_find.h"
#include "fuzz.h"
#include "model/provider.h"

#include <string.h>

static void check_path(struct sv text)
{
	static const char doc[] = "{\"a\":{\"b\":[1,{\"c.d\":2}],\"\":3},\"a.b\":4}";
	struct json_t *v = NULL;

	CHECK(json_parse(sv_str(doc), &v, NULL) == 0);
	json_find(v, text);
	json_unref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size);
	struct providers *all = NULL;
	struct err err = { 0 };
	size_t count;

	if (size > 1 << 16)
		return 0;
	check_path(text);
	yaml_line_of(text, SV_LIT("a"), SV_LIT("$.proxy.headers.x[1]: expected text"));
	if (providers_parse(text, &all, &err) < 0) {
		CHECK(strncmp(err.msg, "providers.yaml:", 15) == 0);
		return 0;
	}
	const struct provider *p = provider_list(all, &count);
	for (size_t i = 0; i < count; i++)
		CHECK(provider_find(all, p[i].name) == &p[i] && p[i].auth_mode.ptr && p[i].json);
	providers_close(all);
	return 0;
}
