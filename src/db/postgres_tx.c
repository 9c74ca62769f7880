#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "db/postgres.h"
#include "db/sql.h"

#include <stdio.h>
#include <time.h>

/* Attempts at a job that lost to others; each waits longer, by chance. */
#define DEADLOCK_ATTEMPTS 10

/* Sending and reading. */

int pg_lost(struct pg_conn *p, const char *what, struct err *err)
{
	int rc = pg_fail(p, NULL, what, err);

	pg_disconnect(p);
	return rc;
}

int pg_queue(struct pg_conn *p, const char *sql, struct err *err)
{
	if (!PQsendQueryParams(p->pg, sql, 0, NULL, NULL, NULL, NULL, 1))
		return pg_lost(p, sql, err);
	p->queued++;
	return 0;
}

/* NULL when the connection is gone. Between two answers libpq returns a NULL of its own. */
static PGresult *next_answer(struct pg_conn *p)
{
	PGresult *res = PQgetResult(p->pg);

	return res ? res : PQgetResult(p->pg);
}

static void keep_id(struct pg_conn *p, const PGresult *res)
{
	if (PQntuples(res) == 1)
		snprintf(p->tx_id, sizeof(p->tx_id), "%.*s", PQgetlength(res, 0, 0),
			PQgetvalue(res, 0, 0));
}

/* Everything up to the next synchronisation. `wanted`: else these are answers nobody reads. */
static int read_answers(
	struct pg_conn *p, const char *what, bool wanted, PGresult **last, struct err *err)
{
	int rc = 0;

	for (int i = 0;; i++) {
		PGresult *res = next_answer(p);
		ExecStatusType status = PQresultStatus(res);
		if (!res || (status == PGRES_FATAL_ERROR && PQstatus(p->pg) == CONNECTION_BAD)) {
			if (rc == 0)
				rc = pg_fail(p, res, what, err);
			PQclear(res);
			pg_disconnect(p);
			return rc;
		}
		if (status == PGRES_FATAL_ERROR && wanted && rc == 0)
			rc = pg_fail(p, res, what, err);
		if (wanted && i == p->id_at && status == PGRES_TUPLES_OK)
			keep_id(p, res);
		if (wanted && (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)) {
			PQclear(*last);
			*last = res;
		} else {
			PQclear(res);
		}
		if (status == PGRES_PIPELINE_SYNC)
			return rc;
	}
}

int pg_round_trip(struct pg_conn *p, const char *what, PGresult **ret, struct err *err)
{
	PGresult *last = NULL;
	int rc = PQpipelineSync(p->pg) ? 0 : pg_lost(p, what, err);

	for (; rc == 0 && p->ends_unread; p->ends_unread--)
		rc = read_answers(p, what, false, &last, err);
	if (rc == 0)
		rc = read_answers(p, what, true, &last, err);
	p->queued = 0;
	p->id_at = -1;
	if (rc == 0 && ret)
		*ret = last;
	else
		PQclear(last);
	return rc;
}

/* Begin and end. */

int pg_begin(struct dbc *c, enum db_mode mode, struct err *err)
{
	struct pg_conn *p = pg_conn_of(c);

	if (p->pg && (p->trouble == PG_LOST || PQstatus(p->pg) == CONNECTION_BAD))
		pg_disconnect(p);
	p->trouble = PG_NO_TROUBLE;
	p->tx_id[0] = 0;
	if (!p->pg)
		TRY(pg_connect(p, err));
	p->mode = mode;
	p->tx = TX_PENDING;
	return 0;
}

int pg_queue_begin(struct pg_conn *p, struct err *err)
{
	if (p->tx != TX_PENDING)
		return 0;
	p->tx = TX_OPEN;
	if (p->mode == DB_READ)
		TRY(pg_queue(p, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err));
	else
		TRY(pg_queue(p, "BEGIN ISOLATION LEVEL READ COMMITTED", err));
	if (p->store->unset)
		TRY(pg_queue(p, query_texts[Q_PG_SETTINGS].postgres, err));
	if (p->mode == DB_WRITE) {
		p->id_at = p->queued;
		TRY(pg_queue(p, query_texts[Q_PG_TRANSACTION].postgres, err));
	}
	return 0;
}

/* An end that nobody waits for: its answers are read by the next round trip. */
static void end_quietly(struct pg_conn *p, const char *sql)
{
	bool open = p->tx == TX_OPEN;

	p->tx = TX_NONE;
	if (!open || !p->pg)
		return;
	if (pg_queue(p, sql, NULL) < 0)
		return;
	p->queued = 0;
	if (PQpipelineSync(p->pg))
		p->ends_unread++;
	else
		pg_disconnect(p);
}

void pg_rollback(struct dbc *c)
{
	end_quietly(pg_conn_of(c), "ROLLBACK");
}

static void nap_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* See the query for what `out` can be. */
static int ask_outcome(struct pg_conn *p, const char *era, char out[16], struct err *err)
{
	const char *values[2] = { era, p->tx_id };
	PGresult *res = NULL;

	if (!p->pg)
		TRY(pg_connect(p, err));
	if (!PQsendQueryParams(
		    p->pg, query_texts[Q_PG_OUTCOME].postgres, 2, NULL, values, NULL, NULL, 1))
		return pg_lost(p, "outcome of a commit", err);
	TRY(pg_round_trip(p, "outcome of a commit", &res, err));
	if (PQntuples(res) == 1)
		snprintf(out, 16, "%.*s", PQgetlength(res, 0, 0), PQgetvalue(res, 0, 0));
	PQclear(res);
	return 0;
}

/*
 * The connection broke between COMMIT and its answer. The transaction's id tells what became of it,
 * so that the job is neither lost nor done twice.
 */
static int settle(struct pg_conn *p, struct err *err)
{
	struct err why = *err;
	int64_t until_us = clock_mono_us() + PG_PATIENCE_MS * INT64_C(1000);
	char era[sizeof(p->era)];

	memcpy(era, p->era, sizeof(era)); /* connecting again reads that of now */
	while (p->tx_id[0] && clock_mono_us() < until_us) {
		char outcome[16] = "in progress";
		bool asked = ask_outcome(p, era, outcome, &why) == 0;
		if (asked && strcmp(outcome, "committed") == 0) {
			*err = (struct err){ 0 };
			p->trouble = PG_NO_TROUBLE;
			return 0;
		}
		if (asked && strcmp(outcome, "aborted") == 0) {
			p->trouble = PG_LOST; /* nothing of it stayed: it may run again */
			return err->code;
		}
		if (asked && strcmp(outcome, "in progress") != 0)
			break;
		nap_ms(100);
	}
	p->trouble = PG_NO_TROUBLE;
	return err_set(err, ERR_IO,
		"the connection broke during a commit and it is unknown whether that took effect "
		"(%s)",
		why.msg);
}

int pg_commit(struct dbc *c, struct err *err)
{
	struct pg_conn *p = pg_conn_of(c);
	struct err mine = { 0 };
	PGresult *res = NULL;

	if (p->tx != TX_OPEN) {
		p->tx = TX_NONE;
		return 0;
	}
	int rc = pg_queue(p, "COMMIT", &mine);
	if (rc == 0)
		rc = pg_round_trip(p, "COMMIT", &res, &mine);
	if (rc < 0 && !p->pg)
		rc = settle(p, &mine);
	else if (rc == 0 && strcmp(PQcmdStatus(res), "ROLLBACK") == 0)
		rc = err_set(&mine, ERR_INTERNAL, "COMMIT: the job passed over an error");
	PQclear(res);
	/* Otherwise it was refused, and the transaction is over, too. */
	p->tx = TX_NONE;
	if (rc < 0 && err)
		*err = mine;
	return rc;
}

bool pg_in_transaction(struct dbc *c)
{
	struct pg_conn *p = pg_conn_of(c);

	return p->pg && p->tx != TX_NONE;
}

int pg_savepoint(struct dbc *c, struct err *err)
{
	struct pg_conn *p = pg_conn_of(c);

	TRY(pg_queue_begin(p, err));
	return pg_queue(p, "SAVEPOINT job", err);
}

int pg_release(struct dbc *c, struct err *err)
{
	return pg_queue(pg_conn_of(c), "RELEASE job", err);
}

void pg_rollback_to(struct dbc *c)
{
	/* A failure is noticed by the next round trip. */
	if (pg_queue(pg_conn_of(c), "ROLLBACK TO job", NULL) == 0)
		(void)pg_queue(pg_conn_of(c), "RELEASE job", NULL);
}

int pg_again_ms(struct dbc *c, unsigned attempt, int64_t since_ms)
{
	struct pg_conn *p = pg_conn_of(c);
	int wait = attempt < 8 ? 5 << attempt : 1000;

	switch (p->trouble) {
	case PG_NO_TROUBLE: return -1;
	case PG_POOLER: return attempt < 3 ? 0 : -1;
	case PG_DEADLOCK:
		return attempt < DEADLOCK_ATTEMPTS ? 1 + (int)(clock_mono_us() % wait) : -1;
	case PG_LOST: return since_ms < PG_PATIENCE_MS ? wait : -1;
	}
	return -1;
}
