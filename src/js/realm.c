#include "js/realm.h"

#include "base/mem.h"
#include "js/memory.h"
#include "js/native.h"
#include "js/value.h"

#include <stdio.h>

/* js/prelude, bundled; see prelude.S of the build. */
extern const char prelude_js[], prelude_js_end[];

/* Stands in stack traces, where the prelude recognises its own frames by it. */
#define PRELUDE_NAME "tidemark:prelude"
#define STRICT "\"use strict\";"

static const char *const ENTRY_NAMES[] = {
#define X(name) #name,
	REALM_ENTRIES(X)
#undef X
};

static int prelude_failed(struct realm *r, JSValueRef exception, struct err *err)
{
	struct buf why;

	buf_init(&why, 4096);
	value_describe(r->ctx, exception, &why);
	int code = err_set(err, ERR_INTERNAL, "the prelude failed: %.*s", SV(buf_sv(&why)));
	buf_done(&why);
	return code;
}

static JSObjectRef protected_member(struct realm *r, JSObjectRef of, const char *name)
{
	JSValueRef v = value_get(r->ctx, of, name);

	assert(jsc.ValueIsObject(r->ctx, v));
	jsc.ValueProtect(r->ctx, v);
	return (JSObjectRef)v;
}

static int read_entries(struct realm *r, JSObjectRef native, struct err *err)
{
	JSValueRef entries = value_get(r->ctx, native, "entries");
	JSValueRef exception = NULL;
	struct buf prefix;

	if (!jsc.ValueIsObject(r->ctx, entries))
		return err_set(err, ERR_INTERNAL, "the prelude has no entries");
	for (size_t i = 0; i < ENTRY_COUNT; i++)
		r->entries[i] = protected_member(r, (JSObjectRef)entries, ENTRY_NAMES[i]);
	JSValueRef v = jsc.ObjectCallAsFunction(
		r->ctx, r->entries[ENTRY_wrapperPrefix], NULL, 0, NULL, &exception);
	if (!v)
		return prelude_failed(r, exception, err);
	buf_init(&prefix, 4096);
	value_add_text(r->ctx, v, &prefix);
	r->prefix = buf_steal(&prefix, NULL);
	return 0;
}

/* Microseconds of set-up, once; where the time goes: evaluating zod, then the freeze walk. */
static int evaluate_prelude(struct realm *r, struct err *err)
{
	JSObjectRef global = jsc.ContextGetGlobalObject(r->ctx);
	JSObjectRef native = native_object(r, !r->own);
	JSValueRef exception = NULL;
	JSStringRef source =
		value_jsstring(sv_make(prelude_js, (size_t)(prelude_js_end - prelude_js)));
	JSStringRef name = value_jsstring(SV_LIT(PRELUDE_NAME));

	r->error = protected_member(r, global, "Error");
	value_set(r->ctx, global, "__host", native);
	jsc.ValueProtect(r->ctx, native);
	JSValueRef ok = jsc.EvaluateScript(r->ctx, source, NULL, name, 1, &exception);
	int code = ok ? read_entries(r, native, err) : prelude_failed(r, exception, err);
	jsc.ValueUnprotect(r->ctx, native);
	jsc.StringRelease(source);
	jsc.StringRelease(name);
	return code;
}

static void realm_free(struct realm *r)
{
	mem_free(r->prefix);
	mem_free(r->wrappers);
	/* What is still protected goes with the context. */
	jsc.GlobalContextRelease(r->ctx);
	jsc.ContextGroupRelease(r->group);
	mem_free(r);
}

static struct realm *shared_realm(struct host *h, int64_t env)
{
	struct realm *r = h->realms;

	while (r && (r->own || r->retired || r->env != env))
		r = r->next;
	return r;
}

static int realm_new(struct host *h, int64_t env, bool own, struct realm **ret, struct err *err)
{
	struct realm *r = NEW(struct realm);

	*r = (struct realm){ .host = h, .env = env, .own = own, .group = jsc.ContextGroupCreate() };
	r->ctx = jsc.GlobalContextCreateInGroup(r->group, NULL);
	int code = evaluate_prelude(r, err);
	if (code < 0) {
		realm_free(r);
		return code;
	}
	JSValueRef exception = NULL;
	jsc.GlobalContextSetUnhandledRejectionCallback(
		r->ctx, r->entries[ENTRY_unhandled], &exception);
	r->next = h->realms;
	h->realms = r;
	/* What the realm takes is no run's doing. */
	h->entry.resident = memory_resident(h->statm);
	*ret = r;
	return 0;
}

int realm_for(struct host *h, int64_t env, bool own, struct realm **ret, struct err *err)
{
	struct realm *r = own ? NULL : shared_realm(h, env);

	if (!r && !own) {
		/* The one made ahead of time belongs to whoever comes first. */
		r = shared_realm(h, REALM_UNCLAIMED);
		if (r)
			r->env = env;
	}
	if (!r)
		return realm_new(h, env, own, ret, err);
	*ret = r;
	return 0;
}

void realm_release(struct realm *r)
{
	struct realm **at = &r->host->realms;

	if (r->runs > 0 || (!r->own && !r->retired))
		return;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	realm_free(r);
}

void realm_free_all(struct host *h)
{
	while (h->realms) {
		struct realm *r = h->realms;
		h->realms = r->next;
		realm_free(r);
	}
}

static JSStringRef wrapped(const char *before, const struct code *code, const char *after)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_str(&text, before);
	buf_add(&text, code->source, code->source_len);
	buf_str(&text, after);
	JSStringRef s = value_jsstring(buf_sv(&text));
	buf_done(&text);
	return s;
}

/*
 * A bundle must be a whole program by itself: one that closes the wrapper's braces and opens others
 * would otherwise execute outside of the function that keeps its variables from other runs.
 */
static bool whole_program(
	struct realm *r, const struct code *code, JSStringRef file, JSValueRef *ret_exception)
{
	JSStringRef alone = wrapped(STRICT, code, "");
	bool ok = jsc.CheckScriptSyntax(r->ctx, alone, file, 1, ret_exception);

	/* The check only says that there is an error; making a function of it says which. */
	if (!ok)
		jsc.ObjectMakeFunction(r->ctx, NULL, 0, NULL, alone, file, 1, ret_exception);
	jsc.StringRelease(alone);
	return ok;
}

static JSObjectRef compile(struct realm *r, const struct code *code, JSValueRef *ret_exception)
{
	JSStringRef file = value_jsstring(sv_str(code->file));
	JSValueRef fn = NULL;

	if (whole_program(r, code, file, ret_exception)) {
		/* Everything before the code is on its first line: positions stay right. */
		JSStringRef source = wrapped(r->prefix, code, "\n})");
		fn = jsc.EvaluateScript(r->ctx, source, NULL, file, 1, ret_exception);
		jsc.StringRelease(source);
	}
	jsc.StringRelease(file);
	return (JSObjectRef)fn;
}

static void make_room(struct realm *r, size_t index)
{
	if (index < r->wrapper_cap)
		return;
	size_t cap = index + 64;
	r->wrappers = mem_realloc(r->wrappers, cap * sizeof(*r->wrappers));
	memset(r->wrappers + r->wrapper_cap, 0, (cap - r->wrapper_cap) * sizeof(*r->wrappers));
	r->wrapper_cap = cap;
}

JSObjectRef realm_wrapper(struct realm *r, struct code *code, JSValueRef *ret_exception)
{
	make_room(r, code->index);
	JSObjectRef *slot = &r->wrappers[code->index];

	if (!*slot) {
		*slot = compile(r, code, ret_exception);
		if (*slot)
			jsc.ValueProtect(r->ctx, *slot);
	}
	return *slot;
}
