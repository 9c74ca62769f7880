/* The runner role by itself, for the tests of this module. */
#include "js/runner_main.h"
#include "protocol/page.h"

int main(void)
{
	return runner_main(RUNNER_FD_SOCKET, RUNNER_FD_PAGE);
}
