#include "made_catalogue.h"

#include "base/base.h"

/* Fields of an entry, in how many of a thousand entries; @ is its number. */
static const struct field {
	int share;
	const char *text;
} fields[] = {
	{ 1000, "    display_name: Provider @\n" },
	{ 1000, "    categories:\n        - dev-tools\n        - productivity\n" },
	{ 370, "    authorization_url: "
	       "https://${connectionConfig.subdomain}.p@.test/oauth/authorize\n" },
	{ 560, "    token_url: https://auth.p@.test/oauth/token\n" },
	{ 407, "    token_params:\n        grant_type: authorization_code\n" },
	{ 299, "    authorization_params:\n        response_type: code\n        access_type: "
	       "offline\n" },
	{ 228, "    refresh_params:\n        grant_type: refresh_token\n" },
	{ 107, "    scope_separator: ','\n" },
	{ 90, "    body_format: json\n" },
	{ 88, "    disable_pkce: true\n" },
	{ 78, "    token_request_auth_method: basic\n" },
	{ 74, "    webhook_routing_script: provider@WebhookRouting\n" },
	{ 71, "    default_scopes:\n        - read:things\n        - offline_access\n" },
	{ 64, "    token_response:\n        token: access.token\n        token_expiration: "
	      "access.expires\n"
	      "        token_expiration_strategy: expireIn\n" },
	{ 35, "    token_response_metadata:\n        - user.id\n        - instance_url\n" },
	{ 1000, "    docs: https://docs.test/integrations/provider-@\n" },
	{ 608, "    docs_connect: https://docs.test/integrations/provider-@/connect\n" },
	{ 542, "    credentials:\n"
	       "        apiKey:\n"
	       "            type: string\n"
	       "            title: API Key\n"
	       "            description: The key that provider @ gives out under \"Settings\"\n"
	       "            example: 'pk_0123456789'\n"
	       "            pattern: '^pk_[a-z0-9]{10,40}$'\n"
	       "            secret: true\n"
	       "            doc_section: '#step-2-creating-a-key'\n" },
	{ 423, "    connection_config:\n"
	       "        subdomain:\n"
	       "            type: string\n"
	       "            title: Subdomain\n"
	       "            description: The first part of the address of your account\n"
	       "            example: acme\n"
	       "            pattern: '^[a-zA-Z0-9-_.]+$'\n"
	       "            order: 1\n"
	       "            prefix: https://\n"
	       "            suffix: .p@.test\n"
	       "        region:\n"
	       "            type: string\n"
	       "            title: Region\n"
	       "            enum: ['eu', 'us', \"ap\"]\n"
	       "            optional: true\n"
	       "            default_value: us\n" },
};

/* Behind `proxy:` and its base URL. */
static const struct field proxy_fields[] = {
	{ 434, "        headers:\n            authorization: Bearer ${apiKey}\n"
	       "            x-api-version: '2024-01-0@'\n" },
	{ 301, "        verification:\n            method: GET\n            endpoints:\n"
	       "                - /v1/me\n" },
	{ 183, "        retry:\n            after: 'retry-after'\n" },
	{ 28, "        query:\n            api_key: ${apiKey}\n" },
	{ 46, "        paginate:\n            type: cursor\n            cursor_path_in_response: "
	      "next.cursor\n"
	      "            cursor_name_in_request: cursor\n            response_path: items\n" },
	{ 16, "        decompress: true\n" },
};

static void add_field(struct buf *out, const char *text, int number)
{
	for (; *text; text++)
		if (*text == '@')
			buf_printf(out, "%d", number);
		else
			buf_char(out, *text);
}

static void add_fields(struct buf *out, const struct field *all, size_t count, int number)
{
	/* 331 and 1000 have no common divisor: each field spreads evenly, and by itself. */
	for (size_t i = 0; i < count; i++)
		if ((number * 331 + (int)i * 97) % 1000 < all[i].share)
			add_field(out, all[i].text, number);
}

static void add_entry(struct buf *out, int number)
{
	static const char *const modes[] = { "OAUTH2", "API_KEY", "OAUTH2_CC", "BASIC",
		"TWO_STEP" };

	buf_printf(out, "provider-%d:\n    auth_mode: %s\n", number,
		modes[(size_t)number % ARRAY_LEN(modes)]);
	add_fields(out, fields, ARRAY_LEN(fields), number);
	buf_printf(out, "    proxy:\n        base_url: https://%s.p%d.test # of version 1\n",
		number % 3 ? "api" : "${connectionConfig.subdomain}", number);
	add_fields(out, proxy_fields, ARRAY_LEN(proxy_fields), number % 28 + 1);
}

void catalogue_make(struct buf *out)
{
	buf_init(out, 4 << 20);
	for (int i = 0; i < CATALOGUE_ENTRIES; i++)
		if (i % (CATALOGUE_ENTRIES / CATALOGUE_ALIASES) == 1 &&
			i / (CATALOGUE_ENTRIES / CATALOGUE_ALIASES) < CATALOGUE_ALIASES)
			buf_printf(out,
				"provider-%d:\n    display_name: Other name %d\n    alias: "
				"provider-%d\n"
				"    docs: https://docs.test/integrations/provider-%d\n",
				i, i, i + 1, i);
		else
			add_entry(out, i);
}
