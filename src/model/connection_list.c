/*
 * Listing with filters. Only the environment and an exact id go to the database; the rest looks
 * into JSON and is decided here, on rows as they come, until the page is full.
 */
#include "base/sv.h"
#include "data/json.h"
#include "model/connection.h"
#include "model/row.h"

/* What a row is filtered by; borrowed from it. */
struct seen {
	struct sv connection_id, integration, tags, end_user;
};

static char lower(char ch)
{
	return ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch;
}

static bool contains_nocase(struct sv text, struct sv part)
{
	for (size_t i = 0; i + part.len <= text.len; i++) {
		size_t k = 0;
		while (k < part.len && lower(text.ptr[i + k]) == lower(part.ptr[k]))
			k++;
		if (k == part.len)
			return true;
	}
	return false;
}

static bool in_list(struct sv list, struct sv name)
{
	struct sv item;

	while (sv_split(&list, ',', &item)) {
		if (sv_eq(sv_trim(item), name))
			return true;
	}
	return false;
}

static bool text_is(const struct json_t *v, struct sv want)
{
	return json_kind(v) == JSON_KIND_STRING && sv_eq(json_sv(v), want);
}

static bool tags_match(const struct json_t *want, struct sv tags_text)
{
	own(json_unref) struct json_t *tags = NULL;
	void *it = NULL;
	struct sv key;
	struct json_t *value;

	if (json_parse(tags_text, &tags, NULL) < 0)
		return false;
	while (json_next(want, &it, &key, &value)) {
		if (!text_is(json_member(tags, key), json_sv(value)))
			return false;
	}
	return true;
}

static bool end_user_match(const struct connection_filter *f, const struct seen *row)
{
	own(json_unref) struct json_t *user = NULL;

	if (row->end_user.ptr && json_parse(row->end_user, &user, NULL) < 0)
		return false;
	if (f->end_user_id.ptr && !text_is(json_find(user, SV_LIT("id")), f->end_user_id))
		return false;
	if (f->organization_id.ptr &&
		!text_is(json_find(user, SV_LIT("organization.id")), f->organization_id))
		return false;
	return !f->search.ptr || contains_nocase(row->connection_id, f->search) ||
	       contains_nocase(json_sv(json_find(user, SV_LIT("email"))), f->search) ||
	       contains_nocase(json_sv(json_find(user, SV_LIT("display_name"))), f->search);
}

static bool matches(
	const struct connection_filter *f, const struct json_t *tags, const struct seen *row)
{
	if (f->integrations.ptr && !in_list(f->integrations, row->integration))
		return false;
	if (tags && !tags_match(tags, row->tags))
		return false;
	if (f->search.ptr || f->end_user_id.ptr || f->organization_id.ptr)
		return end_user_match(f, row);
	return true;
}

static bool is_plain(const struct connection_filter *f)
{
	return !f->connection_id.ptr && !f->search.ptr && !f->end_user_id.ptr &&
	       !f->organization_id.ptr && !f->integrations.ptr && !f->tags.ptr;
}

static int start(
	struct dbc *c, const struct connection_filter *f, struct rows *rows, struct err *err)
{
	if (f->connection_id.ptr)
		return db_query(c, Q_CONNECTION_LIST_BY_ID,
			ARGS(arg_i64(f->environment_id), arg_sv(f->connection_id)), rows, err);
	int64_t limit = is_plain(f) ? f->limit : INT64_MAX;
	int64_t offset = is_plain(f) ? f->offset : 0;
	return db_query(c, Q_CONNECTION_LIST,
		ARGS(arg_i64(f->environment_id), arg_i64(limit), arg_i64(offset)), rows, err);
}

int connection_list(struct dbc *c, const struct connection_filter *f, struct arena *a,
	struct connection **ret, size_t *ret_count, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	own(json_unref) struct json_t *tags = NULL;
	int64_t skip = is_plain(f) ? 0 : f->offset;
	void *items = NULL;
	size_t count = 0, cap = 0;
	int more = 1;

	if (f->tags.ptr)
		TRY(json_parse(f->tags, &tags, err));
	TRY(start(c, f, &rows, err));
	while ((int64_t)count < f->limit && (more = rows_next(&rows, err)) > 0) {
		struct seen row = { row_sv(&rows, 3), row_sv(&rows, 4), row_sv(&rows, 9),
			row_sv(&rows, 10) };
		if (!matches(f, tags, &row) || skip-- > 0)
			continue;
		connection_read_row(
			&rows, a, row_list_add(a, &items, &count, &cap, sizeof(struct connection)));
	}
	TRY(more);
	*ret = items;
	*ret_count = count;
	return 0;
}
