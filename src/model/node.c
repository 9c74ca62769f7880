#include "model/node.h"

#include <stdio.h>

void node_init(struct node *n, const char *place)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(uuid_v4(), id);
	if (!place)
		place = id;
	/* Ended by a mark: no place begins like another one. */
	snprintf(n->place, sizeof(n->place), "%s%s", place, *place ? "/" : "");
	snprintf(n->owner, sizeof(n->owner), "%s%s", n->place, id);
}
