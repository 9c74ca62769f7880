#include "records/merge.h"

#include "base/mem.h"
#include "records/json_canon.h"
#include "records/json_walk.h"

#include <stdlib.h>

struct entry {
	struct sv key, value;
	size_t order;
};

struct members {
	struct entry *list; /* sorted by key; of equal keys the last in the text */
	size_t count;
	struct sv *keys; /* all, in the order of the text, in their canonical spelling */
};

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	size_t n = x->key.len < y->key.len ? x->key.len : y->key.len;
	int rc = n ? memcmp(x->key.ptr, y->key.ptr, n) : 0;

	if (rc == 0)
		rc = (x->key.len > y->key.len) - (x->key.len < y->key.len);
	return rc ? rc : (x->order > y->order) - (x->order < y->order);
}

static struct members members_of(struct arena *a, struct sv object)
{
	struct members m = { 0 };
	struct sv key, value;
	struct walk w;
	size_t n = 0, kept = 0;

	walk_begin(&w, object);
	while (walk_next(&w, &key, &value))
		n++;
	m.list = arena_alloc(a, n * sizeof(*m.list));
	m.keys = arena_alloc(a, n * sizeof(*m.keys));
	walk_begin(&w, object);
	for (size_t i = 0; i < n && walk_next(&w, &key, &value); i++) {
		m.keys[i] = jc_key(key, a);
		m.list[i] = (struct entry){ .key = m.keys[i], .value = value, .order = i };
	}
	if (n)
		qsort(m.list, n, sizeof(*m.list), by_key);
	for (size_t i = 0; i < n; i++)
		if (i + 1 == n || !sv_eq(m.list[i].key, m.list[i + 1].key))
			m.list[kept++] = m.list[i];
	m.count = kept;
	return m;
}

static const struct entry *member_find(const struct members *m, struct sv key)
{
	size_t low = 0, high = m->count;
	struct entry want = { .key = key, .order = SIZE_MAX };

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (sv_eq(m->list[mid].key, key))
			return &m->list[mid];
		if (by_key(&m->list[mid], &want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void put_key(struct buf *out, struct sv key, bool *comma)
{
	buf_str(out, *comma ? ",\"" : "\"");
	buf_sv_add(out, key);
	buf_str(out, "\":");
	*comma = true;
}

static void merge_into(struct arena *a, struct sv stored, struct sv patch, struct buf *out)
{
	struct members old = members_of(a, stored), new = members_of(a, patch);
	struct sv key, value;
	struct walk w;
	bool comma = false;
	size_t i;

	buf_char(out, '{');
	walk_begin(&w, stored);
	for (i = 0; walk_next(&w, &key, &value); i++) {
		key = old.keys[i];
		if (member_find(&old, key)->order != i || member_find(&new, key))
			continue;
		put_key(out, key, &comma);
		buf_sv_add(out, value);
	}
	walk_begin(&w, patch);
	for (i = 0; walk_next(&w, &key, &value); i++) {
		key = new.keys[i];
		if (member_find(&new, key)->order != i)
			continue;
		const struct entry *before = member_find(&old, key);
		put_key(out, key, &comma);
		if (before && before->value.ptr[0] == '{' && value.ptr[0] == '{')
			merge_into(a, before->value, value, out);
		else
			buf_sv_add(out, value);
	}
	buf_char(out, '}');
}

int merge_objects(struct sv stored, struct sv patch, struct buf *out, struct err *err)
{
	struct arena a = { 0 };

	merge_into(&a, stored, patch, out);
	arena_done(&a);
	return buf_ok(out) ? 0 : err_set(err, ERR_LIMIT, "a merged record is too large");
}
