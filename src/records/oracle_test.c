#include "records/oracle_test.h"

#include "records/read.h"

#include <stdlib.h>

void oracle_batch_done(struct oracle_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		json_unref(b->items[i].value);
	b->count = 0;
}

void oracle_free(struct oracle_dataset *d)
{
	for (int i = 0; i < ORACLE_IDS; i++)
		json_unref(take(d->records[i].payload));
}

static void put_payload(struct oracle_record *r, struct json_t *taken)
{
	json_unref(r->payload);
	r->payload = taken;
}

unsigned oracle_action(const struct oracle_record *r)
{
	if (r->deleted)
		return RECORDS_DELETED;
	return r->created == r->moved ? RECORDS_ADDED : RECORDS_UPDATED;
}

/* Batches. */

static void record_seen(struct oracle_record *r, int64_t run)
{
	if (run > r->seen)
		r->seen = run;
}

static void record_move(struct oracle_dataset *d, struct oracle_record *r, int64_t run)
{
	r->moved = ++d->position;
	r->writer = run;
}

static bool is_guarded(const struct oracle_record *r, const struct oracle_batch *b)
{
	return b->guard && r->moved > b->guard && (b->run == 0 || r->writer != b->run);
}

static enum record_status add(
	struct oracle_dataset *d, struct oracle_record *r, struct json_t *payload, int64_t run)
{
	if (!r->exists)
		r->row = ++d->rows;
	put_payload(r, json_clone(payload));
	record_move(d, r, run);
	r->created = r->moved;
	r->exists = true;
	r->deleted = r->pruned = false;
	r->deleted_us = 0;
	return RECORD_ADDED;
}

/* The content a live or deleted record should have now. */
static enum record_status save(struct oracle_dataset *d, const struct oracle_batch *b,
	struct oracle_record *r, struct json_t *payload)
{
	bool same = json_same(r->payload, payload);

	if (is_guarded(r, b))
		return same && !r->pruned ? RECORD_UNCHANGED : RECORD_IGNORED;
	if (r->deleted)
		return add(d, r, payload, b->run);
	r->pruned = false;
	if (same)
		return RECORD_UNCHANGED;
	put_payload(r, json_clone(payload));
	record_move(d, r, b->run);
	return RECORD_UPDATED;
}

static void merge(struct json_t *into, const struct json_t *patch)
{
	struct json_t *value;
	void *it = NULL;
	struct sv key;

	while (json_next(patch, &it, &key, &value)) {
		struct json_t *old = json_member(into, key);
		if (json_kind(old) == JSON_KIND_OBJECT && json_kind(value) == JSON_KIND_OBJECT)
			merge(old, value);
		else
			json_set(into, key, json_clone(value));
	}
}

static enum record_status update(struct oracle_dataset *d, const struct oracle_batch *b,
	struct oracle_record *r, const struct json_t *patch)
{
	if (!r->exists || r->deleted)
		return RECORD_IGNORED;
	own(json_unref) struct json_t *merged = r->pruned ? json_new_obj() : json_clone(r->payload);
	merge(merged, patch);
	return save(d, b, r, merged);
}

static enum record_status mark_deleted(struct oracle_dataset *d, const struct oracle_batch *b,
	struct oracle_record *r, int64_t deleted_us)
{
	if (!r->exists || r->deleted || is_guarded(r, b))
		return RECORD_IGNORED;
	r->deleted = true;
	r->deleted_us = deleted_us;
	record_move(d, r, b->run);
	return RECORD_DELETED;
}

static enum record_status apply_item(
	struct oracle_dataset *d, const struct oracle_batch *b, const struct oracle_item *item)
{
	struct oracle_record *r = &d->records[item->id];
	enum record_status status = RECORD_IGNORED;

	switch (b->op) {
	case RECORDS_SAVE:
		status = r->exists ? save(d, b, r, item->value) : add(d, r, item->value, b->run);
		break;
	case RECORDS_UPDATE: status = update(d, b, r, item->value); break;
	case RECORDS_DELETE: status = mark_deleted(d, b, r, item->deleted_us); break;
	}
	if (r->exists)
		record_seen(r, b->run);
	return status;
}

struct oracle_result oracle_apply(struct oracle_dataset *d, const struct oracle_batch *b)
{
	struct oracle_result ret = { 0 };
	int times[ORACLE_IDS] = { 0 };
	int64_t before = d->position;

	for (size_t i = 0; i < b->count; i++) {
		if (times[b->items[i].id]++) { /* the first wins */
			ret.duplicates += times[b->items[i].id] == 2;
			continue;
		}
		switch (apply_item(d, b, &b->items[i])) {
		case RECORD_ADDED: ret.counts.added++; break;
		case RECORD_UPDATED: ret.counts.updated++; break;
		case RECORD_DELETED: ret.counts.deleted++; break;
		case RECORD_UNCHANGED: ret.counts.unchanged++; break;
		case RECORD_IGNORED: ret.counts.ignored++; break;
		}
	}
	ret.moved = d->position > before;
	return ret;
}

/* Orders. */

static int by_moved(const void *a, const void *b)
{
	const struct oracle_record *const *x = a, *const *y = b;

	return ((*x)->moved > (*y)->moved) - ((*x)->moved < (*y)->moved);
}

static int by_row(const void *a, const void *b)
{
	const struct oracle_record *const *x = a, *const *y = b;

	return ((*x)->row > (*y)->row) - ((*x)->row < (*y)->row);
}

static size_t sorted(struct oracle_dataset *d, int (*order)(const void *, const void *),
	struct oracle_record *list[ORACLE_IDS])
{
	size_t n = 0;

	for (int i = 0; i < ORACLE_IDS; i++)
		if (d->records[i].exists)
			list[n++] = &d->records[i];
	qsort(list, n, sizeof(struct oracle_record *), order);
	return n;
}

size_t oracle_feed(struct oracle_dataset *d, int64_t after, unsigned actions,
	struct oracle_record *list[ORACLE_IDS])
{
	size_t n = sorted(d, by_moved, list), kept = 0;

	for (size_t i = 0; i < n; i++)
		if (list[i]->moved > after && (!actions || (oracle_action(list[i]) & actions)))
			list[kept++] = list[i];
	return kept;
}

int64_t oracle_live(struct oracle_dataset *d)
{
	int64_t n = 0;

	for (int i = 0; i < ORACLE_IDS; i++)
		n += d->records[i].exists && !d->records[i].deleted;
	return n;
}

/* Deletion and pruning. */

size_t oracle_outdated(
	struct oracle_dataset *d, int64_t generation, int64_t run, int ids[ORACLE_IDS])
{
	struct oracle_record *list[ORACLE_IDS];
	size_t n = sorted(d, by_row, list), deleted = 0;

	for (size_t i = 0; i < n; i++) {
		struct oracle_record *r = list[i];
		if (r->deleted || r->seen >= generation)
			continue;
		r->deleted = true;
		r->deleted_us = 0;
		record_move(d, r, run);
		ids[deleted++] = (int)(r - d->records);
	}
	return deleted;
}

int64_t oracle_prune(struct oracle_dataset *d, int64_t until, int64_t limit, int64_t *ret_last)
{
	struct oracle_record *list[ORACLE_IDS];
	size_t n = sorted(d, by_moved, list);
	int64_t count = 0;

	for (size_t i = 0; i < n && list[i]->moved <= until && count < limit; i++) {
		if (list[i]->pruned)
			continue;
		list[i]->pruned = true;
		*ret_last = list[i]->moved;
		count++;
	}
	return count;
}

int64_t oracle_empty(struct oracle_dataset *d, int64_t limit)
{
	struct oracle_record *list[ORACLE_IDS];
	size_t n = sorted(d, by_moved, list), i;

	for (i = 0; i < n && (int64_t)i < limit; i++) {
		json_unref(list[i]->payload);
		*list[i] = (struct oracle_record){ 0 };
	}
	return (int64_t)i;
}
