/* Certificates: what is trusted, and the words for what is not. */
#include "fixture.h"

#include "base/sv.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct identity {
	EVP_PKEY *key;
	X509 *cert;
	char *cert_pem, *key_pem;
};

static char *pem_text(BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	char *text = mem_svdup(sv_make(p, (size_t)n));
	BIO_free(bio);
	return text;
}

/* Self-signed, for `san`, valid from yesterday for `days` days. */
static void identity_init(struct identity *id, const char *san, int days)
{
	id->key = EVP_EC_gen("P-256");
	id->cert = X509_new();
	X509_set_version(id->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id->cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(id->cert), -86400L * 3);
	X509_gmtime_adj(X509_getm_notAfter(id->cert), 86400L * days);
	X509_set_pubkey(id->cert, id->key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(id->cert), "CN", MBSTRING_ASC,
		(const unsigned char *)"tidemark test", -1, -1, 0);
	X509_set_issuer_name(id->cert, X509_get_subject_name(id->cert));
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(id->cert, ext, -1);
	X509_EXTENSION_free(ext);
	X509_sign(id->cert, id->key, EVP_sha256());
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, id->cert);
	id->cert_pem = pem_text(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL);
	id->key_pem = pem_text(bio);
}

static void identity_done(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	mem_free(id->cert_pem);
	mem_free(id->key_pem);
}

/* Answers one request per connection, over TLS. */
struct tls {
	SSL_CTX *ctx;
	int fd;
	unsigned port;
	pthread_t thread;
};

static void *tls_serve(void *arg)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	struct tls *t = arg;
	char req[4096];

	for (;;) {
		int fd = accept(t->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		SSL *ssl = SSL_new(t->ctx);
		SSL_set_fd(ssl, fd);
		if (SSL_accept(ssl) == 1 && SSL_read(ssl, req, sizeof(req)) > 0)
			SSL_write(ssl, reply, sizeof(reply) - 1);
		SSL_shutdown(ssl);
		SSL_free(ssl);
		close(fd);
	}
}

static int any_client(int ok UNUSED, X509_STORE_CTX *ctx UNUSED)
{
	return 1;
}

static void tls_init(struct tls *t, const struct identity *id, bool ask_client)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);

	t->ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(t->ctx, id->cert);
	SSL_CTX_use_PrivateKey(t->ctx, id->key);
	if (ask_client)
		SSL_CTX_set_verify(
			t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, any_client);
	inet_pton(AF_INET, "127.0.0.1", &addr.sin_addr);
	t->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(t->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	listen(t->fd, 16);
	getsockname(t->fd, (struct sockaddr *)&addr, &len);
	t->port = ntohs(addr.sin_port);
	pthread_create(&t->thread, NULL, tls_serve, t);
}

static void tls_done(struct tls *t)
{
	shutdown(t->fd, SHUT_RDWR);
	pthread_join(t->thread, NULL);
	close(t->fd);
	SSL_CTX_free(t->ctx);
}

struct setup {
	struct fixture *fx;
	struct identity id;
	struct tls tls;
	char ca[32];
	char url[64];
};

/* A server whose certificate is for san, and a client that trusts it when told so. */
static void setup_init(struct setup *s, const char *san, int days, bool trust, bool ask_client)
{
	identity_init(&s->id, san, days);
	tls_init(&s->tls, &s->id, ask_client);
	snprintf(s->url, sizeof(s->url), "https://127.0.0.1:%u/", s->tls.port);
	snprintf(s->ca, sizeof(s->ca), "http-ca-XXXXXX");
	int fd = mkstemp(s->ca);
	assert_true(write(fd, s->id.cert_pem, strlen(s->id.cert_pem)) > 0);
	close(fd);
	s->fx = fixture_new(NULL);
	http_client_free(s->fx->client);
	s->fx->client =
		http_client_new(s->fx->loop, &(struct http_client_opts){ .guard = s->fx->guard,
						     .ca_file = trust ? s->ca : NULL });
}

static void setup_done(struct setup *s)
{
	tls_done(&s->tls);
	fixture_free(s->fx);
	identity_done(&s->id);
	unlink(s->ca);
}

static void server_certificates(void **state UNUSED)
{
	static const struct {
		const char *san;
		int days;
		bool trust;
		const char *code; /* NULL: fine */
	} cases[] = {
		{ "IP:127.0.0.1", 10, true, NULL },
		{ "IP:127.0.0.1", 10, false, "DEPTH_ZERO_SELF_SIGNED_CERT" },
		{ "DNS:other.test", 10, true, "ERR_TLS_CERT_ALTNAME_INVALID" },
		{ "IP:127.0.0.1", -1, true, "CERT_HAS_EXPIRED" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own_in(http_response_done) struct http_response res = { 0 };
		struct setup s;
		setup_init(&s, cases[i].san, cases[i].days, cases[i].trust, false);
		struct http_request req = { .url = sv_str(s.url) };
		enum err_code code = send_wait(s.fx, &req, &res);
		assert_int_equal(code, cases[i].code ? ERR_UPSTREAM : ERR_OK);
		if (cases[i].code)
			assert_string_equal(res.error.code, cases[i].code);
		else
			assert_true(sv_eq_str(buf_sv(&res.body), "ok"));
		setup_done(&s);
	}
}

static void no_tls_at_the_other_end(void **state UNUSED)
{
	own(fixture_free) struct fixture *fx = fixture_new(NULL);
	own_in(http_response_done) struct http_response res = { 0 };
	own_in(arena_done) struct arena a = { 0 };
	struct http_request req = { .url = sv_str(arena_printf(&a, "https://127.0.0.1:%u/",
					    http_server_port(fx->server))) };

	assert_int_equal(send_wait(fx, &req, &res), ERR_UPSTREAM);
	/* Which one depends on whether the plain reply or the end of the connection comes first. */
	assert_true(
		strcmp(res.error.code, "EPROTO") == 0 || strcmp(res.error.code, "ECONNRESET") == 0);
}

static void client_certificates(void **state UNUSED)
{
	own_in(http_response_done) struct http_response none = { 0 }, res = { 0 }, wrong = { 0 };
	struct identity own_id, other;
	struct setup s;

	setup_init(&s, "IP:127.0.0.1", 10, true, true);
	identity_init(&own_id, "DNS:client.test", 10);
	identity_init(&other, "DNS:client.test", 10);
	struct http_request req = { .url = sv_str(s.url) };
	assert_int_equal(send_wait(s.fx, &req, &none), ERR_UPSTREAM);
	req.client_cert = sv_str(own_id.cert_pem);
	req.client_key = sv_str(own_id.key_pem);
	assert_int_equal(send_wait(s.fx, &req, &res), ERR_OK);
	assert_int_equal(res.status, 200);
	req.client_key = sv_str(other.key_pem);
	assert_int_equal(send_wait(s.fx, &req, &wrong), ERR_UPSTREAM);
	assert_string_equal(wrong.error.code, "invalid_certificate_or_key_format");
	identity_done(&own_id);
	identity_done(&other);
	setup_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_certificates),
		cmocka_unit_test(no_tls_at_the_other_end),
		cmocka_unit_test(client_certificates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
