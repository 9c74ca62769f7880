/*
 * Everything a running server consists of, passed down to whoever coordinates modules (sync,
 * webhook, api, cli serve). Owned by cli/serve.c, which creates and ends the parts in order.
 */
#pragma once

#include "base/base.h"

struct engine {
	struct loop *loop;
	const struct settings *conf;
	struct db *db;
	const struct node *node; /* who we are to others on the database */
	struct keyring *keys;
	struct providers *providers;
	struct http_client *client;
	struct refresher *refresher; /* of connections' tokens */
	struct proxy *proxy;
	struct runner_pool *runners;
	struct oplog *oplog; /* the users' log: buffered, written in batches */
	struct runs *runs; /* sync/: the runs in flight */
	struct sched *sched; /* what is due */
	struct outbox *outbox; /* webhooks owed */
	struct inbox *inbox; /* webhooks received */
	int64_t started_ms;
};
