/* Query strings and the encodings. */
#include "base/buf.h"
#include "data/enc.h"
#include "data/json.h"
#include "data/query.h"
#include "data/uuid.h"
#include "fuzz.h"

static void check_query(struct sv text, struct buf *b)
{
	struct json_t *v = NULL, *again = NULL;

	if (query_parse(text, &v, NULL) < 0)
		return;
	CHECK(json_kind(v) == JSON_KIND_OBJECT);
	buf_clear(b);
	json_dump_compact(v, b);
	/* json_parse refuses keys with U+0000, which a query can spell. */
	bool nul = b->len && strstr(b->ptr, "\\u0000");
	CHECK(!buf_ok(b) || nul || json_parse(buf_sv(b), &again, NULL) == 0);
	CHECK(!again || json_same(v, again));
	json_unref(v);
	json_unref(again);
}

static void check_round_trips(struct sv text, struct buf *there, struct buf *back)
{
	buf_clear(there), buf_clear(back);
	enc_base64(there, text);
	CHECK(enc_unbase64_strict(back, buf_sv(there)) && sv_eq(buf_sv(back), text));
	buf_clear(there), buf_clear(back);
	enc_base64url(there, text);
	enc_unbase64(back, buf_sv(there));
	CHECK(sv_eq(buf_sv(back), text));
	buf_clear(there), buf_clear(back);
	enc_hex(there, text);
	CHECK(enc_unhex(back, buf_sv(there)) && sv_eq(buf_sv(back), text));
	for (int rule = ENC_COMPONENT; rule <= ENC_PATH; rule++) {
		buf_clear(there), buf_clear(back);
		enc_percent(there, text, (enum enc_percent)rule);
		enc_unpercent(back, buf_sv(there), rule == ENC_FORM);
		CHECK(sv_eq(buf_sv(back), text));
	}
	buf_clear(there);
	enc_utf8(there, text);
	CHECK(enc_is_utf8(buf_sv(there)));
	CHECK(!enc_is_utf8(text) || sv_eq(buf_sv(there), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size);
	struct buf a, b;

	if (size > 1 << 16)
		return 0;
	buf_init(&a, 1 << 22);
	buf_init(&b, 1 << 22);
	check_query(text, &a);
	check_round_trips(text, &a, &b);
	enc_unbase64_strict(&a, text);
	enc_unbase64(&a, text);
	enc_unhex(&a, text);
	enc_unpercent(&a, text, true);
	uuid_is_valid(text);
	buf_done(&a);
	buf_done(&b);
	return 0;
}
