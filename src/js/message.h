/* What the server can ask of a runner: one handler for each message of protocol/messages.def. */
#pragma once

#include "js/host.h"

/* False: the process shall end. */
bool message_handle(struct host *h, const struct frame *f);
