#include "model/row.h"

int rows_collect(struct dbc *c, enum query q, const struct arg *args, size_t arg_count,
	struct arena *a, size_t size, row_read_fn *read, void **ret, size_t *ret_count,
	struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };
	void *items = NULL;
	size_t count = 0, cap = 0;
	int more;

	TRY(db_query(c, q, args, arg_count, &rows, err));
	while ((more = rows_next(&rows, err)) > 0)
		read(&rows, a, row_list_add(a, &items, &count, &cap, size));
	TRY(more);
	*ret = items;
	*ret_count = count;
	return 0;
}

int rows_only(struct dbc *c, enum query q, const struct arg *args, size_t arg_count,
	struct arena *a, row_read_fn *read, void *ret, struct err *err)
{
	own_in(rows_done) struct rows rows = { 0 };

	TRY(db_one(c, q, args, arg_count, &rows, err));
	read(&rows, a, ret);
	return 0;
}
