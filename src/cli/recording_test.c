/* Which recorded exchange answers which request. */
#include "cli/recording.h"

#include "base/sv.h"
#include "data/json.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

static const char *const recorded =
	"{\"api\":{\"get\":{"
	"\"/list\":[{\"response\":\"first\",\"request\":{\"params\":{\"page\":1}}},"
	"{\"response\":\"second\",\"request\":{\"params\":{\"page\":\"2\",\"page[size]\":\"5\"}}}],"
	"\"/again\":[{\"response\":\"one\",\"request\":{}},{\"response\":\"two\",\"request\":{}}],"
	"\"/query?a=1\":{\"response\":\"query\",\"request\":{}},"
	"\"/bare?a=1\":{\"response\":\"bare\"},"
	"\"/versioned\":{\"response\":\"header\",\"request\":{\"headers\":{\"X-Version\":\"2\"}}},"
	/* Edited: what it says of the request is not what the hash was made of. */
	"\"/edited\":{\"response\":\"edited\",\"request\":{\"params\":{\"other\":\"1\"}},"
	"\"hash\":\"1bcb84c56c8f87182ffd11f4227cbee2245ce4ac\"},"
	"\"/ids\":{\"response\":\"ids\",\"request\":{\"params\":{\"ids\":[1,2]}}}},"
	"\"post\":{"
	"\"/make\":[{\"response\":\"a\",\"request\":{\"data\":{\"n\":1,\"s\":\"x\"}}},"
	"{\"response\":\"b\",\"request\":{\"data\":{\"n\":2}}}],"
	"\"/form\":{\"response\":\"form\",\"request\":{\"data\":{\"a\":\"1 2\",\"b\":3}}},"
	"\"/bytes\":{\"response\":\"bytes\",\"request\":{\"data\":\"AAEC\"}},"
	"\"/large\":[{\"response\":\"other\",\"request\":{\"data\":"
	"\"sha1:0000000000000000000000000000000000000000\"}},"
	"{\"response\":\"large\",\"request\":{\"data\":"
	"\"sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\"}}]}}}";

/* The answer expected to a request; NULL: there is none. */
static const struct {
	const char *head, *body, *answer;
} cases[] = {
	{ "{\"method\":\"GET\",\"endpoint\":\"/list\",\"params\":[[\"page\",\"1\"]]}", "",
		"first" },
	{ "{\"method\":\"get\",\"endpoint\":\"list?page=1\"}", "", "first" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/list\",\"params\":\"page%5Bsize%5D=5&page=2\"}", "",
		"second" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/list?page=7\",\"params\":[[\"page\",\"1\"]]}", "",
		"first" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/list\",\"params\":[[\"page\",\"3\"]]}", "", NULL },
	{ "{\"method\":\"GET\",\"endpoint\":\"/list\"}", "", NULL },
	{ "{\"method\":\"POST\",\"endpoint\":\"/list\",\"params\":[[\"page\",\"1\"]]}", "", NULL },
	{ "{\"method\":\"GET\",\"endpoint\":\"/again\"}", "", "one" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/again\"}", "", "two" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/again\"}", "", "one" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/query\",\"params\":[[\"a\",\"1\"]]}", "", "query" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/query\"}", "", NULL },
	{ "{\"method\":\"GET\",\"endpoint\":\"/bare?b=2&a=1\"}", "", "bare" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/bare?a=2\"}", "", NULL },
	{ "{\"method\":\"GET\",\"endpoint\":\"/versioned\",\"headers\":{\"x-version\":\"2\"}}", "",
		"header" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/versioned\",\"headers\":{\"x-version\":\"3\"}}", "",
		NULL },
	{ "{\"method\":\"GET\",\"endpoint\":\"/edited\",\"params\":[[\"b\",\"2\"],[\"a\",\"1\"]]}",
		"", "edited" },
	{ "{\"method\":\"GET\",\"endpoint\":\"/ids\",\"params\":[[\"ids\",\"1,2\"]]}", "", "ids" },
	/* A fetch is found by its path. */
	{ "{\"method\":\"GET\",\"url\":\"https://api.example.com/again?\",\"headers\":[]}", "",
		"one" },
	{ "{\"method\":\"POST\",\"endpoint\":\"/make\"}", "{\"s\":\"x\",\"n\":1}", "a" },
	{ "{\"method\":\"POST\",\"endpoint\":\"/make\"}", "{\"n\":2}", "b" },
	{ "{\"method\":\"POST\",\"endpoint\":\"/make\"}", "{\"n\":3}", NULL },
	{ "{\"method\":\"POST\",\"endpoint\":\"/form\"}", "b=3&a=1+2", "form" },
	{ "{\"method\":\"POST\",\"endpoint\":\"/form\"}", "b=3", NULL },
	{ "{\"method\":\"POST\",\"endpoint\":\"/large\"}", "hello", "large" },
};

static struct sv answer_to(struct recording *r, const char *head, struct sv body)
{
	own(json_unref) struct json_t *h = NULL;
	struct recording_exchange *x;
	struct err err = { 0 };

	assert_int_equal(json_parse(sv_str(head), &h, &err), 0);
	int rc = recording_match(r, h, body, &x, &err);
	if (rc < 0) {
		assert_int_equal(rc, ERR_NOT_FOUND);
		return SV_NULL;
	}
	return json_sv(json_member(x->entry, SV_LIT("response")));
}

static void finds_the_recorded_answer(void **state UNUSED)
{
	struct recording r;
	struct err err = { 0 };

	assert_int_equal(recording_parse(sv_str(recorded), &r, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sv got = answer_to(&r, cases[i].head, sv_str(cases[i].body));
		if (!cases[i].answer && got.ptr)
			fail_msg("%s: got %.*s", cases[i].head, SV(got));
		if (cases[i].answer && !sv_eq_str(got, cases[i].answer))
			fail_msg("%s %s: expected %s, got %.*s", cases[i].head, cases[i].body,
				cases[i].answer, SV(got));
	}
	assert_true(sv_eq_str(answer_to(&r, "{\"method\":\"POST\",\"endpoint\":\"/bytes\"}",
				      sv_make("\0\1\2", 3)),
		"bytes"));
	recording_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_the_recorded_answer) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
