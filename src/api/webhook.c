/* POST /webhook/{environment}/{integration}: events of providers. */
#include "api/handlers.h"
#include "db/db.h"
#include "webhook/inbox.h"

int webhook_receive(struct api_call *call, struct dbc *c, struct err *err)
{
	static const struct check params[] = {
		{ "environment", CHECK_STR, CHECK_REQUIRED | CHECK_UUID },
		{ "integration", CHECK_STR, CHECK_REQUIRED, .max = 255,
			.pattern = &PATTERN_INTEGRATION },
		{ 0 },
	};
	struct inbox_result result;
	struct inbox_event ev = {
		.environment_uuid = api_param(call, "environment"),
		.integration = api_param(call, "integration"),
		.headers = call->http->headers.items,
		.header_count = call->http->headers.count,
		.query = call->http->query,
		.body = call->http->body,
	};

	TRY(api_check_params(call, params, err));
	TRY(inbox_receive(c, call->eng->inbox, &ev, db_arena(c), &result, err));
	call->status = result.status;
	call->content_type = result.content_type;
	buf_clear(&call->out);
	buf_sv_add(&call->out, result.body);
	if (result.runs)
		call->effects |= EFFECT_SCHEDULE;
	if (result.forwards)
		call->effects |= EFFECT_OUTBOX;
	return 0;
}
