/*
 * The ticker: one timer for the earliest thing that is due, and a wake-up for changes. It knows
 * neither the database nor runs: its host looks for due work, and says when the next is due.
 * Level-triggered: a wake-up that comes while the host looks makes it look again. Loop thread only.
 */
#pragma once

#include "base/base.h"
#include "io/loop.h"

struct sched;

/* Looks for due work; answers with sched_looked, later or at once. */
typedef void sched_look_fn(void *ctx);

struct sched *sched_new(struct loop *loop, sched_look_fn *look, void *ctx);
void sched_free(struct sched *s); /* NULL is fine */

/* Something changed: look soon (never inside this call). */
void sched_wake(struct sched *s);

/* The host has looked: look again when the wall clock says next_ms (0 = not before a wake-up). */
void sched_looked(struct sched *s, int64_t next_ms);

/* No more looking (drain); sched_wake is ignored from now on. */
void sched_stop(struct sched *s);

/* Something is due at due_ms, maybe earlier than what is known. */
void sched_at(struct sched *s, int64_t due_ms);
