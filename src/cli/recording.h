/*
 * A recorded conversation (`<function>.test.json`, spec/function-runtime.md 6): what the function
 * is given, the provider's answers, and what it must save. Pure: no I/O but reading the file.
 * Used by `tidemark test`; written by `tidemark dryrun --save`. Beside the public format's members
 * it may have `now` (ISO time: the function's clock), `error` ({type, payload}: how it fails),
 * `nango.getCheckpoint` and `nango.triggerAction`: the answers of actions (cli/replay.c).
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cli/params.h"

struct json_t;

struct recording_exchange {
	const char *method; /* lower case */
	struct sv path; /* without leading slash, without query */
	struct params params; /* of the endpoint and of request.params, sorted */
	struct json_t *entry; /* {response, status, headers, hash?, request?} */
	bool used;
};

struct recording {
	struct json_t *root;
	struct recording_exchange *exchanges;
	size_t count;
	struct arena arena;
};

int recording_parse(struct sv text, struct recording *ret, struct err *err) MUST_CHECK;
int recording_from(struct json_t *root, struct recording *ret, struct err *err) MUST_CHECK; /* takes
	over root */
void recording_done(struct recording *r);

/* When it was made, in ms: its `now`, else the earliest Date header of an answer; 0 = unknown. */
int64_t recording_now_ms(const struct recording *r);
bool recording_has_now(const struct recording *r); /* to the millisecond, not by a Date header */

/* Splits "/path?query": the path without leading slash, the query's pairs appended. */
void recording_split(struct sv endpoint, struct sv *ret_path, struct params *query);

/*
 * The answer to a request as the runner states it (head of a CALL proxy or uncontrolled_fetch, and
 * its body). Recordings carry a hash of what was asked: where it fits, the request is the recorded
 * one whatever `request` says; else its parameters, headers and data are compared. An unused
 * exchange is preferred over a used one, so that repeated requests get their answers in order.
 * ERR_NOT_FOUND with a text that shows the nearest recorded request.
 */
int recording_match(struct recording *r, struct json_t *head, struct sv body,
	struct recording_exchange **ret, struct err *err) MUST_CHECK;

/*
 * Whether `got` is what `want` says, deeply. At the first difference false, with its path and
 * both sides appended to out: `Issue[3].labels[0].name: expected "bug", got "feature"`.
 */
bool recording_same(
	const char *what, const struct json_t *want, const struct json_t *got, struct buf *out);
