#include "os/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int pipe_write = -1; /* handlers have no other way to reach anything */

static void on_signal(int number)
{
	char byte = (char)number;
	int kept = errno;

	if (write(pipe_write, &byte, 1) < 0) {
		/* full: somebody is already being told */
	}
	errno = kept;
}

static void handle(int number, void (*fn)(int))
{
	struct sigaction act = { .sa_handler = fn, .sa_flags = SA_RESTART };
	sigemptyset(&act.sa_mask);
	sigaction(number, &act, NULL);
}

int signals_open(int *ret_fd, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, errno, "cannot create a pipe");
	pipe_write = fds[1];
	handle(SIGPIPE, SIG_IGN);
	handle(SIGINT, on_signal);
	handle(SIGTERM, on_signal);
	*ret_fd = fds[0];
	return 0;
}

void signals_default(void)
{
	handle(SIGINT, SIG_DFL);
	handle(SIGTERM, SIG_DFL);
}
