#include "http/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/un.h>

#include <cmocka.h>

/* One letter a verdict: o ok, i denied_ip, n denied_hostname, s invalid_scheme, u invalid_url */
static char letter(enum guard_verdict v)
{
	return "ousni"[v];
}

static enum guard_verdict check_addr(const struct guard *g, const char *text, struct err *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return guard_check_addr(g, (struct sockaddr *)&v4, SV_LIT("host.test"), err);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return guard_check_addr(g, (struct sockaddr *)&v6, SV_LIT("host.test"), err);
}

static void addresses_without_rules(void **state UNUSED)
{
	static const char *const denied[] = { "127.0.0.1", "127.255.255.255", "10.0.0.0",
		"10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
		"100.64.0.1", "100.127.255.255", "169.254.0.1", "169.254.169.254", "0.0.0.0",
		"0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255", "240.0.0.1",
		"192.0.0.192", "198.18.0.1", "198.19.255.255", "168.63.129.16", "192.0.2.1",
		"203.0.113.9", "::", "::1", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00::1",
		"fdff:ffff::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3",
		"::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1",
		"64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::", "2001::1",
		"2001:db8::1", "100::1" };
	static const char *const fine[] = { "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0",
		"172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "100.63.255.255",
		"100.128.0.0", "169.253.255.255", "169.255.0.0", "128.0.0.1", "126.255.255.255",
		"223.255.255.255", "198.17.255.255", "198.20.0.0", "168.63.129.17",
		"2606:4700::1111", "2a00::1", "fbff::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
		"2002:808:808::", "2001:4860::8888" };
	own(guard_free) struct guard *g = guard_new();

	for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
		struct err err = { 0 };
		print_message("%s: ", denied[i]);
		assert_int_equal(check_addr(g, denied[i], &err), GUARD_DENIED_IP);
		print_message("%s\n", err.msg);
		assert_non_null(strstr(err.msg, "--allow-egress"));
	}
	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		print_message("%s\n", fine[i]);
		assert_int_equal(check_addr(g, fine[i], NULL), GUARD_OK);
	}
}

static void rules_open_what_they_name(void **state UNUSED)
{
	static const struct {
		const char *rule, *addr;
		bool ok;
	} cases[] = {
		{ "127.0.0.1/32", "127.0.0.1", true },
		{ "127.0.0.1", "127.0.0.1", true },
		{ "127.0.0.1/32", "127.0.0.2", false },
		{ "127.0.0.1/32", "::ffff:127.0.0.1", true },
		{ "127.0.0.1/32", "::1", false },
		{ "127.0.0.1/32", "2002:7f00:1::", true },
		{ "10.0.0.0/8", "10.200.3.4", true },
		{ "10.0.0.0/8", "11.0.0.1", true },
		{ "10.128.0.0/9", "10.127.0.1", false },
		{ "10.128.0.0/9", "10.128.0.1", true },
		{ "0.0.0.0/0", "192.168.1.1", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "192.168.1.1", true },
		{ "::1", "::1", true },
		{ "fd00::/8", "fd12::1", true },
		{ "fd00::/8", "fc12::1", false },
		{ "::ffff:10.0.0.0/104", "10.9.9.9", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		own(guard_free) struct guard *g = guard_new();
		print_message("%s %s\n", cases[i].rule, cases[i].addr);
		assert_int_equal(guard_allow(g, sv_str(cases[i].rule), NULL), 0);
		assert_int_equal(check_addr(g, cases[i].addr, NULL),
			cases[i].ok ? GUARD_OK : GUARD_DENIED_IP);
	}
}

static void broken_rules(void **state UNUSED)
{
	static const char *const rules[] = { "", "x", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
		"10.0.0/8", "::/129", "10.0.0.0/8/8", "localhost", "1.2.3.4.5", "10.0.0.0/ 8" };
	own(guard_free) struct guard *g = guard_new();

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct err err = { 0 };
		assert_int_equal(guard_allow(g, sv_str(rules[i]), &err), ERR_INVALID);
		print_message("%s\n", err.msg);
	}
}

static void urls(void **state UNUSED)
{
	static const struct {
		char verdict;
		const char *url;
	} cases[] = {
		{ 'o', "https://api.example.com/v1?x=y#z" },
		{ 'o', "HTTP://API.EXAMPLE.COM" },
		{ 'o', "http://8.8.8.8:8080/" },
		{ 'o', "http://[2606:4700::1111]/" },
		{ 'o', "https://user:pass@example.com/" },
		{ 'o', "https://notlocalhost/" },
		{ 'o', "https://localhost.example.com/" },
		{ 's', "ftp://example.com/" },
		{ 's', "file:///etc/passwd" },
		{ 's', "gopher://example.com" },
		{ 's', "javascript://x" },
		{ 'u', "" },
		{ 'u', "http://" },
		{ 'u', "http://a b/" },
		{ 'u', "http://example.com:99999/" },
		{ 'u', "not a url" },
		{ 'n', "http://localhost:3000/" },
		{ 'n', "http://LOCALHOST./" },
		{ 'n', "http://a.b.localhost/" },
		{ 'n', "http://metadata.google.internal/computeMetadata/" },
		{ 'n', "http://metadata/" },
		{ 'i', "http://127.0.0.1/" },
		{ 'i', "http://127.1/" },
		{ 'i', "http://2130706433/" },
		{ 'i', "http://0x7f000001/" },
		{ 'i', "http://0177.0.0.1/" },
		{ 'i', "http://[::1]/" },
		{ 'i', "http://[::ffff:7f00:1]/" },
		{ 'i', "http://[fe80::1%25eth0]/" },
		{ 'i', "http://user@10.0.0.1:80/" },
		{ 'i', "http://example.com@169.254.169.254/latest/meta-data" },
		{ 'i', "http://0/" },
	};
	own(guard_free) struct guard *g = guard_new();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { 0 };
		enum guard_verdict v = guard_check_url(g, sv_str(cases[i].url), &err);
		print_message("%s: %s\n", cases[i].url, err.msg);
		assert_int_equal(letter(v), cases[i].verdict);
		assert_int_equal(v == GUARD_OK, err.msg[0] == 0);
	}
	assert_int_equal(guard_check_url(g, SV_LIT("http://a\0b/"), NULL), GUARD_INVALID_URL);
}

static void names_follow_the_rules_of_their_addresses(void **state UNUSED)
{
	own(guard_free) struct guard *g = guard_new();

	assert_int_equal(guard_allow(g, SV_LIT("127.0.0.0/8"), NULL), 0);
	assert_int_equal(guard_check_url(g, SV_LIT("http://localhost/"), NULL), GUARD_OK);
	assert_int_equal(guard_check_host(g, SV_LIT("metadata.google.internal"), NULL),
		GUARD_DENIED_HOSTNAME);
	assert_int_equal(guard_allow(g, SV_LIT("169.254.169.254"), NULL), 0);
	assert_int_equal(guard_check_host(g, SV_LIT("metadata.google.internal"), NULL), GUARD_OK);
}

static void other_families(void **state UNUSED)
{
	own(guard_free) struct guard *g = guard_new();
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	assert_int_equal(
		guard_check_addr(g, (struct sockaddr *)&un, SV_NULL, NULL), GUARD_DENIED_IP);
	guard_allow_all(g);
	assert_int_equal(check_addr(g, "127.0.0.1", NULL), GUARD_OK);
	assert_int_equal(guard_check_url(g, SV_LIT("http://[::1]"), NULL), GUARD_OK);
	assert_int_equal(guard_check_url(g, SV_LIT("ftp://[::1]"), NULL), GUARD_INVALID_SCHEME);
	assert_string_equal(guard_code(GUARD_DENIED_HOSTNAME), "denied_hostname");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_without_rules),
		cmocka_unit_test(rules_open_what_they_name),
		cmocka_unit_test(broken_rules),
		cmocka_unit_test(urls),
		cmocka_unit_test(names_follow_the_rules_of_their_addresses),
		cmocka_unit_test(other_families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
