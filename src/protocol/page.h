/*
 * What a runner and its server share besides the socket: the numbers of the two descriptors that
 * the child inherits, and a page in which the child says whose code it is executing. The server
 * reads the page when a child hangs or dies, to tell the culprit from its neighbours; since the
 * child writes it, nothing but a hint about that child's own runs may be derived from it.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { RUNNER_FD_SOCKET = 3, RUNNER_FD_PAGE = 4, RUNNER_PAGE_SIZE = 4096 };

struct runner_page {
	_Atomic uint32_t run; /* whose code executes now; 0 between entries into JavaScript */
	_Atomic uint64_t entries; /* counts the entries */
};

_Static_assert(sizeof(struct runner_page) <= RUNNER_PAGE_SIZE, "it is mapped as one page");
