/*
 * HTTP header fields as lists: order is kept, names compare without case, repeats stay. Lists grow
 * in the arena of whoever owns the message. Pure functions, any thread.
 */
#pragma once

#include "base/mem.h"

struct http_header {
	struct sv name, value;
};

struct http_headers {
	struct http_header *items;
	size_t count, cap;
};

/* Borrows name and value: they must live as long as the list. */
void http_headers_add(struct arena *a, struct http_headers *h, struct sv name, struct sv value);

/* The first value of that name; absent when there is none. */
struct sv http_header_find(const struct http_header *items, size_t count, struct sv name);
static inline struct sv http_headers_get(const struct http_headers *h, const char *name)
{
	return http_header_find(h->items, h->count, sv_str(name));
}

/* Removes every field of that name, keeping the order of the rest. */
void http_headers_remove(struct http_headers *h, struct sv name);
/* As the only one of its name; borrows as http_headers_add does. */
void http_headers_set(struct arena *a, struct http_headers *h, struct sv name, struct sv value);

/* A token, as field names and methods must be. */
bool http_token_ok(struct sv name);
/* Nothing that could end the field: no CR, LF or NUL. */
bool http_header_value_ok(struct sv value);

/* "HTTP/1.1 404 Not Found" with or without its line end. False unless it is a status line. */
bool http_status_line_parse(struct sv line, int *ret_status, struct sv *ret_reason);

/* "Name: value" with or without its line end; the value is trimmed. False without a colon. */
bool http_header_line_parse(struct sv line, struct http_header *ret);

/* The registered reason of a status: "Not Found"; "" when there is none. */
const char *http_reason(int status);

/* raw with its %XX decoded; raw itself when there is none. */
struct sv http_unpercent(struct arena *a, struct sv raw);
