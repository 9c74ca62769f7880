/* URLs and parameters of provider requests, as functions and providers write them. */
#include "base/sv.h"
#include "data/params.h"
#include "fuzz.h"
#include "proxy/cert.h"
#include "proxy/url.h"

#include <string.h>

/* No byte that a request line could not take; a host may be international. */
static void check_clean(struct sv url)
{
	struct sv host = url_split(url).host;

	for (size_t i = 0; i < url.len; i++) {
		unsigned char c = (unsigned char)url.ptr[i];
		bool in_host = url.ptr + i >= host.ptr && url.ptr + i < host.ptr + host.len;
		CHECK(c > ' ' && c != 0x7f && (c < 0x7f || in_host));
	}
}

static void check_url(struct sv text, struct arena *a)
{
	struct sv url, again;
	struct err err = { 0 };

	if (url_normalise(text, a, &url, &err) < 0) {
		CHECK(err.msg[0]);
		return;
	}
	check_clean(url);
	CHECK(sv_starts(url, SV_LIT("http://")) || sv_starts(url, SV_LIT("https://")));
	/* Normal already: nothing changes any more. */
	CHECK(url_normalise(url, a, &again, &err) == 0 && sv_eq(url, again));
	struct url_parts p = url_split(url);
	CHECK(p.host.len > 0);
	const struct proxy_pair set = { SV_LIT("a b"), SV_LIT("=&?#") };
	url = url_set_params(url, &set, 1, a);
	if (!url.ptr)
		return;
	check_clean(url);
	CHECK(sv_find(url_split(url).query, SV_LIT("a+b=%3D%26%3F%23")) >= 0);
}

static void check_params(struct sv text, struct arena *a)
{
	struct sv once = params_canonical_pairs(text, a);

	/* Canonical already: nothing changes any more. */
	CHECK(!once.ptr || sv_eq(once, params_canonical_pairs(once, a)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size);
	struct arena a = { 0 };

	if (size > 1 << 14)
		return 0;
	check_url(text, &a);
	check_params(text, &a);
	struct sv pem = pem_repair(text, &a);
	CHECK(!pem.ptr || sv_eq(pem, pem_repair(pem, &a)));
	arena_done(&a);
	return 0;
}
