#include "js/code.h"

#include "base/mem.h"

/* FNV-1a: keys are content hashes of our own server, nobody chooses them. */
static size_t bucket_of(struct sv key)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.ptr[i]) * 16777619u;
	return h % CODE_BUCKETS;
}

static void code_free(struct code *c)
{
	mem_free(c->key);
	mem_free(c->file);
	mem_free(c->source);
	mem_free(c);
}

void code_table_done(struct code_table *t)
{
	for (size_t i = 0; i < CODE_BUCKETS; i++)
		for (struct code *c = t->buckets[i], *next; c; c = next) {
			next = c->next;
			code_free(c);
		}
	*t = (struct code_table){ 0 };
}

struct code *code_find(const struct code_table *t, struct sv key)
{
	struct code *c = t->buckets[bucket_of(key)];

	while (c && !sv_eq_str(key, c->key))
		c = c->next;
	return c;
}

struct code *code_add(struct code_table *t, struct sv key, struct sv file, struct sv source)
{
	struct code *c = code_find(t, key);

	if (c)
		return c;
	c = NEW(struct code);
	c->key = mem_svdup(key);
	c->file = mem_svdup(file);
	c->source = mem_svdup(source);
	c->source_len = source.len;
	c->index = t->count++;
	struct code **head = &t->buckets[bucket_of(key)];
	c->next = *head;
	*head = c;
	return c;
}
