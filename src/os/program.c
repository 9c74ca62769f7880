#include "os/program.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int redirect(posix_spawn_file_actions_t *actions, const char *output)
{
	int rc = posix_spawn_file_actions_addopen(
		actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	return rc ? rc : posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
}

static int start(const char *const *argv, const char *cwd, const char *output, pid_t *ret)
{
	posix_spawn_file_actions_t actions;

	int rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return rc;
	if (output)
		rc = redirect(&actions, output);
	if (!rc && cwd)
		rc = posix_spawn_file_actions_addchdir_np(&actions, cwd);
	if (!rc)
		rc = posix_spawnp(ret, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

int os_spawn_wait(const char *const *argv, const char *cwd, const char *output, int *ret_status,
	struct err *err)
{
	pid_t pid;
	int status;

	int rc = start(argv, cwd, output, &pid);
	if (rc == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "cannot run %s: no such program", argv[0]);
	if (rc)
		return err_errno(err, rc, "cannot run %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(err, errno, "waiting for %s", argv[0]);
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}
