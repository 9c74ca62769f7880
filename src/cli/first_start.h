/*
 * What a data folder must have before the server answers: data keys in the ring, the environments
 * dev and prod with their keys, and whatever the settings preset per environment. A write job.
 */
#pragma once

#include "base/err.h"

struct dbc;
struct keyring;
struct node;
struct settings;

struct first_start {
	struct keyring *keys;
	const struct settings *conf;
	const struct node *node;
	bool is_first; /* set when there was nothing yet */
};

int first_start_job(struct dbc *c, void *arg, struct err *err);
