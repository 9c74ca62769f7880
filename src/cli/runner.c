/* tidemark runner: the untrusted role; the server starts it, with its socket and page. */
#include "cli/cli.h"
#include "js/runner_main.h"

enum { SOCKET_FD = 3, PAGE_FD = 4 };

int cmd_runner(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return runner_main(SOCKET_FD, PAGE_FD);
}
