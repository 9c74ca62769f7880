#include "model/refresh_token.h"

#include "base/sv.h"
#include "data/json.h"

/* "refresh_token", "refreshToken", "Refresh-Token"... */
static bool is_refresh_token(struct sv key)
{
	static const char want[] = "refreshtoken";
	size_t at = 0;

	for (size_t i = 0; i < key.len; i++) {
		char ch = key.ptr[i];
		if (ch >= 'A' && ch <= 'Z')
			ch = (char)(ch + 32);
		if (ch < 'a' || ch > 'z')
			continue;
		if (at >= sizeof(want) - 1 || ch != want[at++])
			return false;
	}
	return at == sizeof(want) - 1;
}

struct json_t *without_refresh_tokens(const struct json_t *v)
{
	struct json_t *copy, *value;
	void *it = NULL;
	struct sv key;

	if (json_kind(v) == JSON_KIND_ARRAY) {
		copy = json_new_arr();
		for (size_t i = 0; i < json_len(v); i++)
			json_push(copy, without_refresh_tokens(json_item(v, i)));
		return copy;
	}
	if (json_kind(v) != JSON_KIND_OBJECT)
		return json_clone(v);
	copy = json_new_obj();
	while (json_next(v, &it, &key, &value)) {
		if (!is_refresh_token(key))
			json_set(copy, key, without_refresh_tokens(value));
	}
	return copy;
}
