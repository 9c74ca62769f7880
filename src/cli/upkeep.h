/*
 * What a server does now and then: routing events that were stored but not routed, forgetting old
 * logs, deliveries, events and records; taking up keys that were made or rotated meanwhile. Loop
 * thread.
 */
#pragma once

#include "sync/engine.h"

struct upkeep;

/* Begins at once, then every few minutes. */
struct upkeep *upkeep_new(struct engine *eng);
void upkeep_stop(struct upkeep *u); /* NULL is fine */
void upkeep_free(struct upkeep *u); /* after the database's last job; NULL is fine */
