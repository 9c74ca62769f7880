#include "records/batch.h"

#include "base/clock.h"
#include "crypto/keyring.h"
#include "records/decide.h"

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
	mem_free(b);
}

/* Splitting. */

static struct record_item *item_add(struct records_batch *b, size_t *cap)
{
	if (b->count == *cap) {
		struct record_item *old = b->items;
		*cap = *cap ? *cap * 2 : 256;
		b->items = arena_alloc(&b->arena, *cap * sizeof(*b->items));
		if (b->count)
			memcpy(b->items, old, b->count * sizeof(*b->items));
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
	size_t at = XXH3_64bits(item->id.ptr, item->id.len) & mask;

	while (table[at]) {
		if (sv_eq(table[at]->id, item->id))
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

static int found_row(void *ctx, size_t key, struct rows *r, struct err *err)
{
	struct record_item *item = &((struct records_batch *)ctx)->items[key];
	struct sv hash = row_sv(r, 0);

	if (!sv_eq(row_sv(r, 6), item->id))
		return 0;
	if (hash.len != sizeof(item->row.hash))
		return err_set(err, ERR_INTERNAL, "a stored record hash has %zu bytes", hash.len);
	memcpy(item->row.hash, hash.ptr, hash.len);
	item->row.stamp = row_i64(r, 1);
	item->row.row_no = row_i64(r, 2);
	item->row.flags = row_i64(r, 3);
	item->row.size = row_i64(r, 4);
	item->row.writer = row_i64(r, 5);
	item->found = true;
	return 0;
}

static int look_up(struct dbc *c, struct records_batch *b, const struct dataset *d, struct err *err)
{
	struct arg *keys = arena_alloc(db_arena(c), b->count * sizeof(*keys));

	for (size_t i = 0; i < b->count; i++) {
		b->items[i].found = false;
		keys[i] = arg_i64(record_id_hash(b->items[i].id));
	}
	if (!d)
		return 0;
	return db_query_each(c, Q_RECORD_KEY, ARGS(arg_i64(d->connection), arg_i64(d->id)), keys,
		b->count, found_row, b, err);
}

/* Sealing. */

static bool wants_payload(const struct record_item *item)
{
	return item->action != ACTION_NONE && item->action != ACTION_DELETE;
}

static struct sv seal_one(struct records_batch *b, const struct aead_key *key, struct record_ad *ad,
	struct sv id, struct sv payload)
{
	unsigned char *out = arena_alloc(&b->arena, payload.len + AEAD_OVERHEAD);

	aead_seal(key, record_ad(ad, id), payload, out);
	return sv_make((const char *)out, payload.len + AEAD_OVERHEAD);
}

static void seal_item(struct records_batch *b, const struct aead_key *key, struct record_ad *ad,
	struct record_item *item)
{
	own_in(buf_done) struct buf tidy = { 0 };
	struct sv payload = item->merged.ptr ? item->merged : item->payload;

	buf_init(&tidy, payload.len + 16);
	if (item->untidy && !item->merged.ptr) {
		jc_tidy(payload, &tidy);
		assert(buf_ok(&tidy));
		payload = buf_sv(&tidy);
	}
	item->sealed = seal_one(b, key, ad, item->id, payload);
}

static int seal_all(struct records_batch *b, struct err *err)
{
	const struct aead_key *key = keyring_current(b->in.of.keys, b->in.of.environment);
	struct record_ad ad;

	if (!key)
		return err_set(err, ERR_NOT_FOUND, "environment %lld has no data key",
			(long long)b->in.of.environment);
	TRY(record_ad_init(&ad, &b->in.of, err));
	for (size_t i = 0; i < b->count; i++)
		if (wants_payload(&b->items[i]) && !b->items[i].sealed.ptr)
			seal_item(b, key, &ad, &b->items[i]);
	return 0;
}

int batch_decide(struct dbc *c, struct records_batch *b, const struct dataset *d, struct err *err)
{
	TRY(look_up(c, b, d, err));
	if (b->in.op == RECORDS_UPDATE && d)
		TRY(merge_stored(c, b, d, err));
	for (size_t i = 0; i < b->count; i++)
		decide(&b->in, &b->items[i]);
	TRY(seal_all(b, err));
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
