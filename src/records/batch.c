#include "records/batch.h"

#include "base/clock.h"
#include "crypto/aead.h"
#include "db/keys.h"
#include "records/decide.h"
#include "records/payload.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct records_batch *records_batch_new(const struct records_input *in)
{
	struct records_batch *b = NEW(struct records_batch);

	b->in = *in;
	b->version = -1;
	return b;
}

void records_batch_free(struct records_batch *b)
{
	if (!b)
		return;
	arena_done(&b->arena);
	mem_free(b->items);
	mem_free(b);
}

/* Splitting. */

static struct record_item *item_add(struct records_batch *b, size_t *cap)
{
	if (b->count == *cap) {
		*cap = *cap ? *cap * 2 : 256;
		b->items = mem_realloc(b->items, *cap * sizeof(*b->items));
	}
	struct record_item *item = &b->items[b->count++];
	*item = (struct record_item){ 0 };
	return item;
}

static int split(struct records_batch *b, struct jc_scratch *scratch, struct err *err)
{
	struct jc_batch jc;
	struct jc_record r;
	size_t cap = 0;
	int rc;

	jc_batch_init(&jc, b->in.records, b->in.limits, scratch, &b->arena);
	while ((rc = jc_next(&jc, &r, err)) > 0) {
		size_t index = b->count;
		struct record_item *item = item_add(b, &cap);
		item->id = r.id;
		item->id_hash = record_id_hash(r.id);
		item->payload = r.payload;
		item->untidy = r.untidy;
		memcpy(item->hash, r.hash, sizeof(item->hash));
		if (b->in.op == RECORDS_DELETE)
			TRY(deleted_at(r.payload, index, &item->deleted_us, err));
	}
	return rc;
}

/* The item that has this id already, or NULL after noting the item in the table. */
static struct record_item *table_put(
	struct record_item **table, size_t mask, struct record_item *item)
{
	size_t at = (size_t)item->id_hash & mask;

	while (table[at]) {
		if (table[at]->id_hash == item->id_hash && sv_eq(table[at]->id, item->id))
			return table[at];
		at = (at + 1) & mask;
	}
	table[at] = item;
	return NULL;
}

static void drop_duplicates(struct records_batch *b)
{
	size_t size = 16, kept = 0, all = b->count;

	while (size < 2 * all)
		size *= 2;
	struct record_item **table = arena_array(&b->arena, size, sizeof(*table));
	b->duplicates = arena_array(&b->arena, all, sizeof(*b->duplicates));
	for (size_t i = 0; i < all; i++) {
		b->items[kept] = b->items[i];
		struct record_item *first = table_put(table, size - 1, &b->items[kept]);
		if (!first) {
			kept++;
		} else if (!first->repeated) {
			first->repeated = true;
			b->duplicates[b->duplicate_count++] = first->id;
		}
	}
	b->count = kept;
}

int batch_scan(struct records_batch *b, struct err *err)
{
	own(jc_scratch_free) struct jc_scratch *scratch = NULL;

	if (b->scanned)
		return 0;
	scratch = jc_scratch_new();
	b->count = 0;
	TRY(split(b, scratch, err));
	drop_duplicates(b);
	b->digest = XXH3_64bits(b->in.records.ptr, b->in.records.len);
	b->scanned = true;
	return 0;
}

/* Looking up. */

static int look_up(struct dbc *c, struct records_batch *b, const struct dataset *d, struct err *err)
{
	struct arena *a = db_arena(c);
	struct record_id *ids = arena_array(a, b->count, sizeof(*ids));
	struct record_row *rows = arena_array(a, b->count, sizeof(*rows));
	bool *found = arena_array(a, b->count, sizeof(*found));

	for (size_t i = 0; i < b->count; i++)
		ids[i] = (struct record_id){ b->items[i].id, b->items[i].id_hash };
	if (d)
		TRY(ids_find(c, d, ids, b->count, rows, found, err));
	for (size_t i = 0; i < b->count; i++) {
		b->items[i].found = found[i];
		b->items[i].row = rows[i];
	}
	return 0;
}

/* Sealing. */

static bool wants_payload(const struct record_item *item)
{
	return item->action != ACTION_NONE && item->action != ACTION_DELETE;
}

/* What is stored of an item: the merged payload, or its own, tidy. */
static struct sv stored_payload(const struct record_item *item, struct buf *tidy)
{
	if (item->merged.ptr)
		return item->merged;
	if (!item->untidy)
		return item->payload;
	buf_clear(tidy);
	jc_tidy(item->payload, tidy);
	return buf_sv(tidy);
}

static bool wants_seal(const struct record_item *item)
{
	return wants_payload(item) && !item->sealed.ptr;
}

/* At most, of the tidy ones; the others, which are rare, get room of their own. */
static size_t sealed_room(const struct records_batch *b)
{
	size_t room = 0;

	for (size_t i = 0; i < b->count; i++)
		if (wants_seal(&b->items[i]) && !b->items[i].untidy)
			room += AEAD_OVERHEAD + (b->items[i].merged.ptr ? b->items[i].merged.len
									: b->items[i].payload.len);
	return room;
}

struct sealing {
	const struct aead_key *key;
	struct record_ad ad;
	struct buf tidy, packed;
	unsigned char *room;
};

static void sealing_done(struct sealing *s)
{
	buf_done(&s->tidy);
	buf_done(&s->packed);
}

static void seal_item(struct records_batch *b, struct sealing *s, struct record_item *item)
{
	struct sv payload = payload_pack(stored_payload(item, &s->tidy), &s->packed);
	size_t len = payload.len + AEAD_OVERHEAD;
	unsigned char *out = s->room;

	if (item->untidy)
		out = arena_alloc(&b->arena, len);
	else
		s->room += len;
	aead_seal(s->key, record_ad(&s->ad, item->id), payload, out);
	item->sealed = sv_make((const char *)out, len);
}

static int seal_all(struct dbc *c, struct records_batch *b, struct err *err)
{
	own_in(sealing_done) struct sealing s = { 0 };

	TRY(keys_current(c, b->in.of.keys, b->in.of.environment, &s.key, err));
	TRY(record_ad_init(&s.ad, &b->in.of, err));
	buf_init(&s.tidy, 2 * (size_t)JC_BATCH_BYTES_MAX);
	buf_init(&s.packed, JC_BATCH_BYTES_MAX);
	/* One piece for all: a chunk for each record costs more than sealing it. */
	s.room = arena_alloc(&b->arena, sealed_room(b));
	for (size_t i = 0; i < b->count; i++)
		if (wants_seal(&b->items[i]))
			seal_item(b, &s, &b->items[i]);
	return 0;
}

int batch_decide(struct dbc *c, struct records_batch *b, const struct dataset *d, struct err *err)
{
	TRY(look_up(c, b, d, err));
	if (b->in.op == RECORDS_UPDATE && d)
		TRY(merge_stored(c, b, d, err));
	for (size_t i = 0; i < b->count; i++)
		decide(&b->in, &b->items[i]);
	TRY(seal_all(c, b, err));
	b->version = d ? d->version : -1;
	return 0;
}

int records_prepare(struct dbc *c, struct records_batch *b, struct err *err)
{
	struct dataset d;

	TRY(batch_scan(b, err));
	int rc = dataset_find(c, &b->in.of, &d, err);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		return rc;
	return batch_decide(c, b, rc < 0 ? NULL : &d, err);
}
