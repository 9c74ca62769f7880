/* The checks that ask the database. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "conf/settings.h"
#include "db/db.h"
#include "db/tables.h"
#include "model/sealed.h"
#include "records/check.h"
#include "transfer/import.h"

#include <stdio.h>
#include <sys/stat.h>

#define MINUTE_MS INT64_C(60000)
enum { LATE_MINUTES = 5, WAL_BYTES = 512 << 20, CLOCK_MS = 5000 };

static void version(struct doctor *d, struct dbc *c)
{
	own_in(rows_done) struct rows r = { 0 };
	struct err err;

	if (db_one(c, Q_DOCTOR_VERSION, NO_ARGS, &r, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "database", "%s", err.msg);
		return;
	}
	struct sv text = row_sv(&r, 0);
	/* PostgreSQL adds the compiler and more. */
	size_t len = strcspn(text.ptr, ",(");
	doctor_say(d, DOCTOR_OK, "database", "%.*s, schema %d", (int)len, text.ptr, schema_version);
}

static void import(struct doctor *d, struct dbc *c)
{
	struct err err;

	if (import_check_none(c, &err) < 0)
		doctor_say(d, DOCTOR_FAIL, "import", "%s", err.msg);
}

static void key(struct doctor *d, struct dbc *c)
{
	struct err err;

	if (sealed_check_master(c, d->store.keys, &err) < 0)
		doctor_say(d, DOCTOR_FAIL, "master key", "%s", err.msg);
	else
		doctor_say(d, DOCTOR_OK, "master key", "it opens the data keys");
}

/* Against the database's clock, and against what was written: time must not go back. */
static void clocks(struct doctor *d, struct dbc *c)
{
	int64_t now = clock_now_ms(), theirs = 0, newest = 0;
	struct err err;

	if (db_one_i64(c, Q_DOCTOR_CLOCK, NO_ARGS, &theirs, &err) < 0 ||
		db_one_i64(c, Q_DOCTOR_NEWEST, NO_ARGS, &newest, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "clock", "%s", err.msg);
		return;
	}
	int64_t off = now - theirs, ahead = newest - now;
	if (ahead > CLOCK_MS)
		doctor_say(d, DOCTOR_FAIL, "clock",
			"there is data from %lld s in the future: the clock was set back (set it "
			"right; until then records get times that are ahead)",
			(long long)(ahead / 1000));
	else if (off > CLOCK_MS || off < -CLOCK_MS)
		doctor_say(d, DOCTOR_WARN, "clock",
			"%lld s off that of the database server (run NTP on both)",
			(long long)(off / 1000));
	else
		doctor_say(d, DOCTOR_OK, "clock", "right as far as can be told here");
}

static void schedules(struct doctor *d, struct dbc *c)
{
	int64_t next = 0;
	struct err err;

	int rc = db_one_i64(c, Q_RUN_NEXT_DUE, NO_ARGS, &next, &err);
	int64_t late = (clock_now_ms() - next) / MINUTE_MS;
	if (rc == ERR_NOT_FOUND)
		doctor_say(d, DOCTOR_OK, "schedules", "no sync is started");
	else if (rc < 0)
		doctor_say(d, DOCTOR_FAIL, "schedules", "%s", err.msg);
	else if (late >= LATE_MINUTES)
		doctor_say(d, DOCTOR_WARN, "schedules",
			"a sync is due since %lld minutes (is a server running, and is it "
			"overloaded? see runner_queued in /metrics)",
			(long long)late);
	else
		doctor_say(d, DOCTOR_OK, "schedules", "nothing is late");
}

static void webhooks(struct doctor *d, struct dbc *c)
{
	own_in(rows_done) struct rows r = { 0 };
	struct err err;

	if (db_one(c, Q_DOCTOR_OUTBOX, NO_ARGS, &r, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "webhooks", "%s", err.msg);
		return;
	}
	int64_t count = row_i64(&r, 0);
	int64_t age = count ? (clock_now_ms() - row_i64(&r, 1)) / MINUTE_MS : 0;
	doctor_say(d, age >= LATE_MINUTES ? DOCTOR_WARN : DOCTOR_OK, "webhooks",
		age >= LATE_MINUTES
			? "%lld wait for delivery, the oldest for %lld minutes (`tidemark logs "
			  "list --type webhook` says what the receivers answer)"
			: "%lld wait for delivery, the oldest for %lld minutes",
		(long long)count, (long long)age);
}

static int look(struct dbc *c, void *arg, struct err *err)
{
	struct doctor *d = arg;

	(void)err;
	d->count = 0;
	version(d, c);
	import(d, c);
	key(d, c);
	clocks(d, c);
	schedules(d, c);
	webhooks(d, c);
	return 0;
}

static void log_file(struct doctor *d)
{
	char path[1100];
	struct stat st;

	snprintf(path, sizeof(path), "%s-wal", d->store.path);
	if (!d->store.path[0] || stat(path, &st) < 0)
		return;
	bool large = st.st_size > WAL_BYTES;
	doctor_say(d, large ? DOCTOR_WARN : DOCTOR_OK, "write-ahead log",
		large ? "%.1f MB (something reads one snapshot for long: an export or backup that "
			"hangs?)"
		      : "%.1f MB",
		(double)st.st_size / 1e6);
}

/* In a job of its own: it may take minutes, and reads every record. */
static int records(struct dbc *c, void *arg, struct err *err)
{
	struct doctor *d = arg;
	struct records_check check = { .keys = d->store.keys };

	TRY(records_check(c, &check, err));
	d->count = 0; /* the job may run again */
	doctor_say(d, DOCTOR_OK, "records", "all %lld in %lld datasets are whole",
		(long long)check.rows, (long long)check.datasets);
	return 0;
}

static void check_records(struct doctor *d)
{
	struct err err = { 0 };

	doctor_show(d);
	if (db_run(d->store.db, DB_READ, records, d, &err) < 0)
		doctor_say(d, DOCTOR_FAIL, "records", "%s (restore a backup)", err.msg);
}

void doctor_database(struct doctor *d)
{
	struct err err = { 0 };

	doctor_show(d);
	if (store_open(d->conf, STORE_BESIDE, &d->store, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "database", "%s", err.msg);
		return;
	}
	if (db_run(d->store.db, DB_READ, look, d, &err) < 0)
		doctor_say(d, DOCTOR_FAIL, "database", "%s", err.msg);
	log_file(d);
	if (d->records)
		check_records(d);
}
