#include "cli/lint.h"

#include "base/mem.h"
#include "base/sv.h"

#include <ctype.h>
#include <stdio.h>

/* Calls looked at: a file with more was not written by a person. */
enum { USES_MAX = 2000 };

struct lint {
	struct sv source;
	struct sv code; /* the same length, with comments and texts blanked */
	struct lint_warning *found;
	size_t count, max;
};

/* Methods whose promise must be awaited, for what they do happens on the server. */
static const char *const promising[] = { "proxy", "get", "post", "put", "patch", "delete",
	"batchSave", "batchSend", "batchUpdate", "batchDelete", "getRecordsByIds", "getConnection",
	"getMetadata", "setMetadata", "updateMetadata", "getToken", "getIntegration",
	"getWebhookURL", "getEnvironmentVariables", "getCheckpoint", "saveCheckpoint",
	"clearCheckpoint", "trackDeletesStart", "trackDeletesEnd", "setMergingStrategy",
	"deleteRecordsFromPreviousExecutions", "triggerAction", "triggerSync", "startSync",
	"tryAcquireLock", "releaseLock", "releaseAllLocks", "uncontrolledFetch", "log" };
static const char *const requesting[] = { "proxy", "get", "post", "put", "patch", "delete",
	"paginate" };
static const char *const saving[] = { "batchSave", "batchSend", "batchUpdate", "batchDelete" };

static bool in_list(struct sv name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq_str(name, list[i]))
			return true;
	return false;
}
#define IN(name, list) in_list(name, list, ARRAY_LEN(list))

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static void warn(struct lint *l, size_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void warn(struct lint *l, size_t at, const char *fmt, ...)
{
	va_list ap;

	if (l->count == l->max)
		return;
	struct lint_warning *w = &l->found[l->count++];
	*w = (struct lint_warning){ .line = 1, .column = 1 };
	for (size_t i = 0; i < at; i++) {
		w->column = l->source.ptr[i] == '\n' ? 1 : w->column + 1;
		w->line += l->source.ptr[i] == '\n';
	}
	va_start(ap, fmt);
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
}

/* Blanking: what stands in comments and quotes is no code. */

static size_t end_of_comment(struct sv s, size_t i)
{
	bool line = s.ptr[i + 1] == '/';

	for (i += 2; i < s.len; i++) {
		if (line && s.ptr[i] == '\n')
			return i;
		if (!line && s.ptr[i] == '/' && s.ptr[i - 1] == '*')
			return i + 1;
	}
	return s.len;
}

/* Behind the closing quote. Templates are taken as a whole, with the code in them. */
static size_t end_of_quote(struct sv s, size_t i)
{
	char quote = s.ptr[i];

	for (i++; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == quote || (s.ptr[i] == '\n' && quote != '`'))
			return i + 1;
	}
	return s.len;
}

static struct sv blanked(struct arena *a, struct sv s)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t i = 0;

	for (size_t k = 0; k < s.len; k++)
		out[k] = s.ptr[k] ? s.ptr[k] : ' ';
	out[s.len] = 0;
	while (i < s.len) {
		size_t end = i;
		if (s.ptr[i] == '/' && i + 1 < s.len &&
			(s.ptr[i + 1] == '/' || s.ptr[i + 1] == '*'))
			end = end_of_comment(s, i);
		else if (s.ptr[i] == '\'' || s.ptr[i] == '"' || s.ptr[i] == '`')
			end = end_of_quote(s, i);
		/* The quotes themselves stay: something stands there. */
		for (size_t k = i; k < end; k++)
			if (out[k] != '\n' && strchr("'\"`", out[k]) == NULL)
				out[k] = ' ';
		i = end > i ? end : i + 1;
	}
	return sv_make(out, s.len);
}

/* Reading calls. */

struct use {
	size_t at; /* of "nango" */
	struct sv method;
	size_t open, close; /* of its parentheses */
};

static size_t skip_space(struct sv s, size_t i)
{
	while (i < s.len && isspace((unsigned char)s.ptr[i]))
		i++;
	return i;
}

/* Behind <...>, where type arguments stand. */
static size_t skip_types(struct sv s, size_t i)
{
	size_t depth = 0;

	if (i >= s.len || s.ptr[i] != '<')
		return i;
	for (; i < s.len; i++) {
		depth += s.ptr[i] == '<';
		/* Not the arrow of a function type. */
		if (s.ptr[i] == '>' && s.ptr[i - 1] != '=' && --depth == 0)
			return i + 1;
	}
	return s.len;
}

static size_t closing(struct sv s, size_t open)
{
	size_t depth = 0;

	for (size_t i = open; i < s.len; i++) {
		depth += strchr("([{", s.ptr[i]) != NULL;
		if (strchr(")]}", s.ptr[i]) && --depth == 0)
			return i;
	}
	return s.len;
}

/* The next `nango.method(...)` at or behind *i. */
static bool next_use(const struct lint *l, size_t *i, struct use *ret)
{
	struct sv s = l->code;

	for (;;) {
		ptrdiff_t found = *i < s.len ? sv_find(sv_from(s, *i), SV_LIT("nango")) : -1;
		if (found < 0)
			return false;
		size_t at = *i + (size_t)found, p = at + 5;
		*i = p;
		if ((at && (is_word(s.ptr[at - 1]) || s.ptr[at - 1] == '.')) ||
			(p < s.len && is_word(s.ptr[p])))
			continue;
		p = skip_space(s, p);
		if (p >= s.len || s.ptr[p] != '.')
			continue;
		size_t name = skip_space(s, p + 1);
		for (p = name; p < s.len && is_word(s.ptr[p]);)
			p++;
		size_t open = skip_space(s, skip_types(s, p));
		if (open >= s.len || s.ptr[open] != '(')
			continue;
		*ret = (struct use){ at, sv_make(s.ptr + name, p - name), open, closing(s, open) };
		return true;
	}
}

/* The rules. */

/* A statement of its own: nothing before it takes the promise, no .then behind it does. */
static bool is_dropped(const struct lint *l, const struct use *u)
{
	struct sv s = l->code;
	size_t before = u->at;

	while (before > 0 && isspace((unsigned char)s.ptr[before - 1]))
		before--;
	size_t after = skip_space(s, u->close + 1);
	if (after < s.len && s.ptr[after] == '.')
		return false;
	return before == 0 || strchr(";{}", s.ptr[before - 1]) != NULL;
}

static bool has_word(struct sv s, const char *word, size_t *ret_at)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= s.len; i++)
		if (memcmp(s.ptr + i, word, len) == 0 && (i == 0 || !is_word(s.ptr[i - 1])) &&
			(i + len == s.len || !is_word(s.ptr[i + len]))) {
			*ret_at = i;
			return true;
		}
	return false;
}

static void check_call(struct lint *l, const struct use *u)
{
	struct sv args = sv_make(l->code.ptr + u->open, u->close - u->open);
	size_t at, unused;

	if (IN(u->method, promising) && is_dropped(l, u))
		warn(l, u->at, "nango.%.*s is not awaited: a failure of it would go unnoticed",
			SV(u->method));
	if (IN(u->method, requesting) && has_word(args, "retryOn", &at) &&
		!has_word(args, "retries", &unused))
		warn(l, u->open + at, "retryOn does nothing without retries");
}

/* The first quoted text of the arguments, or the last: where the model's name stands. */
static struct sv model_of(const struct lint *l, const struct use *u, bool last)
{
	struct sv args = sv_make(l->source.ptr + u->open, u->close - u->open), found = SV_NULL;

	for (size_t i = 0; i < args.len; i++) {
		if (args.ptr[i] != '\'' && args.ptr[i] != '"')
			continue;
		size_t end = end_of_quote(args, i);
		if (end - i < 2)
			break;
		found = sv_make(args.ptr + i + 1, end - i - 2);
		if (!last)
			break;
		i = end - 1;
	}
	return found;
}

/* Of one model: Start, then what is saved, then End, each once. In the order of the text. */
static void check_tracking(struct lint *l, const struct use *first, const char *mine)
{
	struct sv model = model_of(l, first, false);
	size_t i = 0, starts = 0, ends = 0;
	struct use u;

	while (model.ptr && next_use(l, &i, &u)) {
		bool start = sv_eq_str(u.method, "trackDeletesStart");
		bool end = sv_eq_str(u.method, "trackDeletesEnd");
		bool save = IN(u.method, saving);
		if ((!start && !end && !save) || !sv_eq(model_of(l, &u, save), model))
			continue;
		starts += start;
		ends += end;
		if (start && starts > 1)
			warn(l, u.at, "a second %s('%.*s')", mine, SV(model));
		else if (end && ends > 1)
			warn(l, u.at, "a second trackDeletesEnd('%.*s')", SV(model));
		else if (save && starts == 0)
			warn(l, u.at, "%.*s of '%.*s' before %s", SV(u.method), SV(model), mine);
		else if (save && ends > 0)
			warn(l, u.at, "%.*s of '%.*s' behind trackDeletesEnd", SV(u.method),
				SV(model));
	}
}

static void check_merging(struct lint *l, const struct use *merging)
{
	size_t i = 0;
	struct use u;

	while (next_use(l, &i, &u) && u.at < merging->at)
		if (IN(u.method, saving) || IN(u.method, requesting)) {
			warn(l, merging->at,
				"setMergingStrategy comes too late behind nango.%.*s: it must see "
				"the records as they were",
				SV(u.method));
			return;
		}
}

/* Once per model: for the first Start of it. */
static bool is_first_start(const struct lint *l, const struct use *start)
{
	size_t i = 0;
	struct use u;

	while (next_use(l, &i, &u) && u.at < start->at)
		if (sv_eq_str(u.method, "trackDeletesStart") &&
			sv_eq(model_of(l, &u, false), model_of(l, start, false)))
			return false;
	return true;
}

size_t lint_source(struct sv source, struct lint_warning *ret, size_t max)
{
	own_in(arena_done) struct arena a = { 0 };
	struct lint l = { .source = source, .found = ret, .max = max };
	size_t i = 0, uses = 0;
	struct use u;

	l.code = blanked(&a, source);
	while (uses++ < USES_MAX && next_use(&l, &i, &u)) {
		check_call(&l, &u);
		if (sv_eq_str(u.method, "trackDeletesStart") && is_first_start(&l, &u))
			check_tracking(&l, &u, "trackDeletesStart");
		if (sv_eq_str(u.method, "setMergingStrategy"))
			check_merging(&l, &u);
	}
	return l.count;
}
