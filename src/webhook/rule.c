#include "webhook/rule.h"

#include "base/sv.h"
#include "data/json.h"
#include "data/query.h"

enum { ANSWER_MAX = 64 * 1024 };

static const struct rule rules[] = {
#define RULE(name, ...) { .provider = name, __VA_ARGS__ },
#include "webhook/rules.def"
#undef RULE
};

const struct rule *rule_of(struct sv provider)
{
	for (size_t i = 1; i < ARRAY_LEN(rules); i++)
		if (sv_eq_str(provider, rules[i].provider))
			return &rules[i];
	return &rules[0];
}

/* Bodies. */

static struct json_t *form_body(struct sv text)
{
	own(json_unref) struct json_t *form = NULL;
	struct json_t *inner = NULL;

	if (query_parse(text, &form, NULL) < 0)
		return json_new_str(text);
	struct sv payload = json_sv(json_member(form, SV_LIT("payload")));
	if (payload.len && json_parse(payload, &inner, NULL) >= 0)
		return inner;
	return take(form);
}

struct json_t *rule_body(struct sv body, struct sv content_type)
{
	struct json_t *json = NULL;

	if (sv_starts(content_type, SV_LIT("application/x-www-form-urlencoded")))
		return form_body(body);
	return json_parse(body, &json, NULL) < 0 ? json_new_str(body) : json;
}

static struct json_t *event_list(const struct rule *r, const struct json_t *body)
{
	struct json_t *list = NULL;

	if (r->each && strcmp(r->each, ".") == 0)
		list = (struct json_t *)body;
	else if (r->each)
		list = json_find(body, sv_str(r->each));
	return json_kind(list) == JSON_KIND_ARRAY ? list : NULL;
}

size_t rule_event_count(const struct rule *r, const struct json_t *body)
{
	const struct json_t *list = event_list(r, body);

	return list ? json_len(list) : 1;
}

struct json_t *rule_event(const struct rule *r, struct json_t *body, size_t i)
{
	const struct json_t *list = event_list(r, body);

	return list ? json_item(list, i) : body;
}

/* Identification. */

/* A value as text: identifiers are numbers with some providers. */
static struct sv text_of(const struct json_t *v, struct arena *a)
{
	own_in(buf_done) struct buf b = { 0 };

	if (json_kind(v) == JSON_KIND_STRING)
		return json_sv(v);
	if (json_kind(v) != JSON_KIND_NUMBER)
		return SV_NULL;
	buf_init(&b, 64);
	json_dump_compact(v, &b);
	return arena_sv(a, buf_sv(&b));
}

static struct sv until_any(struct sv s, const char *stops)
{
	size_t n = 0;

	while (n < s.len && !strchr(stops, s.ptr[n]))
		n++;
	return sv_make(s.ptr, n);
}

static struct sv shaped(const struct rule *r, struct sv text)
{
	ptrdiff_t scheme = sv_find(text, SV_LIT("://"));
	size_t host = scheme < 0 ? 0 : (size_t)scheme + 3;

	switch (r->shape) {
	case RULE_AS_IS: break;
	case RULE_ORIGIN:
		return sv_make(text.ptr, host + until_any(sv_from(text, host), "/?#").len);
	case RULE_FIRST_LABEL: return until_any(sv_from(text, host), "./?#:");
	}
	return text;
}

static struct sv source_text(const char *source, const struct json_t *headers,
	const struct json_t *event, struct arena *a)
{
	struct sv path = sv_str(source), prefix = SV_LIT("header:");

	if (sv_starts(path, prefix))
		return json_sv(json_member(headers, sv_from(path, prefix.len)));
	return text_of(json_find(event, path), a);
}

int rule_whom(const struct rule *r, const struct json_t *headers, const struct json_t *event,
	struct arena *a, struct sv *ret)
{
	if (!r->whom[0])
		return 0;
	for (size_t i = 0; i < RULE_WHOM_MAX && r->whom[i]; i++) {
		struct sv text = source_text(r->whom[i], headers, event, a);
		if (text.len) {
			*ret = shaped(r, text);
			return 1;
		}
	}
	return r->guess ? 0 : -1;
}

/* value is the text, or a list or object that holds it. */
static bool holds(const struct json_t *value, struct sv text, struct arena *a)
{
	if (json_kind(value) == JSON_KIND_OBJECT)
		return json_member(value, text) != NULL;
	if (json_kind(value) != JSON_KIND_ARRAY)
		return value && sv_eq(text_of(value, a), text);
	for (size_t i = 0; i < json_len(value); i++)
		if (sv_eq(text_of(json_item(value, i), a), text))
			return true;
	return false;
}

bool rule_matches(
	const struct rule *r, const struct rule_connection *c, struct sv id, struct arena *a)
{
	struct sv property = sv_str(r->property), prefix = SV_LIT("metadata.");

	if (sv_eq_str(property, "connectionId"))
		return sv_eq(c->connection_id, id);
	if (sv_starts(property, prefix))
		return holds(json_member(c->metadata, sv_from(property, prefix.len)), id, a);
	return holds(json_member(c->connection_config, property), id, a);
}

/* Types. */

void rule_types(const struct rule *r, const struct json_t *headers, const struct json_t *event,
	struct sv *ret_type, struct sv *ret_header)
{
	*ret_type = r->type ? json_sv(json_find(event, sv_str(r->type))) : SV_NULL;
	*ret_header =
		r->type_header ? json_sv(json_member(headers, sv_str(r->type_header))) : SV_NULL;
}

bool rule_subscribed(const struct json_t *list, struct sv type, struct sv header)
{
	for (size_t i = 0; i < json_len(list); i++) {
		struct sv entry = json_sv(json_item(list, i));
		if (sv_eq_str(entry, "*") || (type.ptr && sv_eq(entry, type)) ||
			(header.ptr && sv_eq(entry, header)))
			return true;
	}
	return false;
}

/* Greetings. */

static struct sv challenge_answer(struct sv challenge, struct arena *a)
{
	own_in(buf_done) struct buf b = { 0 };

	buf_init(&b, ANSWER_MAX);
	buf_str(&b, "{\"challenge\":");
	buf_json_str(&b, challenge);
	buf_char(&b, '}');
	return arena_sv(a, buf_sv(&b));
}

static struct sv query_value(struct sv query, const char *name, struct arena *a)
{
	own(json_unref) struct json_t *pairs = NULL;

	if (!query.len || query_parse(query, &pairs, NULL) < 0)
		return SV_NULL;
	return arena_sv(a, json_sv(json_member(pairs, sv_str(name))));
}

bool rule_hello(const struct rule *r, const struct json_t *body, struct sv query, struct arena *a,
	struct rule_hello *ret)
{
	struct sv text = SV_NULL;

	*ret = (struct rule_hello){ .content_type = "application/json; charset=utf-8" };
	switch (r->hello) {
	case RULE_HELLO_NONE: break;
	case RULE_HELLO_CHALLENGE:
		if (!sv_eq_str(json_sv(json_member(body, SV_LIT("type"))), "url_verification"))
			return false;
		text = json_sv(json_member(body, SV_LIT("challenge")));
		ret->body = challenge_answer(text, a);
		break;
	case RULE_HELLO_VALIDATION_TOKEN:
		text = query_value(query, "validationToken", a);
		ret->body = text;
		ret->content_type = "text/plain; charset=utf-8";
		break;
	case RULE_HELLO_VERIFICATION_TOKEN:
		text = json_sv(json_member(body, SV_LIT("verification_token")));
		break;
	}
	return text.len > 0;
}
