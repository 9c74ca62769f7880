#include "sync/fetch.h"

#include "data/json.h"

const struct redirect_policy fetch_policy = { .max_hops = 5, .keep = REDIRECT_KEEP_SAME_ORIGIN };

int fetch_request(const struct json_t *head, struct sv body, struct arena *a,
	struct http_request *ret, struct err *err)
{
	const struct json_t *headers = json_member(head, SV_LIT("headers"));
	struct http_request req = { .method = SV_LIT("GET"), .body = body.len ? body : SV_NULL };
	size_t n = json_len(headers);

	TRY(json_get_str(head, "url", &req.url, err));
	struct sv method = json_sv(json_member(head, SV_LIT("method")));
	if (method.len)
		req.method = method;
	struct http_header *list = arena_array(a, n + 1, sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[i] = (struct http_header){ json_sv(json_item(json_item(headers, i), 0)),
			json_sv(json_item(json_item(headers, i), 1)) };
	req.headers = list;
	req.header_count = n;
	*ret = req;
	return 0;
}

static struct json_t *header_pairs(const struct http_headers *headers)
{
	struct json_t *all = json_new_arr();

	for (size_t i = 0; i < headers->count; i++) {
		struct json_t *pair = json_new_arr();
		json_push(pair, json_new_str(headers->items[i].name));
		json_push(pair, json_new_str(headers->items[i].value));
		json_push(all, pair);
	}
	return all;
}

struct json_t *fetch_head(const struct http_response *res)
{
	struct json_t *head = json_new_obj();

	json_set_int(head, "status", res->status);
	json_set_str(head, "statusText", res->reason.ptr ? res->reason : SV_LIT(""));
	json_set(head, SV_LIT("headers"), header_pairs(&res->headers));
	return head;
}

/* Functions know three codes; everything else failed on the network. */
void fetch_failure(const struct http_error *e, const char **ret_kind, const char **ret_code)
{
	const char *code = e->code ? e->code : "ECONNRESET";

	*ret_kind = "client";
	*ret_code = code;
	if (!strcmp(code, "ERR_FR_TOO_MANY_REDIRECTS"))
		*ret_code = "too_many_redirects";
	else if (!strncmp(code, "denied_", 7) || !strcmp(code, "redirect_denied") ||
		 !strcmp(code, "invalid_scheme") || !strcmp(code, "invalid_url"))
		*ret_code = "url_not_allowed";
	else if (strcmp(code, "invalid_redirect"))
		*ret_kind = "network";
}
