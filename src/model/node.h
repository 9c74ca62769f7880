/*
 * Who works on what, as rows say it in their column `owner` (runs, outbox, token_refreshes): a name
 * of this process that nobody else ever has. It begins with the place the process holds, of which
 * there is one holder at a time (os/file.h): whatever the same place owns under another name was a
 * former process's, which is dead, and is taken over at once. What others own is theirs until
 * their lease runs out. Constant once made; any thread.
 */
#pragma once

#include "data/uuid.h"
#include "os/file.h"

struct node {
	char place[FILE_PLACE_SIZE + 1]; /* how names of our place begin */
	char owner[FILE_PLACE_SIZE + 1 + UUID_TEXT_SIZE];
};

/*
 * The place: a text that only its holder has. "": every other process is dead, we are alone with
 * the store. NULL: unknown, so nobody is known to be dead.
 */
void node_init(struct node *n, const char *place);
