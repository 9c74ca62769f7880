#include "proxy/cert.h"

#include "base/buf.h"
#include "base/sv.h"
#include "data/json.h"
#include "model/provider.h"

#include <ctype.h>

enum { PEM_MAX = 64 * 1024, LINE = 64 };

static bool is_base64(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '/' || c == '=';
}

/* The lines between BEGIN and END; "\\n" as two characters separates as well as a line end. */
static bool add_lines(struct sv body, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < body.len; i++) {
		char c = body.ptr[i];
		if (c == '\\' && i + 1 < body.len &&
			(body.ptr[i + 1] == 'n' || body.ptr[i + 1] == 'r')) {
			i++;
		} else if (is_base64(c)) {
			buf_char(out, c);
			if (++n % LINE == 0)
				buf_char(out, '\n');
		} else if (!isspace((unsigned char)c)) {
			return false;
		}
	}
	if (n % LINE)
		buf_char(out, '\n');
	return n > 0;
}

/* "CERTIFICATE", "EC PRIVATE KEY"... */
static bool is_label(struct sv s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isupper((unsigned char)s.ptr[i]) && !isdigit((unsigned char)s.ptr[i]) &&
			s.ptr[i] != ' ')
			return false;
	return s.len > 0;
}

/* One block at the beginning of *text, which moves behind it. */
static bool add_block(struct sv *text, struct buf *out)
{
	static const struct sv dashes = SV_LIT("-----");
	ptrdiff_t label = sv_find(*text, SV_LIT("-----BEGIN "));

	if (label < 0)
		return false;
	struct sv name = sv_from(*text, (size_t)label + 11);
	ptrdiff_t end = sv_find(name, dashes);
	if (end <= 0)
		return false;
	struct sv body = sv_from(name, (size_t)end + dashes.len);
	name.len = (size_t)end;
	if (!is_label(name))
		return false;
	ptrdiff_t stop = sv_find(body, SV_LIT("-----END "));
	if (stop < 0)
		return false;
	*text = sv_from(body, (size_t)stop);
	body.len = (size_t)stop;
	buf_printf(out, "-----BEGIN %.*s-----\n", SV(name));
	if (!add_lines(body, out))
		return false;
	buf_printf(out, "-----END %.*s-----\n", SV(name));
	return true;
}

struct sv pem_repair(struct sv text, struct arena *a)
{
	own_in(buf_done) struct buf out = { 0 };
	bool any = false;

	buf_init(&out, PEM_MAX);
	while (sv_find(text, SV_LIT("-----BEGIN ")) >= 0) {
		if (!add_block(&text, &out))
			return SV_NULL;
		any = true;
	}
	return any && buf_ok(&out) ? arena_sv(a, buf_sv(&out)) : SV_NULL;
}

static int one(const struct proxy_target *t, const char *name, struct arena *a, struct sv *ret,
	struct err *err)
{
	struct sv text = json_sv(json_member(t->credentials.json, sv_str(name)));

	*ret = pem_repair(text, a);
	if (ret->ptr)
		return 0;
	return err_set(err, ERR_INVALID,
		"the provider wants a client certificate, but %s in the credentials of connection "
		"'%.*s' is %s",
		name, SV(t->connection_id), text.len ? "no PEM" : "missing");
}

int proxy_client_cert(
	const struct proxy_target *t, struct arena *a, struct http_request *req, struct err *err)
{
	if (!t->provider->client_certificate)
		return 0;
	TRY(one(t, "client_certificate", a, &req->client_cert, err));
	return one(t, "client_private_key", a, &req->client_key, err);
}
