/* Records against the JSON Schema of their model, as far as the environment asks for it. */
#include "data/schema.h"
#include "sync/call.h"

#include <stdio.h>

enum { ISSUES = 1 };

/* The schema of a model; NULL when there is none that can be used. */
static struct schema *compile(struct flight *fl, struct sv model)
{
	own(json_unref) struct json_t *doc = NULL;
	struct schema *s = NULL;
	char root[300];

	if (!fl->run.json_schema.ptr || json_parse(fl->run.json_schema, &doc, NULL) < 0)
		return NULL;
	snprintf(root, sizeof(root), "#/definitions/%.*s", SV(model));
	return schema_new(doc, sv_str(root), &s, NULL) < 0 ? NULL : s;
}

static struct schema *schema_of(struct flight *fl, struct sv model)
{
	struct model_schema *m = fl->schemas;

	while (m && !sv_eq(m->model, model))
		m = m->next;
	if (!m) {
		m = NEW(struct model_schema);
		m->model = sv_make(mem_svdup(model), model.len);
		m->schema = compile(fl, model);
		m->next = fl->schemas;
		fl->schemas = m;
	}
	return m->schema;
}

void check_free(struct flight *fl)
{
	while (fl->schemas) {
		struct model_schema *m = fl->schemas;
		fl->schemas = m->next;
		schema_free(m->schema);
		mem_free((char *)m->model.ptr);
		mem_free(m);
	}
}

static void check_all(
	const struct schema *s, const struct json_t *records, struct check_report *ret)
{
	struct schema_issue issue;

	for (size_t i = 0; i < json_len(records); i++) {
		if (schema_check(s, json_item(records, i), &issue, ISSUES) == 0)
			continue;
		if (ret->wrong++ == 0)
			snprintf(ret->first, sizeof(ret->first), "records[%zu]%s: %s", i,
				issue.path, issue.msg);
	}
}

int check_records(struct flight *fl, struct sv model, struct sv records, struct check_report *ret,
	struct err *err)
{
	own(json_unref) struct json_t *all = NULL;

	*ret = (struct check_report){ 0 };
	if (sv_eq_str(fl->run.validation, "off"))
		return 0;
	struct schema *s = schema_of(fl, model);
	/* What is no JSON at all, the record store says better. */
	if (!s || schema_accepts(s, records) || json_parse(records, &all, NULL) < 0)
		return 0;
	check_all(s, all, ret);
	if (!ret->wrong || !sv_eq_str(fl->run.validation, "fail"))
		return 0;
	return err_set(err, ERR_INVALID, "%zu of %zu records do not match the model %.*s: %s",
		ret->wrong, json_len(all), SV(model), ret->first);
}
