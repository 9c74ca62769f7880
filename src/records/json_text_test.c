/*
 * Generated texts, judged by json_canon.h and by jansson: which are JSON, and which say the same.
 * The numbers beyond what jansson can hold are compared with their own digits. Seeded: a failure
 * names its number.
 */
#include "data/json.h"
#include "records/json_canon.h"
#include "records/json_plain_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct jc_scratch *scratch;
static uint64_t seed;

static int setup(void **state UNUSED)
{
	scratch = jc_scratch_new();
	return 0;
}

static int teardown(void **state UNUSED)
{
	jc_scratch_free(scratch);
	return 0;
}

static unsigned rnd(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

/* Whether it is a record to us, and its hash. */
static bool ours(struct sv text, uint64_t hash[2])
{
	struct arena arena = { 0 };
	struct jc_record r;
	struct err err;

	bool ok = jc_one(text, (struct jc_limits){ 0 }, scratch, &arena, &r, &err) == 0;
	if (ok)
		memcpy(hash, r.hash, sizeof(r.hash));
	arena_done(&arena);
	return ok;
}

static void hash_value(struct sv value, uint64_t hash[2])
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b, "{\"id\":\"x\",\"v\":%.*s}", SV(value));
	if (!ours(buf_sv(&b), hash))
		fail_msg("refused: %s", b.ptr);
	buf_done(&b);
}

/* Numbers. */

struct decimal {
	char digits[48]; /* the first and the last are not 0 */
	int count, exponent; /* of ten, behind the last digit */
};

static void make_decimal(struct decimal *d)
{
	d->count = 1 + (int)rnd(rnd(2) ? 40 : 17);
	for (int i = 0; i < d->count; i++)
		d->digits[i] = (char)('0' + rnd(10));
	d->digits[0] = (char)('1' + rnd(9));
	d->digits[d->count - 1] = (char)('1' + rnd(9));
	d->exponent = (int)rnd(60) - 40 + (rnd(8) ? 0 : (int)rnd(2000000000) - 1000000000);
}

/* One of its many texts: the point anywhere, more zeros, the exponent to match. */
static void spell(const struct decimal *d, struct buf *out)
{
	int before = (int)rnd((unsigned)d->count + 1), zeros = (int)rnd(4);
	int exponent = d->exponent + d->count - before;

	buf_clear(out);
	if (before == 0)
		buf_char(out, '0');
	buf_add(out, d->digits, (size_t)before);
	if (before < d->count || zeros)
		buf_char(out, '.');
	buf_add(out, d->digits + before, (size_t)(d->count - before));
	for (int i = 0; i < zeros; i++)
		buf_char(out, '0');
	if (exponent || rnd(2))
		buf_printf(out, "%c%s%s%d", "eE"[rnd(2)],
			exponent < 0 ? "-"
			: rnd(2)     ? "+"
				     : "",
			rnd(3) ? "" : "000", exponent < 0 ? -exponent : exponent);
}

static bool same_value(struct sv a, struct sv b)
{
	uint64_t x[2], y[2];

	hash_value(a, x);
	hash_value(b, y);
	return x[0] == y[0] && x[1] == y[1];
}

/* Apart in the last digit, which a double need not show. */
static void numbers_are_exact(void **state UNUSED)
{
	struct buf a, b;
	struct decimal d;

	buf_init(&a, 1000);
	buf_init(&b, 1000);
	for (unsigned i = 0; i < 20000; i++) {
		seed = i;
		make_decimal(&d);
		spell(&d, &a);
		spell(&d, &b);
		if (!same_value(buf_sv(&a), buf_sv(&b)))
			fail_msg("seed %u: %s is %s", i, a.ptr, b.ptr);
		char *last = &d.digits[d.count - 1];
		*last = (char)(*last == '9' ? '1' : *last + 1);
		spell(&d, &b);
		if (same_value(buf_sv(&a), buf_sv(&b)))
			fail_msg("seed %u: %s is not %s", i, a.ptr, b.ptr);
	}
	buf_done(&a);
	buf_done(&b);
}

/* Texts. */

static void put_text(struct buf *out, unsigned depth)
{
	static const char *const leaves[] = { "1", "-0", "1.0", "0.5", "1e2", "12E-1", "1e400",
		"-12345678901234567", "9007199254740993", "123456789012345678901", "true", "false",
		"null", "\"\"", "\"a\"", "\"\\u00e9\"", "\"\xC3\xA9\"", "\"\\ud83d\\ude00\"",
		"\"\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\\n\\\"\\/\"", "\"\\u0001\"",
		"\"\xF0\x9F\x98\x80\"", "[]", "{}", " 7\n" };
	static const char *const keys[] = { "a", "b", "\\u0061", "long key", "\\u00e9", "" };
	unsigned n = rnd(5), kind = rnd(4);

	if (depth == 0 || kind < 2) {
		buf_str(out, leaves[rnd(ARRAY_LEN(leaves))]);
		return;
	}
	buf_char(out, kind == 2 ? '[' : '{');
	for (unsigned i = 0; i < n; i++) {
		buf_str(out, i ? "," : rnd(4) ? "" : "\t");
		if (kind == 3)
			buf_printf(out, "\"%s\":", keys[rnd(ARRAY_LEN(keys))]);
		put_text(out, depth - 1);
	}
	buf_char(out, kind == 2 ? ']' : '}');
}

/* Exchanges, repeats or drops a byte. Never the NUL, at which no text of ours ends. */
static void break_text(struct buf *b)
{
	static const char bytes[] = "{}[],:\"\\/ \n01-+.eEutfn\x01\x7f\x80\xC3\xED\xF4\xff";
	size_t at = rnd((unsigned)b->len);

	switch (rnd(3)) {
	case 0: b->ptr[at] = bytes[rnd(sizeof(bytes) - 1)]; break;
	case 1:
		memmove(b->ptr + at, b->ptr + at + 1, b->len - at - 1);
		b->len--;
		break;
	default: buf_char(b, b->ptr[at]); break;
	}
}

static void judge(unsigned number, struct sv value, struct buf *text, int counts[2])
{
	own(json_unref) struct json_t *doc = NULL;
	uint64_t hash[2], again[2];
	struct err err;

	buf_clear(text);
	buf_printf(text, "{\"id\":\"x\",\"v\":%.*s}", SV(value));
	bool mine = ours(buf_sv(text), hash), theirs = json_parse(buf_sv(text), &doc, &err) == 0;
	counts[mine]++;
	if ((theirs && !mine) || (mine && !theirs && json_is_plain(value)))
		fail_msg(
			"seed %u: accepted %d, by jansson %d: %s", number, mine, theirs, text->ptr);
	if (!theirs || !json_is_plain(value))
		return;
	buf_clear(text);
	json_dump_sorted(doc, text);
	if (!ours(buf_sv(text), again) || hash[0] != again[0] || hash[1] != again[1])
		fail_msg("seed %u: jansson reads it as %s", number, text->ptr);
}

static void texts_are_judged_alike(void **state UNUSED)
{
	int counts[2] = { 0 };
	struct buf value, text;

	buf_init(&value, 1 << 20);
	buf_init(&text, 1 << 20);
	for (unsigned i = 0; i < 60000; i++) {
		seed = i;
		buf_clear(&value);
		put_text(&value, rnd(6));
		for (unsigned k = rnd(3); k > 0 && value.len > 1; k--)
			break_text(&value);
		if (!memmem(value.ptr, value.len, "id", 2))
			judge(i, buf_sv(&value), &text, counts);
	}
	assert_true(counts[false] > 5000); /* both were tried */
	assert_true(counts[true] > 20000);
	buf_done(&value);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(texts_are_judged_alike),
	};
	return cmocka_run_group_tests_name("json_text", tests, setup, teardown);
}
