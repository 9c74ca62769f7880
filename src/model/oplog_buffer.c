/* The loop's side of the users' log: lines are gathered and written in batches by database jobs. */
#include "base/clock.h"
#include "base/log.h"
#include "db/db.h"
#include "model/oplog.h"

enum { BATCH_LINES = 256, BATCH_MS = 50, BUFFER_BYTES = 32 << 20, BUFFER_LINES = 65536 };

/* An operation or a message of one, in the arena of its batch. */
struct line {
	struct line *next;
	bool is_operation;
	struct oplog_operation operation;
	const char *id, *level, *type, *source;
	struct sv text, meta;
	int64_t now_ms;
};

struct batch {
	struct arena arena;
	struct line *first, **last;
	unsigned count;
	struct waiter *waiters; /* to be told when this batch is in the store */
};

struct waiter {
	struct waiter *next;
	struct op *op;
};

struct oplog {
	struct loop *loop;
	struct db *db;
	struct batch batches[2], *filling, *writing; /* writing: NULL or the other one */
	struct op op;
	struct timer timer;
	int64_t dropped;
};

static void batch_reset(struct batch *b)
{
	arena_done(&b->arena);
	*b = (struct batch){ 0 };
	b->last = &b->first;
}

static int write_line(struct dbc *c, const struct line *l, struct err *err)
{
	if (l->is_operation)
		return oplog_open(c, &l->operation, err);
	return oplog_write(
		c, l->id, l->level, l->type, l->source, l->text, l->meta, l->now_ms, err);
}

static int job_write(struct dbc *c, void *arg, struct err *err)
{
	for (const struct line *l = ((struct batch *)arg)->first; l; l = l->next)
		TRY(write_line(c, l, err));
	return 0;
}

static void tell(struct waiter *w)
{
	while (w) {
		struct waiter *next = w->next;
		struct op *op = w->op;
		mem_free(w);
		op_complete(op, NULL);
		w = next;
	}
}

static void start_writing(struct oplog *o);

static void written(void *ctx, const struct err *err)
{
	struct oplog *o = ctx;
	struct waiter *waiters = take(o->writing->waiters);

	/* What cannot be stored is lost, and said here; runs go on. */
	if (err->code != ERR_OK)
		log_error(NULL, "users' log not written", LOG_ERR(err),
			LOG_I64("lines", o->writing->count));
	batch_reset(o->writing);
	o->writing = NULL;
	if (o->filling->waiters || o->filling->count)
		start_writing(o);
	tell(waiters);
}

static void add_dropped(struct oplog *o)
{
	if (!o->dropped)
		return;
	log_warn(NULL, "users' log lines dropped", LOG_I64("lines", o->dropped));
	o->dropped = 0;
}

static void start_writing(struct oplog *o)
{
	if (o->writing)
		return;
	add_dropped(o);
	timer_stop(o->loop, &o->timer);
	o->writing = o->filling;
	o->filling = o->writing == &o->batches[0] ? &o->batches[1] : &o->batches[0];
	o->op = (struct op){ .done = written, .ctx = o };
	db_submit(o->db, DB_WRITE, &o->op, job_write, o->writing);
}

static void time_is_up(struct timer *t)
{
	start_writing(container_of(t, struct oplog, timer));
}

struct oplog *oplog_new(struct loop *loop, struct db *db)
{
	struct oplog *o = NEW(struct oplog);

	o->loop = loop;
	o->db = db;
	o->filling = &o->batches[0];
	batch_reset(&o->batches[0]);
	batch_reset(&o->batches[1]);
	return o;
}

void oplog_free(struct oplog *o)
{
	if (!o)
		return;
	assert(!o->writing);
	timer_stop(o->loop, &o->timer);
	batch_reset(&o->batches[0]);
	batch_reset(&o->batches[1]);
	mem_free(o);
}

/* A place in the batch, NULL when there is too much already. */
static struct line *line_add(struct oplog *o)
{
	struct batch *b = o->filling;

	if (b->count >= BUFFER_LINES || b->arena.total >= BUFFER_BYTES) {
		o->dropped++;
		return NULL;
	}
	struct line *l = ARENA_NEW(&b->arena, struct line);
	*b->last = l;
	b->last = &l->next;
	b->count++;
	return l;
}

/* The line is complete: from here on another thread may read it. */
static void line_added(struct oplog *o)
{
	if (o->filling->count >= BATCH_LINES)
		start_writing(o);
	else if (!timer_active(&o->timer))
		timer_start(o->loop, &o->timer, BATCH_MS, time_is_up);
}

static const char *keep(struct arena *a, const char *s)
{
	return s ? arena_str(a, sv_str(s)) : NULL;
}

void oplog_operation(struct oplog *o, const struct oplog_operation *op)
{
	struct batch *b = o->filling;
	struct line *l = line_add(o);

	if (!l)
		return;
	struct arena *a = &b->arena;
	l->is_operation = true;
	l->operation = *op;
	l->operation.id = keep(a, op->id);
	l->operation.message = arena_sv(a, op->message);
	l->operation.integration = arena_sv(a, op->integration);
	l->operation.connection = arena_sv(a, op->connection);
	l->operation.function = arena_sv(a, op->function);
	l->operation.variant = arena_sv(a, op->variant);
	l->operation.meta = arena_sv(a, op->meta);
	l->operation.error = arena_sv(a, op->error);
	l->operation.type = keep(a, op->type);
	l->operation.action = keep(a, op->action);
	l->operation.state = keep(a, op->state);
	line_added(o);
}

void oplog_message(struct oplog *o, const char *operation, const char *level, const char *type,
	const char *source, struct sv text, struct sv meta)
{
	struct batch *b = o->filling;
	struct line *l = line_add(o);

	if (!l)
		return;
	l->id = keep(&b->arena, operation);
	l->level = keep(&b->arena, level);
	l->type = keep(&b->arena, type);
	l->source = keep(&b->arena, source);
	l->text = arena_sv(&b->arena, text);
	l->meta = arena_sv(&b->arena, meta);
	l->now_ms = clock_now_ms();
	line_added(o);
}

void oplog_flush(struct oplog *o, struct op *op)
{
	struct waiter *w = NEW(struct waiter);

	w->op = op;
	w->next = o->filling->waiters;
	o->filling->waiters = w;
	start_writing(o);
}
