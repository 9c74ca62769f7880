/*
 * A deployment: the package of the command line (spec/api-cli.md 3.3) against what is deployed.
 * The plan is computed from both and is what the confirmation shows; applying it is one
 * transaction. Synchronous, inside a database job; everything lives in the caller's arena.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "model/function.h"

struct dbc;
struct buf;
struct json_t;

enum deploy_mode { DEPLOY_ALL, DEPLOY_INTEGRATION, DEPLOY_SINGLE };

enum deploy_change { DEPLOY_NEW, DEPLOY_UPDATED, DEPLOY_DELETED };

/* One function of the package, or one deployed function that the package lacks. */
struct deploy_item {
	enum deploy_change change;
	struct function fn; /* as it shall be; as it is when deleted */
	struct function_code code; /* absent when deleted */
	bool has_old;
	struct function old; /* the active version, when has_old */
	bool given_version;
	int64_t connections; /* of its integration */
};

struct deploy {
	int64_t environment_id;
	enum deploy_mode mode;
	struct sv source, sdk_version;
	bool reconcile;
	int64_t min_frequency_ms;
	struct deploy_item *items;
	size_t count;
	struct sv *dropped_models; /* that a deployed sync had and its new version lacks */
	size_t dropped_count;
	/* On failure: what to answer. */
	const char *error_code;
};

/*
 * Fills *d from a validated package body and the store. ERR_INVALID with d->error_code set when
 * the package cannot be deployed: unknown integration, bad frequency...
 */
int deploy_plan(
	struct dbc *c, struct json_t *package, struct arena *a, struct deploy *d, struct err *err);

/* The ten arrays of the confirmation. */
void deploy_write_plan(const struct deploy *d, struct buf *out);

/* Makes it so. Deployments of one environment wait for each other. */
int deploy_apply(struct dbc *c, struct deploy *d, struct arena *a, struct err *err);

/* The reply of a deployment: what is deployed now. */
void deploy_write_result(const struct deploy *d, struct buf *out);
