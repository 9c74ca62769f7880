/* Why an exchange failed, in Node's codes: functions and the retry rules compare them. */
#include "base/clock.h"
#include "base/sv.h"
#include "http/client_impl.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>

PRINTF_LIKE(4, 5)
static void explain(struct exchange *x, enum err_code err, const char *code, const char *fmt, ...)
{
	va_list ap;

	x->code = code;
	x->err.code = err;
	va_start(ap, fmt);
	vsnprintf(x->err.msg, sizeof(x->err.msg), fmt, ap);
	va_end(ap);
}

/* Static text for the system's error, NULL when it is unknown. */
static const char *errno_name(const struct exchange *x)
{
	long e = 0;

	curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &e);
	return e ? uv_err_name(uv_translate_sys_error((int)e)) : NULL;
}

static const struct {
	long verify;
	const char *code;
} cert_codes[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, "CERT_HAS_EXPIRED" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "CERT_NOT_YET_VALID" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "DEPTH_ZERO_SELF_SIGNED_CERT" },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "SELF_SIGNED_CERT_IN_CHAIN" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "UNABLE_TO_GET_ISSUER_CERT" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY" },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "UNABLE_TO_VERIFY_LEAF_SIGNATURE" },
	{ X509_V_ERR_CERT_REVOKED, "CERT_REVOKED" },
	{ X509_V_ERR_CERT_UNTRUSTED, "CERT_UNTRUSTED" },
	{ X509_V_ERR_HOSTNAME_MISMATCH, "ERR_TLS_CERT_ALTNAME_INVALID" },
	/* No verdict on the chain: it is curl's own check of the name that failed before. */
	{ X509_V_ERR_UNSPECIFIED, "ERR_TLS_CERT_ALTNAME_INVALID" },
	{ X509_V_OK, "ERR_TLS_CERT_ALTNAME_INVALID" },
};

static void explain_cert(struct exchange *x)
{
	const char *code = "CERT_INVALID";
	long verify = 0;

	curl_easy_getinfo(x->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	for (size_t i = 0; i < ARRAY_LEN(cert_codes); i++)
		if (cert_codes[i].verify == verify)
			code = cert_codes[i].code;
	explain(x, ERR_UPSTREAM, code, "the certificate of %.*s is not trusted: %s", SV(x->host),
		verify > X509_V_ERR_UNSPECIFIED ? X509_verify_cert_error_string(verify)
						: x->errbuf);
}

static void explain_timeout(struct exchange *x)
{
	const struct http_request *req = x->req;
	curl_off_t connect = 0;
	int64_t ms = (clock_mono_us() - x->start_us) / 1000;
	unsigned total = req->total_timeout_ms ? req->total_timeout_ms : 600 * 1000;

	curl_easy_getinfo(x->easy, CURLINFO_PRETRANSFER_TIME_T, &connect);
	if (ms >= total)
		explain(x, ERR_TIMEOUT, "ETIMEDOUT", "%.*s did not finish its answer within %u ms",
			SV(x->host), total);
	else if (!connect)
		explain(x, ERR_TIMEOUT, "ETIMEDOUT", "connect ETIMEDOUT %.*s:%.*s after %lld ms",
			SV(x->host), SV(x->port), (long long)ms);
	else
		explain(x, ERR_TIMEOUT, "ETIMEDOUT",
			"%.*s sent nothing for too long (idle timeout)", SV(x->host));
}

static void explain_lookup(struct exchange *x, int gai)
{
	const char *code = uv_err_name(gai ? gai : UV_EAI_AGAIN);

	/* As Node does: both mean that there is no such name. */
	if (gai == UV_EAI_NONAME || gai == UV_EAI_NODATA)
		code = "ENOTFOUND";
	explain(x, ERR_UPSTREAM, code, "getaddrinfo %s %.*s", code, SV(x->host));
}

static void explain_cut(struct exchange *x)
{
	curl_off_t want = -1;

	curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &want);
	if (want > 0)
		explain(x, ERR_UPSTREAM, "ECONNRESET",
			"connection closed before the whole body arrived (%zu of %lld bytes)",
			x->res->body.len, (long long)want);
	else
		explain(x, ERR_UPSTREAM, "ECONNRESET",
			"connection closed before the whole body arrived (after %zu bytes)",
			x->res->body.len);
}

static void explain_io(struct exchange *x, const char *verb)
{
	const char *code = errno_name(x);

	if (strstr(x->errbuf, "chunk")) {
		explain(x, ERR_UPSTREAM, "ERR_BAD_RESPONSE", "%.*s sent a broken response: %s",
			SV(x->host), x->errbuf);
		return;
	}
	code = code ? code : "ECONNRESET";
	explain(x, ERR_UPSTREAM, code, "%s %s", verb, code);
}

static void explain_connect(struct exchange *x)
{
	const char *code = errno_name(x);

	code = code ? code : "ECONNREFUSED";
	explain(x, ERR_UPSTREAM, code, "connect %s %.*s:%.*s", code, SV(x->host), SV(x->port));
}

/* A peer that goes away while TLS is set up is worth another attempt, one that errs is not. */
static void explain_handshake(struct exchange *x)
{
	if (strstr(x->errbuf, "SSL_ERROR_SYSCALL") || strstr(x->errbuf, "unexpected eof"))
		explain(x, ERR_UPSTREAM, "ECONNRESET",
			"%.*s closed the connection before TLS was established", SV(x->host));
	else
		explain(x, ERR_UPSTREAM, "EPROTO", "%.*s: %s", SV(x->host), x->errbuf);
}

static void explain_other(struct exchange *x, CURLcode result)
{
	const char *text = x->errbuf[0] ? x->errbuf : curl_easy_strerror(result);
	const char *code = "ERR_NETWORK";

	if (result == CURLE_WEIRD_SERVER_REPLY || result == CURLE_UNSUPPORTED_PROTOCOL ||
		result == CURLE_BAD_CONTENT_ENCODING)
		code = "ERR_BAD_RESPONSE";
	if (result == CURLE_HTTP2 || result == CURLE_HTTP2_STREAM)
		code = "ERR_HTTP2_STREAM_ERROR";
	if (result == CURLE_SSL_CERTPROBLEM)
		code = "invalid_certificate_or_key_format";
	if (result == CURLE_URL_MALFORMAT)
		code = "invalid_url";
	explain(x, ERR_UPSTREAM, code, "%.*s: %s", SV(x->host), text);
}

static void explain_result(struct exchange *x, CURLcode result, int gai)
{
	if (result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_COULDNT_RESOLVE_PROXY)
		explain_lookup(x, gai);
	else if (result == CURLE_COULDNT_CONNECT)
		explain_connect(x);
	else if (result == CURLE_OPERATION_TIMEDOUT)
		explain_timeout(x);
	else if (result == CURLE_PARTIAL_FILE)
		explain_cut(x);
	else if (result == CURLE_GOT_NOTHING)
		explain(x, ERR_UPSTREAM, "ECONNRESET", "socket hang up");
	else if (result == CURLE_SEND_ERROR)
		explain_io(x, "write");
	else if (result == CURLE_RECV_ERROR)
		explain_io(x, "read");
	else if (result == CURLE_PEER_FAILED_VERIFICATION)
		explain_cert(x);
	else if (result == CURLE_SSL_CONNECT_ERROR)
		explain_handshake(x);
	else
		explain_other(x, result);
}

void neterr_explain(struct exchange *x, CURLcode result, int gai)
{
	if (x->code) /* we ended it ourselves and know why */
		return;
	if (x->verdict != GUARD_OK && x->dialled == 0) {
		x->code = guard_code(x->verdict);
		x->err = x->denied;
		return;
	}
	explain_result(x, result, gai);
}
