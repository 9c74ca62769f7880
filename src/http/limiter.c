#include "http/limiter.h"

#include "base/clock.h"
#include "base/fnv.h"
#include "base/sv.h"

/* What a refusal teaches comes from what went well before it: entries stay a while. */
enum { BUCKETS = 4096, KEEP_MS = 600 * 1000, KEEP_KNOWING_MS = 3600 * 1000, SWEEP = 2 };

/* The tickets of one owner, in the order they came. */
struct owner_queue {
	struct owner_queue *next; /* whose turn is after this one's */
	int64_t owner;
	struct limiter_ticket *first, **last;
};

struct limiter_entry {
	struct limiter *limiter;
	struct limiter_entry *chain; /* in its bucket */
	struct limiter_entry *older, *newer; /* by last use */
	char *key;
	struct rate rate;
	struct owner_queue *turn, **last_turn;
	size_t waiting;
	int64_t deadline_ms; /* the earliest of those waiting, or earlier */
	int64_t used_ms;
	struct timer timer;
	bool letting; /* tickets are being let through: not to be freed */
};

struct limiter {
	struct loop *loop;
	struct limiter_entry *buckets[BUCKETS];
	struct limiter_entry *oldest, *newest;
	struct limiter_stats stats;
};

static int64_t now_ms(void)
{
	return clock_mono_us() / 1000;
}

/* Entries. */

static struct limiter_entry **bucket_of(struct limiter *l, struct sv key)
{
	return &l->buckets[fnv_slot(fnv_more(FNV_START, key), BUCKETS)];
}

static void unlink_use(struct limiter_entry *e)
{
	struct limiter *l = e->limiter;

	*(e->older ? &e->older->newer : &l->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &l->newest) = e->older;
	e->older = e->newer = NULL;
}

static void link_newest(struct limiter_entry *e)
{
	struct limiter *l = e->limiter;

	e->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = e;
	l->newest = e;
}

static void entry_free(struct limiter_entry *e)
{
	struct limiter_entry **at = bucket_of(e->limiter, sv_str(e->key));

	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	unlink_use(e);
	timer_stop(e->limiter->loop, &e->timer);
	e->limiter->stats.entries--;
	mem_free(e->key);
	mem_free(e);
}

static bool is_idle(const struct limiter_entry *e)
{
	return !e->waiting && !e->rate.in_flight && !e->letting;
}

static bool is_over(const struct limiter_entry *e, int64_t now)
{
	int64_t keep = rate_knows(&e->rate, now) ? KEEP_KNOWING_MS : KEEP_MS;

	return is_idle(e) && now - e->used_ms > keep;
}

/* The longest unused, a few at a time: as many go as come. When it is full, one goes in any case
 * if that loses no quota. */
static void sweep(struct limiter *l, int64_t now)
{
	struct limiter_entry *e = l->oldest;

	for (int i = 0; e && i < SWEEP; i++) {
		struct limiter_entry *newer = e->newer;
		bool full = l->stats.entries == LIMITER_ENTRIES_MAX;
		if (is_over(e, now) || (full && is_idle(e) && !rate_knows(&e->rate, now)))
			entry_free(e);
		e = newer;
	}
}

static struct limiter_entry *entry_new(struct limiter *l, struct sv key)
{
	struct limiter_entry *e = NEW(struct limiter_entry), **bucket = bucket_of(l, key);

	e->limiter = l;
	e->key = mem_svdup(key);
	e->last_turn = &e->turn;
	e->chain = *bucket;
	*bucket = e;
	link_newest(e);
	l->stats.entries++;
	return e;
}

/* The entry of key, made if need be; NULL when there are too many. */
static struct limiter_entry *entry_for(struct limiter *l, struct sv key, int64_t now)
{
	sweep(l, now);
	struct limiter_entry *e = *bucket_of(l, key);
	while (e && !sv_eq_str(key, e->key))
		e = e->chain;
	if (!e && l->stats.entries < LIMITER_ENTRIES_MAX)
		e = entry_new(l, key);
	if (!e)
		return NULL;
	e->used_ms = now;
	unlink_use(e);
	link_newest(e);
	return e;
}

/* Queues: a ring of owners, each with its tickets. */

static struct owner_queue *queue_of(struct limiter_entry *e, int64_t owner)
{
	struct owner_queue *q = e->turn;

	while (q && q->owner != owner)
		q = q->next;
	if (q)
		return q;
	q = NEW(struct owner_queue);
	q->owner = owner;
	q->last = &q->first;
	*e->last_turn = q;
	e->last_turn = &q->next;
	return q;
}

static void enqueue(struct limiter_entry *e, struct limiter_ticket *t)
{
	struct owner_queue *q = queue_of(e, t->owner);

	*q->last = t;
	q->last = &t->next;
	if (!e->waiting++ || t->deadline_ms < e->deadline_ms)
		e->deadline_ms = t->deadline_ms;
	e->limiter->stats.waiting++;
}

/* Takes the ticket at *at out of q, and q out of the ring when it was the last. */
static struct limiter_ticket *dequeue(
	struct limiter_entry *e, struct owner_queue **ring, struct limiter_ticket **at)
{
	struct owner_queue *q = *ring;
	struct limiter_ticket *t = *at;

	*at = t->next;
	if (q->last == &t->next)
		q->last = at;
	t->next = NULL;
	e->waiting--;
	e->limiter->stats.waiting--;
	if (!q->first) {
		*ring = q->next;
		if (e->last_turn == &q->next)
			e->last_turn = ring;
		mem_free(q);
	}
	return t;
}

/* Takes the first ticket of *ring out; its owner's next is due after everybody else's. */
static struct limiter_ticket *take_turn(struct limiter_entry *e, struct owner_queue **ring)
{
	struct owner_queue *q = *ring;
	bool more = q->first->next != NULL;
	struct limiter_ticket *t = dequeue(e, ring, &q->first);

	if (more && q->next) {
		*ring = q->next;
		q->next = NULL;
		*e->last_turn = q;
		e->last_turn = &q->next;
	}
	return t;
}

/* The next in turn that may go; else NULL and what holds back the one that may go first. */
static struct limiter_ticket *next_free(
	struct limiter_entry *e, int64_t now, struct rate_verdict *ret)
{
	*ret = (struct rate_verdict){ .why = RATE_ANSWER };
	for (struct owner_queue **ring = &e->turn; *ring; ring = &(*ring)->next) {
		struct rate_verdict v = rate_ask(&e->rate, now, (*ring)->first->lane);
		if (v.why == RATE_FREE)
			return take_turn(e, ring);
		if (v.why != RATE_ANSWER && (ret->why == RATE_ANSWER || v.wait_ms < ret->wait_ms))
			*ret = v;
	}
	return NULL;
}

static void remove_ticket(struct limiter_entry *e, struct limiter_ticket *t)
{
	struct owner_queue **ring = &e->turn;

	while ((*ring)->owner != t->owner)
		ring = &(*ring)->next;
	struct limiter_ticket **at = &(*ring)->first;
	while (*at != t)
		at = &(*at)->next;
	dequeue(e, ring, at);
}

/* Letting through. */

static void hold(struct limiter_entry *e, struct limiter_ticket *t, int64_t now)
{
	t->held = true;
	t->sent = rate_send(&e->rate, now, t->lane);
}

static void let_go(struct limiter_entry *e, struct limiter_ticket *t, int64_t now)
{
	struct limiter_stats *stats = &e->limiter->stats;

	hold(e, t, now);
	t->waited_ms = now - t->since_ms;
	stats->waits++;
	stats->waited_ms += (uint64_t)t->waited_ms;
	op_complete(t->op, NULL);
}

static void give_up(struct limiter_ticket *t)
{
	struct err err = { 0 };

	t->limiter->stats.refused++;
	t->waited_ms = t->deadline_ms - t->since_ms;
	t->entry = NULL;
	err_set(&err, ERR_LIMIT, "the provider's rate limit leaves no room within %lld ms",
		(long long)t->waited_ms);
	op_complete(t->op, &err);
}

/* The first one whose time is over, taken out; the earliest deadline of the rest is noted. */
static struct limiter_ticket *take_overdue(struct limiter_entry *e, int64_t now)
{
	e->deadline_ms = INT64_MAX;
	for (struct owner_queue **ring = &e->turn; *ring; ring = &(*ring)->next)
		for (struct limiter_ticket **at = &(*ring)->first; *at; at = &(*at)->next) {
			if ((*at)->deadline_ms <= now) {
				e->deadline_ms = now; /* there may be more */
				return dequeue(e, ring, at);
			}
			if ((*at)->deadline_ms < e->deadline_ms)
				e->deadline_ms = (*at)->deadline_ms;
		}
	return NULL;
}

/* Completions start and end other requests, which come back here: `letting` keeps e alive. */
static void let_through(struct timer *timer)
{
	struct limiter_entry *e = container_of(timer, struct limiter_entry, timer);
	struct rate_verdict v = { 0 };
	struct limiter_ticket *t, *late;
	int64_t now = now_ms();

	e->letting = true;
	while (e->waiting && (t = next_free(e, now, &v)) != NULL)
		let_go(e, t, now);
	while (e->waiting && e->deadline_ms <= now)
		if ((late = take_overdue(e, now)) != NULL)
			give_up(late);
	e->letting = false;
	if (e->waiting) {
		int64_t until = v.why == RATE_ANSWER ? INT64_MAX : now + v.wait_ms;
		until = e->deadline_ms < until ? e->deadline_ms : until;
		timer_start(
			e->limiter->loop, &e->timer, until > now ? until - now : 0, let_through);
	}
}

static void look_again(struct limiter_entry *e)
{
	if (e->waiting)
		timer_start(e->limiter->loop, &e->timer, 0, let_through);
}

static void cancelled(struct timer *timer)
{
	struct limiter_ticket *t = container_of(timer, struct limiter_ticket, timer);
	struct err err = { 0 };

	err_set(&err, ERR_CANCELLED, "the request was cancelled");
	op_complete(t->op, &err);
}

static void cancel(struct op *op)
{
	struct limiter_ticket *t = op->impl;

	if (timer_active(&t->timer))
		return;
	remove_ticket(t->entry, t);
	look_again(take(t->entry));
	timer_start(t->limiter->loop, &t->timer, 0, cancelled);
}

static enum limiter_answer wait_in_turn(
	struct limiter_ticket *t, const struct limiter_ask *ask, struct op *op, int64_t now)
{
	struct limiter_entry *e = t->entry;

	t->owner = ask->owner;
	t->since_ms = now;
	t->deadline_ms = now + ask->max_wait_ms;
	t->op = op;
	op->impl = t;
	op->cancel = cancel;
	enqueue(e, t);
	/* Also sets the timer for who came first. */
	timer_start(e->limiter->loop, &e->timer, 0, let_through);
	return LIMITER_WAIT;
}

enum limiter_answer limiter_enter(
	struct limiter *l, struct limiter_ticket *t, const struct limiter_ask *ask, struct op *op)
{
	int64_t now = now_ms();

	assert(!t->held);
	*t = (struct limiter_ticket){
		.limiter = l, .entry = entry_for(l, ask->key, now), .lane = ask->lane
	};
	if (!t->entry) {
		t->held = true;
		return LIMITER_GO;
	}
	struct rate_verdict v = rate_ask(&t->entry->rate, now, t->lane);
	t->why = v.why;
	t->wait_ms = v.wait_ms;
	if (v.why == RATE_FREE && !t->entry->waiting) {
		hold(t->entry, t, now);
		return LIMITER_GO;
	}
	if (!v.certain || v.wait_ms <= ask->max_wait_ms)
		return wait_in_turn(t, ask, op, now);
	l->stats.refused++;
	t->entry = NULL;
	return LIMITER_REFUSED;
}

/* Handing back. */

static struct limiter_entry *hand_back(struct limiter_ticket *t)
{
	bool held = t->held;

	t->held = false;
	return held ? take(t->entry) : NULL;
}

void limiter_answered(
	struct limiter_ticket *t, int status, const struct http_headers *headers, int64_t told_ms)
{
	struct limiter_entry *e = hand_back(t);
	struct rate_news news;

	rate_headers_read(headers, clock_now_ms(), &news);
	if (news.retry_after_ms < 0)
		news.retry_after_ms = told_ms;
	if (t->limiter && rate_is_refusal(status, &news))
		t->limiter->stats.limited++;
	if (!e)
		return;
	rate_answer(&e->rate, now_ms(), &t->sent, status, &news);
	look_again(e);
}

void limiter_lost(struct limiter_ticket *t)
{
	struct limiter_entry *e = hand_back(t);

	if (!e)
		return;
	rate_lose(&e->rate, now_ms(), &t->sent);
	look_again(e);
}

void limiter_unused(struct limiter_ticket *t)
{
	struct limiter_entry *e = hand_back(t);

	if (!e)
		return;
	rate_withdraw(&e->rate, &t->sent);
	look_again(e);
}

struct limiter *limiter_new(struct loop *loop)
{
	struct limiter *l = NEW(struct limiter);

	l->loop = loop;
	return l;
}

void limiter_free(struct limiter *l)
{
	if (!l)
		return;
	while (l->oldest) {
		assert(is_idle(l->oldest));
		entry_free(l->oldest);
	}
	mem_free(l);
}

struct limiter_stats limiter_stats(const struct limiter *l)
{
	return l->stats;
}
