#include "auth/quirks.h"

#include "base/sv.h"
#include "model/provider.h"

/* The names are spec/function-runtime.md 5.2 and 5.3; the addresses the providers' documentation.
 */
static const struct quirk quirks[] = {
	{ .names = "slack", .user_token = true },
	{ .names = "figma|figjam",
		.client = QUIRK_CLIENT_BASIC,
		.refresh_url = "https://api.figma.com/v1/oauth/refresh" },
	{ .names = "facebook",
		.exchange = "fb_exchange_token",
		.exchange_grant = "fb_exchange_token",
		.get = true,
		.on_demand = true },
	{ .names = "instagram",
		.client = QUIRK_CLIENT_NONE,
		.exchange = "access_token",
		.exchange_grant = "ig_refresh_token",
		.refresh_url = "https://graph.instagram.com/refresh_access_token",
		.get = true,
		.on_demand = true },
	{ .names = "threads",
		.client = QUIRK_CLIENT_NONE,
		.exchange = "access_token",
		.exchange_grant = "th_refresh_token",
		.refresh_url = "https://graph.threads.net/refresh_access_token",
		.get = true,
		.on_demand = true },
	{ .names = "tiktok-personal", .client = QUIRK_CLIENT_KEY },
	{ .names = "tiktok-accounts", .format = "json", .holder = "data" },
	{ .names = "tiktok-ads",
		.client = QUIRK_CLIENT_APP_ID,
		.format = "json",
		.holder = "data" },
	{ .names = "stripe-app|stripe-app-sandbox", .client = QUIRK_CLIENT_SECRET_AS_USER },
	{ .names = "one-drive|sharepoint-online", .sharepoint = true },
	{ .names = "salesforce|salesforce-sandbox|salesforce-experience-cloud|salesforce-cdp",
		.introspects = true },
};

static bool is_named(struct sv names, struct sv name)
{
	struct sv one;

	while (names.len && sv_split(&names, '|', &one))
		if (sv_eq(one, name))
			return true;
	return false;
}

const struct quirk *quirk_of(const struct provider *p)
{
	static const struct quirk none;

	for (size_t i = 0; i < ARRAY_LEN(quirks); i++)
		if (is_named(sv_str(quirks[i].names), p->name))
			return &quirks[i];
	return &none;
}
