/* YAML files. */
#include "base/buf.h"
#include "data/json.h"
#include "data/yaml.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_t *v = NULL, *again = NULL;
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 1 << 24);
	if (yaml_load(sv_make((const char *)data, size), "f", &v, &err) == 0) {
		json_dump_compact(v, &b);
		CHECK(!buf_ok(&b) || json_parse(buf_sv(&b), &again, NULL) == 0);
	} else {
		CHECK(!v && err.code < 0 && err.msg[0]);
	}
	json_unref(v);
	json_unref(again);
	buf_done(&b);
	return 0;
}
