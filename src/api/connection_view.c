/* A connection as it is written, and the parts of it that are normalised when read. */
#include "api/connections.h"
#include "api/handlers.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/connection.h"
#include "model/refresh_token.h"

enum { TAGS_MAX = 10, TAG_KEY_MAX = 64 };

const struct check tag_value = { "", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255 };

static const struct check organization_fields[] = {
	{ "id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255 },
	{ "display_name", CHECK_STR, CHECK_NULLABLE, .max = 255 },
	{ 0 },
};
const struct check end_user_fields[] = {
	{ "id", CHECK_STR, CHECK_REQUIRED | CHECK_MIN, .min = 1, .max = 255 },
	{ "email", CHECK_STR, CHECK_EMAIL | CHECK_NULLABLE },
	{ "display_name", CHECK_STR, CHECK_NULLABLE, .max = 255 },
	{ "tags", CHECK_MAP, CHECK_NULLABLE, .item = &tag_value, .also = check_tags },
	{ "organization", CHECK_OBJ, CHECK_NULLABLE, .fields = organization_fields },
	{ 0 },
};

static bool is_tag_key(struct sv key)
{
	static const struct check_pattern one = { NULL, NULL, "a-zA-Z" };
	static const struct check_pattern more = { NULL, "a-zA-Z", "a-zA-Z0-9_-./" };

	return key.len <= TAG_KEY_MAX && (key.len == 1 ? check_pattern_matches(&one, key)
						       : check_pattern_matches(&more, key));
}

void check_tags(struct issues *is, const struct json_t *v)
{
	void *it = NULL;
	struct sv key;
	struct json_t *value;

	if (json_len(v) > TAGS_MAX)
		issue_add(is, "custom", "Tags cannot contain more than %d keys", TAGS_MAX);
	while (json_next(v, &it, &key, &value)) {
		const char *step = arena_str(is->arena, key);
		if (!is_tag_key(key))
			issue_add_at(is, step, "custom",
				"Tag keys start with a letter, have letters, digits and _-./ and "
				"at "
				"most %d characters",
				TAG_KEY_MAX);
		else if (sv_eq_nocase(key, SV_LIT("end_user_email")) &&
			 sv_find_char(json_sv(value), '@') <= 0)
			issue_add_at(is, step, "invalid_format", "Invalid email address");
	}
}

void check_url_or_empty(struct issues *is, const struct json_t *v)
{
	static const struct check url = { "", CHECK_STR, CHECK_URL };

	if (json_sv(v).len)
		check_value(v, &url, is);
}

struct sv text_lower(struct arena *a, struct sv s)
{
	char *copy = arena_str(a, s);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = copy[i] >= 'A' && copy[i] <= 'Z' ? (char)(copy[i] + 32) : copy[i];
	return sv_make(copy, s.len);
}

struct sv tags_text(struct api_call *call, const struct json_t *tags)
{
	own(json_unref) struct json_t *obj = json_new_obj();
	void *it = NULL;
	struct sv key;
	struct json_t *value;

	while (json_next(tags, &it, &key, &value))
		json_set(obj, text_lower(call->arena, key), json_ref(value));
	return api_dump(call, obj);
}

static void copy_or_null(struct json_t *to, const struct json_t *from, const char *key)
{
	struct json_t *v = json_member(from, sv_str(key));

	json_set(to, sv_str(key), v ? json_ref(v) : json_new_null());
}

struct sv end_user_text(struct api_call *call, const struct json_t *user)
{
	own(json_unref) struct json_t *obj = json_new_obj();
	const struct json_t *org = json_member(user, SV_LIT("organization"));

	copy_or_null(obj, user, "id");
	copy_or_null(obj, user, "display_name");
	copy_or_null(obj, user, "email");
	copy_or_null(obj, user, "tags");
	if (json_kind(org) == JSON_KIND_OBJECT) {
		struct json_t *copy = json_new_obj();
		copy_or_null(copy, org, "id");
		copy_or_null(copy, org, "display_name");
		json_set(obj, SV_LIT("organization"), copy);
	} else {
		json_set_null(obj, "organization");
	}
	return api_dump(call, obj);
}

void write_json_or_null(struct jw *w, const char *key, struct sv json)
{
	if (json.ptr)
		jw_kv_raw(w, key, json);
	else
		jw_kv_null(w, key);
}

static int write_stripped(
	struct jw *w, const char *key, struct sv text, bool refresh_token, struct err *err)
{
	own(json_unref) struct json_t *whole = NULL, *copy = NULL;

	if (refresh_token) {
		jw_kv_raw(w, key, text);
		return 0;
	}
	TRY(json_parse(text, &whole, err));
	copy = without_refresh_tokens(whole);
	jw_kv_json(w, key, copy);
	return 0;
}

static int write_credentials(struct api_call *call, struct dbc *c, struct jw *w,
	const struct connection *conn, const struct connection_view *view, struct err *err)
{
	struct sv credentials = SV_LIT("{}");

	if (view->credentials)
		TRY(connection_credentials(
			c, call->eng->keys, conn, call->arena, &credentials, err));
	return write_stripped(w, "credentials", credentials, view->refresh_token, err);
}

int connection_reply(struct api_call *call, struct dbc *c, int status,
	const struct connection *conn, const struct connection_view *view, struct err *err)
{
	struct jw w = api_json(call, status);

	jw_obj(&w);
	jw_kv_i64(&w, "id", conn->id);
	jw_kv_str(&w, "connection_id", conn->connection_id);
	jw_kv_str(&w, "provider_config_key", conn->integration);
	jw_kv_str(&w, "provider", conn->provider);
	jw_kv_raw(&w, "errors", conn->errors);
	write_json_or_null(&w, "end_user", conn->end_user);
	jw_kv_raw(&w, "tags", conn->tags);
	write_json_or_null(&w, "metadata", conn->metadata);
	TRY(write_stripped(
		&w, "connection_config", conn->connection_config, view->refresh_token, err));
	jw_kv_str(&w, "webhook_url_override", conn->webhook_url_override);
	view->times(&w, "created_at", conn->created_ms);
	view->times(&w, "updated_at", conn->updated_ms);
	view->times(&w, "last_fetched_at", conn->last_fetched_ms);
	TRY(write_credentials(call, c, &w, conn, view, err));
	jw_end(&w);
	return 0;
}
