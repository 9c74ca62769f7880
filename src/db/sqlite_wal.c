#include "db/sqlite_wal.h"

#include "base/log.h"
#include "base/mem.h"
#include "db/sqlite.h"

/*
 * In pages of 8 KiB. A longer log writes hot pages back once, not each time; but it is what a crash
 * leaves to be read at the next start.
 */
enum {
	LOG_LONG = 4096, /* time to copy */
	LOG_TOO_LONG = 16384, /* the writer waits and copies */
	REST = 512, /* so little that the writer can do it: some milliseconds */
};

struct wal {
	sqlite3 *db; /* the thread's */
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t changed;
	enum { IDLE, WANTED, RUNNING } state;
	int copied; /* pages at the front of the log that are in the database */
	int failed; /* SQLite code of the last pass, so that a lasting failure is logged once */
	bool closing;
};

/* Copies what no reader still needs in the log. The result is the pages copied so far, at most. */
static int copy(struct wal *w, sqlite3 *db)
{
	int copied = 0;

	int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, &copied);
	pthread_mutex_lock(&w->lock);
	bool news = rc != w->failed && rc != SQLITE_OK && rc != SQLITE_BUSY;
	w->failed = rc;
	pthread_mutex_unlock(&w->lock);
	if (news) /* the commits are safe, and it is tried again after the next ones */
		log_error(NULL, "the write-ahead log cannot be copied to the database",
			LOG_STR("error", sqlite3_errmsg(db)));
	return copied > 0 ? copied : 0;
}

static void *copy_main(void *arg)
{
	struct wal *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->state != WANTED && !w->closing)
			pthread_cond_wait(&w->changed, &w->lock);
		if (w->closing)
			break;
		w->state = RUNNING;
		pthread_mutex_unlock(&w->lock);
		int copied = copy(w, w->db);
		pthread_mutex_lock(&w->lock);
		w->copied = copied;
		w->state = IDLE;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Leaves it to the thread, or returns true: the writer has to. */
static bool writers_turn(struct wal *w, int pages)
{
	pthread_mutex_lock(&w->lock);
	if (pages < w->copied) /* it has started again */
		w->copied = 0;
	while (pages >= LOG_TOO_LONG && w->state != IDLE)
		pthread_cond_wait(&w->changed, &w->lock);
	bool idle = w->state == IDLE;
	bool turn = idle && (pages >= LOG_TOO_LONG || (w->copied && pages - w->copied <= REST));
	if (idle && !turn) {
		w->state = WANTED;
		pthread_cond_broadcast(&w->changed);
	}
	/* Should readers keep the log from starting again, the next turn is the thread's. */
	if (turn)
		w->copied = 0;
	pthread_mutex_unlock(&w->lock);
	return turn;
}

/* After a commit, on the thread of the writer. */
static int committed(void *ctx, sqlite3 *db, const char *name UNUSED, int pages)
{
	struct wal *w = ctx;

	if (pages >= LOG_LONG && writers_turn(w, pages))
		copy(w, db);
	return SQLITE_OK;
}

void wal_watch(struct wal *w, sqlite3 *writer)
{
	sqlite3_wal_hook(writer, committed, w); /* also ends its own way of doing this */
}

int wal_open(const char *path, struct wal **ret, struct err *err)
{
	own(wal_close) struct wal *w = NEW(struct wal);

	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	TRY(sqlite_file_open(path, DB_WRITE, &w->db, err));
	TRY(db_thread_start(&w->thread, copy_main, w, err));
	w->started = true;
	*ret = take(w);
	return 0;
}

void wal_close(struct wal *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (w->started)
		pthread_join(w->thread, NULL);
	sqlite3_close_v2(w->db);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	mem_free(w);
}
