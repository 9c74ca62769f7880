#include "records/rows_args.h"

#include "base/fault.h"
#include "base/mem.h"

struct rows_args rows_args(struct dbc *c, size_t width, size_t most)
{
	return (struct rows_args){
		.arena = db_arena(c),
		.width = width,
		.most = most,
	};
}

struct arg *rows_args_add(struct rows_args *a, const struct dataset *d)
{
	if (!a->list)
		a->list = arena_alloc(a->arena, a->most * a->width * sizeof(struct arg));
	assert(a->rows < a->most);
	struct arg *row = a->list + a->width * a->rows++;
	row[0] = arg_i64(d->connection);
	row[1] = arg_i64(d->id);
	return row;
}

int rows_args_run(struct dbc *c, enum query q, const struct rows_args *a, struct err *err)
{
	int64_t changed;

	if (a->rows == 0)
		return 0;
	TRY(FAULT("records.write", err));
	TRY(db_exec_many(c, q, a->list, a->width, a->rows, &changed, err));
	/* The dataset is locked and was looked up: anything else is damage, not to be deepened. */
	if (changed != (int64_t)a->rows)
		return err_set(err, ERR_INTERNAL,
			"the record tables disagree (%lld rows instead of %zu)", (long long)changed,
			a->rows);
	return 0;
}
