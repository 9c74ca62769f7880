#include "records/known.h"

#include "base/mem.h"

/*
 * A filter is a list of parts, each for twice the rows of the one before: 65,536, 131,072... so
 * that it grows without being made anew. 16 bits a row and 8 probes find 1 in 1,750 that is not
 * there in a full part (the usual (1 - e^(-8/16))^8). A dataset of up to 65,536 rows takes 128 KB,
 * one of 4,128,768 rows 8 MB; larger ones are looked up as if there were no filter.
 */
enum { PARTS = 6, PART_ROWS = 65536, ROW_BITS = 16, PROBES = 8 };
#define MOST_ROWS ((int64_t)PART_ROWS * ((1 << PARTS) - 1))

/* Of all filters. */
enum { SETS = 64, MOST_BYTES = 32 << 20 };

/* Rows read for each id that is asked for, and at least, when behind. */
enum { LEARN = 4, LEARN_MIN = 1000 };

/* A set that was not used for so many batches of others gives way where there is no room. */
enum { PATIENCE = 4 * SETS };

struct known_set {
	int64_t connection, dataset, numbering, era;
	int64_t rows; /* those numbered below are in the filter, or gone */
	int64_t used; /* the last batch it was used for; 0 = no set */
	uint64_t *parts[PARTS];
};

struct known {
	int64_t batches;
	size_t bytes; /* of all parts */
	struct known_set sets[SETS];
};

#ifdef TIDEMARK_TEST_HOOKS
_Atomic int64_t known_skipped;
size_t known_most_bytes;
#endif

static size_t most_bytes(void)
{
#ifdef TIDEMARK_TEST_HOOKS
	if (known_most_bytes)
		return known_most_bytes;
#endif
	return MOST_BYTES;
}

static size_t part_of(int64_t row)
{
	return 63 - (size_t)__builtin_clzll((uint64_t)(row / PART_ROWS + 1));
}

static uint64_t part_bits(size_t part)
{
	return (uint64_t)PART_ROWS * ROW_BITS << part;
}

/* Sets. The lock is held. */

static void set_clear(struct known *k, struct known_set *s)
{
	for (size_t i = 0; i < PARTS; i++)
		if (s->parts[i]) {
			k->bytes -= part_bits(i) / 8;
			mem_free(s->parts[i]);
		}
	*s = (struct known_set){ 0 };
}

static void known_free(void *data)
{
	struct known *k = data;

	for (size_t i = 0; i < SETS; i++)
		set_clear(k, &k->sets[i]);
	mem_free(k);
}

static struct known_set *set_free(struct known *k)
{
	for (size_t i = 0; i < SETS; i++)
		if (!k->sets[i].used)
			return &k->sets[i];
	return NULL;
}

/* Of those that may give way the one that was not used for longest; never `keep`. */
static struct known_set *set_idle(struct known *k, const struct known_set *keep)
{
	struct known_set *idle = NULL;

	for (size_t i = 0; i < SETS; i++) {
		struct known_set *s = &k->sets[i];
		if (s->used && s != keep && k->batches - s->used >= PATIENCE &&
			(!idle || s->used < idle->used))
			idle = s;
	}
	return idle;
}

static struct known_set *set_begin(struct known *k, struct known_set *s, const struct dataset *d)
{
	set_clear(k, s);
	*s = (struct known_set){
		.connection = d->connection,
		.dataset = d->id,
		.numbering = d->numbering,
		.era = d->era,
		.used = k->batches,
	};
	return s;
}

static struct known_set *set_find(struct known *k, const struct dataset *d)
{
	for (size_t i = 0; i < SETS; i++) {
		struct known_set *s = &k->sets[i];
		if (s->used && s->connection == d->connection && s->dataset == d->id)
			return s;
	}
	return NULL;
}

static bool set_is_of(const struct known_set *s, const struct dataset *d)
{
	return s && s->numbering == d->numbering && s->era == d->era;
}

/* That of the dataset, or one that it may have; NULL when others are in use. */
static struct known_set *set_of(struct known *k, const struct dataset *d)
{
	struct known_set *s = set_find(k, d);

	k->batches++;
	if (s && s->era == d->era && s->numbering > d->numbering)
		return NULL; /* somebody who began before the rows were numbered again */
	if (s && !set_is_of(s, d))
		return set_begin(k, s, d);
	if (s) {
		s->used = k->batches;
		return s;
	}
	s = set_free(k);
	if (!s)
		s = set_idle(k, NULL);
	return s ? set_begin(k, s, d) : NULL;
}

/* Sees to it that the part is there, or that there is room for it; false: others need it. */
static bool part_fits(struct known *k, const struct known_set *s, size_t part)
{
	size_t bytes = part_bits(part) / 8;

	while (!s->parts[part] && k->bytes + bytes > most_bytes()) {
		struct known_set *idle = set_idle(k, s);
		if (!idle)
			return false;
		set_clear(k, idle);
	}
	return true;
}

/* The filter. */

/* The i-th bit of a hash is at (first + i * step) modulo the bits, which are a power of two. */
struct probes {
	uint64_t first, step;
};

static struct probes probes_of(int64_t hash)
{
	uint64_t x = (uint64_t)hash * 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio: mixes upwards */

	return (struct probes){ .first = x >> 32, .step = x | 1 };
}

static void put(struct known *k, struct known_set *s, size_t part, int64_t hash)
{
	uint64_t mask = part_bits(part) - 1;
	struct probes p = probes_of(hash);

	if (!s->parts[part]) {
		s->parts[part] = mem_zalloc(part_bits(part) / 8);
		k->bytes += part_bits(part) / 8;
	}
	for (uint64_t i = 0; i < PROBES; i++) {
		uint64_t at = (p.first + i * p.step) & mask;
		s->parts[part][at / 64] |= (uint64_t)1 << at % 64;
	}
}

static bool part_has(const uint64_t *bits, uint64_t mask, struct probes p)
{
	for (uint64_t i = 0; i < PROBES; i++) {
		uint64_t at = (p.first + i * p.step) & mask;
		if (!(bits[at / 64] >> at % 64 & 1))
			return false;
	}
	return true;
}

/* In one of the parts from `from` up to `to`. */
static bool may_have(const struct known_set *s, size_t from, size_t to, int64_t hash)
{
	struct probes p = probes_of(hash);

	for (size_t i = from; i < to; i++)
		if (s->parts[i] && part_has(s->parts[i], part_bits(i) - 1, p))
			return true;
	return false;
}

static void keep_possible(const struct known_set *s, const struct dataset *d,
	const struct record_id *ids, struct known_ids *keep)
{
	size_t n = 0, recent = 0, boundary = part_of(d->indexed);

	for (size_t i = 0; i < keep->count; i++) {
		size_t index = keep->index[i];
		int64_t hash = ids[index].hash;
		if (may_have(s, boundary, PARTS, hash)) {
			keep->index[n++] = keep->index[recent];
			keep->index[recent++] = index;
		} else if (may_have(s, 0, boundary, hash)) {
			keep->index[n++] = index;
		}
	}
#ifdef TIDEMARK_TEST_HOOKS
	known_skipped += (int64_t)(keep->count - n);
#endif
	keep->count = n;
	keep->recent = recent;
}

/* Learning: rows are read without the lock. */

struct lesson {
	int64_t from, next; /* row numbers: all rows in between are listed, or gone */
	int64_t *rows, *hashes;
	size_t count;
};

static int lesson_read(
	struct dbc *c, const struct dataset *d, size_t most, struct lesson *l, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	int rc;

	l->rows = arena_array(db_arena(c), most, sizeof(*l->rows));
	l->hashes = arena_array(db_arena(c), most, sizeof(*l->hashes));
	TRY(db_query(c, Q_RECORD_KEY_IDS,
		ARGS(arg_i64(d->connection), arg_i64(d->id), arg_i64(l->from), arg_i64(d->next_row),
			arg_i64((int64_t)most)),
		&rows, err));
	while ((rc = rows_next(&rows, err)) > 0) {
		l->rows[l->count] = row_i64(&rows, 0);
		l->hashes[l->count++] = record_id_hash(row_sv(&rows, 1));
	}
	l->next = l->count == most ? l->rows[l->count - 1] + 1 : d->next_row;
	return rc;
}

/* The lock is held. */
static void learn(struct known *k, struct known_set *s, const struct lesson *l)
{
	int64_t next = l->next;

	if (s->rows < l->from)
		return; /* made anew meanwhile */
	for (size_t i = 0; i < l->count; i++) {
		size_t part = part_of(l->rows[i]);
		if (!part_fits(k, s, part)) {
			next = l->rows[i];
			break;
		}
		put(k, s, part, l->hashes[i]);
	}
	if (s->rows < next)
		s->rows = next;
}

/* Where to go on reading; a negative number: there is no set to learn for, or no room. */
static int64_t known_rows(struct db_memo *memo, const struct dataset *d)
{
	pthread_mutex_lock(&memo->lock);
	if (!memo->data) {
		memo->data = NEW(struct known);
		memo->free = known_free;
	}
	const struct known_set *s = set_of(memo->data, d);
	bool fits = s && (s->rows >= d->next_row || part_fits(memo->data, s, part_of(s->rows)));
	int64_t rows = fits ? s->rows : -1;
	pthread_mutex_unlock(&memo->lock);
	return rows;
}

int known_filter(struct dbc *c, const struct dataset *d, const struct record_id *ids,
	struct known_ids *keep, struct err *err)
{
	size_t most = keep->count * LEARN < LEARN_MIN ? LEARN_MIN : keep->count * LEARN;
	struct db_memo *memo = db_memo(c);
	struct lesson l = { 0 };

	keep->recent = keep->count;
	if (!memo || !d->era || d->next_row > MOST_ROWS)
		return 0;
	l.from = l.next = known_rows(memo, d);
	if (l.from < 0)
		return 0;
	if (l.from < d->next_row)
		TRY(lesson_read(c, d, most, &l, err));
	pthread_mutex_lock(&memo->lock);
	struct known_set *s = set_find(memo->data, d);
	if (set_is_of(s, d)) {
		learn(memo->data, s, &l);
		if (s->rows >= d->next_row)
			keep_possible(s, d, ids, keep);
	}
	pthread_mutex_unlock(&memo->lock);
	return 0;
}
