#include "js/native.h"

#include "base/clock.h"
#include "base/mem.h"
#include "js/run.h"
#include "js/value.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#define ZLIB_CONST
#include <zlib.h>

/* One call: who called and with what. */
struct call {
	struct host *host;
	const struct realm *realm; /* for comparison only: it may be gone */
	JSContextRef ctx;
	size_t argc;
	const JSValueRef *argv;
	JSValueRef *exception;
};

typedef JSValueRef native_fn(const struct call *c);

/* Behind each function object, freed when the engine lets go of that. */
struct native {
	native_fn *fn;
	struct host *host;
	const struct realm *realm;
};

enum { LOGS_MAX = 16 << 20 }; /* unsent output above which log lines are dropped */
enum { INFLATE_MAX = (64 << 20) + 1 }; /* bytes out of one file of a zip archive */

static JSValueRef arg(const struct call *c, size_t i)
{
	return i < c->argc ? c->argv[i] : jsc.ValueMakeUndefined(c->ctx);
}

static uint32_t arg_u32(const struct call *c, size_t i)
{
	return (uint32_t)value_i64(c->ctx, arg(c, i), 0);
}

/* The run that argument 0 names, if it is alive and of the caller's realm. */
static struct run *arg_run(const struct call *c)
{
	struct run *run = run_find(c->host, arg_u32(c, 0));

	return run && !run->over && run->realm == c->realm ? run : NULL;
}

static JSValueRef undefined(const struct call *c)
{
	return jsc.ValueMakeUndefined(c->ctx);
}

static JSValueRef native_send(const struct call *c)
{
	struct run *run = arg_run(c);
	struct conn *conn = &c->host->conn;

	if (!run)
		return undefined(c);
	struct conn_frame f = conn_begin(conn, MESSAGE_CALL, run->id, arg_u32(c, 1));
	value_add_text(c->ctx, arg(c, 2), &conn->out);
	conn_end_head(conn, &f);
	value_add_bytes(c->ctx, arg(c, 3), &conn->out);
	if (!conn_end(conn, &f))
		return value_throw(
			c->ctx, "more than 120 MB in one call: send less at once", c->exception);
	run->calls++;
	return undefined(c);
}

static void report_dropped(struct host *h, uint32_t run)
{
	char head[128];

	if (!h->dropped_logs)
		return;
	int n = snprintf(head, sizeof(head),
		"{\"level\":\"warn\",\"message\":\"%llu log lines were dropped: too many at "
		"once\"}",
		(unsigned long long)h->dropped_logs);
	conn_send(&h->conn, MESSAGE_LOG, run, sv_make(head, (size_t)n));
	h->dropped_logs = 0;
}

static JSValueRef native_log(const struct call *c)
{
	struct run *run = run_find(c->host, arg_u32(c, 0));
	struct conn *conn = &c->host->conn;

	/* Also of a run that has just ended: a rejection is unhandled when all else is done. */
	if (!run || run->realm != c->realm)
		return undefined(c);
	if (conn_unsent(conn) > LOGS_MAX) {
		c->host->dropped_logs++;
		return undefined(c);
	}
	report_dropped(c->host, run->id);
	struct conn_frame f = conn_begin(conn, MESSAGE_LOG, run->id, 0);
	value_add_text(c->ctx, arg(c, 1), &conn->out);
	conn_end_head(conn, &f);
	conn_end(conn, &f);
	return undefined(c);
}

static JSValueRef native_done(const struct call *c)
{
	struct run *run = arg_run(c);

	if (!run)
		return undefined(c);
	value_add_text(c->ctx, arg(c, 1), &run->done_head);
	value_add_text(c->ctx, arg(c, 2), &run->done_body);
	run->over = true;
	return undefined(c);
}

static JSValueRef native_timer(const struct call *c)
{
	struct run *run = arg_run(c);

	if (!run)
		return undefined(c);
	int64_t ms = value_i64(c->ctx, arg(c, 2), 0);
	struct js_timer timer = {
		.due_us = clock_mono_us() + ms * 1000,
		.run = run->id,
		.id = arg_u32(c, 1),
	};
	timers_add(&c->host->timers, timer);
	run->timers++;
	return undefined(c);
}

static JSValueRef native_untimer(const struct call *c)
{
	struct run *run = arg_run(c);

	if (run && timers_remove(&c->host->timers, run->id, arg_u32(c, 1)))
		run->timers--;
	return undefined(c);
}

static struct sv body_of(const struct call *c)
{
	struct sv body = conn_at(&c->host->conn, c->host->body.offset, c->host->body.len);

	return sv_starts(body, SV_LIT("\xEF\xBB\xBF")) ? sv_from(body, 3) : body;
}

static JSValueRef native_bodyText(const struct call *c)
{
	return value_text(c->ctx, body_of(c));
}

static JSValueRef native_bodyBytes(const struct call *c)
{
	struct body b = c->host->body;

	return value_from_bytes(c->ctx, conn_at(&c->host->conn, b.offset, b.len));
}

static JSValueRef native_utf8Encode(const struct call *c)
{
	struct buf out;

	buf_init(&out, SIZE_MAX / 2);
	value_add_text(c->ctx, arg(c, 0), &out);
	JSValueRef bytes = value_from_bytes(c->ctx, buf_sv(&out));
	buf_done(&out);
	return bytes;
}

static JSValueRef native_utf8Decode(const struct call *c)
{
	struct sv bytes = value_bytes(c->ctx, arg(c, 0));
	bool fatal = jsc.ValueToBoolean(c->ctx, arg(c, 1));

	if (sv_starts(bytes, SV_LIT("\xEF\xBB\xBF")))
		bytes = sv_from(bytes, 3);
	JSValueRef text = fatal ? value_text_strict(c->ctx, bytes) : value_text(c->ctx, bytes);
	return text ? text : jsc.ValueMakeNull(c->ctx);
}

static void random_fill(void *to, size_t n)
{
	int ok = RAND_bytes(to, (int)n);

	assert(ok == 1);
}

static JSValueRef native_randomBytes(const struct call *c)
{
	uint32_t n = arg_u32(c, 0);
	struct buf out;

	buf_init(&out, 1 << 20);
	char *to = buf_reserve(&out, n);
	if (!to)
		return value_throw(c->ctx, "too many random bytes at once", c->exception);
	random_fill(to, n);
	buf_grow(&out, n);
	JSValueRef bytes = value_from_bytes(c->ctx, buf_sv(&out));
	buf_done(&out);
	return bytes;
}

/* 53 random bits as a fraction, out of a pool that is filled when it runs dry. */
static JSValueRef native_random(const struct call *c)
{
	struct host *h = c->host;
	uint64_t bits;

	if (h->random_left < sizeof(bits)) {
		random_fill(h->random, sizeof(h->random));
		h->random_left = sizeof(h->random);
	}
	h->random_left -= sizeof(bits);
	memcpy(&bits, h->random + h->random_left, sizeof(bits));
	return jsc.ValueMakeNumber(c->ctx, (double)(bits >> 11) * 0x1.0p-53);
}

/* NULL for what OpenSSL does not know, which leaves an error in its queue. */
static EVP_MD *digest_named(const struct call *c, size_t i)
{
	struct buf name;

	buf_init(&name, 64);
	value_add_text(c->ctx, arg(c, i), &name);
	EVP_MD *md = buf_ok(&name) && name.len ? EVP_MD_fetch(NULL, name.ptr, NULL) : NULL;
	buf_done(&name);
	return md;
}

static JSValueRef native_hash(const struct call *c)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD *md = digest_named(c, 0);
	struct sv data = value_bytes(c->ctx, arg(c, 1));
	bool ok = md && EVP_Digest(data.ptr, data.len, out, &len, md, NULL);

	EVP_MD_free(md);
	if (!ok)
		return jsc.ValueMakeNull(c->ctx);
	return value_from_bytes(c->ctx, sv_make((char *)out, len));
}

static JSValueRef native_hmac(const struct call *c)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD *md = digest_named(c, 0);
	struct sv key = value_bytes(c->ctx, arg(c, 1));
	struct sv data = value_bytes(c->ctx, arg(c, 2));
	bool ok = md && key.len <= INT32_MAX &&
		  HMAC(md, key.ptr, (int)key.len, (const unsigned char *)data.ptr, data.len, out,
			  &len);

	EVP_MD_free(md);
	if (!ok)
		return jsc.ValueMakeNull(c->ctx);
	return value_from_bytes(c->ctx, sv_make((char *)out, len));
}

/* The whole of a raw deflate stream in one step, into room of just the size it should have. */
static JSValueRef native_inflate(const struct call *c)
{
	struct sv data = value_bytes(c->ctx, arg(c, 0));
	uint32_t max = arg_u32(c, 1);
	struct buf out;
	z_stream z = { 0 };

	buf_init(&out, INFLATE_MAX);
	char *to = buf_reserve(&out, (size_t)max + 1); /* one more: a stream that goes on is seen */
	bool ok = to && data.len <= UINT32_MAX && inflateInit2(&z, -MAX_WBITS) == Z_OK;
	if (ok) {
		z.next_in = (const unsigned char *)data.ptr;
		z.avail_in = (unsigned)data.len;
		z.next_out = (unsigned char *)to;
		z.avail_out = max + 1;
		ok = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out <= max;
		buf_grow(&out, z.total_out);
		inflateEnd(&z);
	}
	JSValueRef bytes = ok ? value_from_bytes(c->ctx, buf_sv(&out)) : jsc.ValueMakeNull(c->ctx);
	buf_done(&out);
	return bytes;
}

static const struct {
	const char *name;
	native_fn *fn;
} NATIVES[] = {
#define N(name)                      \
	{                            \
#name, native_##name \
	}
	N(send),
	N(log),
	N(done),
	N(timer),
	N(untimer),
	N(bodyText),
	N(bodyBytes),
	N(utf8Encode),
	N(utf8Decode),
	N(randomBytes),
	N(random),
	N(hash),
	N(hmac),
	N(inflate),
#undef N
};

static JSValueRef native_call(JSContextRef ctx, JSObjectRef function, JSObjectRef self UNUSED,
	size_t argc, const JSValueRef argv[], JSValueRef *exception)
{
	const struct native *n = jsc.ObjectGetPrivate(function);
	struct call c = {
		.host = n->host,
		.realm = n->realm,
		.ctx = ctx,
		.argc = argc,
		.argv = argv,
		.exception = exception,
	};

	return n->fn(&c);
}

static void native_finalize(JSObjectRef function)
{
	mem_free(jsc.ObjectGetPrivate(function));
}

static JSClassRef native_class(void)
{
	static JSClassRef class;
	static const JSClassDefinition definition = {
		.className = "Native",
		.callAsFunction = native_call,
		.finalize = native_finalize,
	};

	if (!class)
		class = jsc.ClassCreate(&definition);
	return class;
}

JSObjectRef native_object(struct realm *r, bool harden)
{
	JSObjectRef object = jsc.ObjectMake(r->ctx, NULL, NULL);

	for (size_t i = 0; i < ARRAY_LEN(NATIVES); i++) {
		struct native *n = NEW(struct native);
		*n = (struct native){ .fn = NATIVES[i].fn, .host = r->host, .realm = r };
		value_set(
			r->ctx, object, NATIVES[i].name, jsc.ObjectMake(r->ctx, native_class(), n));
	}
	value_set(r->ctx, object, "harden", jsc.ValueMakeBoolean(r->ctx, harden));
	return object;
}
