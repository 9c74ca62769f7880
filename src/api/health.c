/* Whether the server is there, and whether it can work. */
#include "api/handlers.h"
#include "db/db.h"

bool health(struct api_call *call)
{
	struct jw w = api_json(call, 200);

	jw_obj(&w);
	jw_kv_cstr(&w, "result", "ok");
	jw_end(&w);
	return false;
}

/* A query that answers is what readiness means: without the database nothing works. */
int ready(struct api_call *call, struct dbc *c, struct err *err)
{
	int64_t count;

	TRY(db_one_i64(c, Q_READY, NO_ARGS, &count, err));
	struct jw w = api_json(call, 200);
	jw_obj(&w);
	jw_kv_cstr(&w, "result", "ok");
	jw_end(&w);
	return 0;
}
