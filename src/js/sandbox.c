#include "js/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Without an argument to check. Grouped by who needs them. */
static const char *const ALLOWED[] = {
	/* us: the socket, the clock, the file of our memory use */
	"read", "write", "recvfrom", "sendto", "poll", "ppoll", "close", "pread64", "lseek",
	"clock_gettime", "gettimeofday", "time", "getrandom", "getpid", "exit", "exit_group",
	/* the allocators */
	"brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "mincore", "membarrier",
	/* threads of the engine: compiler, collector */
	"futex", "set_robust_list", "rseq", "gettid", "sched_yield", "sched_getaffinity",
	"sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min",
	"nanosleep", "clock_nanosleep", "sigaltstack", "rt_sigaction", "rt_sigprocmask",
	"rt_sigreturn", "rt_sigsuspend", "restart_syscall", "getrusage", "sysinfo", "getrlimit",
	"arch_prctl", "fstat", "newfstatat", "uname", "eventfd2", "pipe2"
};

/* Refused as if the kernel did not have it, so that glibc falls back to what can be checked. */
static const char *const UNKNOWN[] = { "clone3", "io_uring_setup" };

static int write_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, "800", 3);
	close(fd);
	return n == 3 ? 0 : -EIO;
}

void sandbox_prepare(void)
{
	const struct rlimit none = { 0, 0 };

	/* Nothing of the server's environment is for functions, or for a library's options. */
	clearenv();
	setenv("TZ", "UTC", 1);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	write_oom_score();
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
}

static int allow(scmp_filter_ctx filter, const char *const *names, size_t n, uint32_t action)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		/* Not every machine has every call. */
		if (nr == __NR_SCMP_ERROR)
			continue;
		int rc = seccomp_rule_add(filter, action, nr, 0);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Calls that are harmless with some arguments only. */
static int allow_checked(scmp_filter_ctx filter)
{
	enum { CLONE_THREAD_FLAG = 0x00010000 };
	int rc;

	rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD_FLAG, CLONE_THREAD_FLAG));
	if (rc < 0)
		return rc;
	/* The engine stops its own threads by signal to scan their stacks. */
	rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (rc < 0)
		return rc;
	return seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
}

static int build(scmp_filter_ctx filter)
{
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (rc == 0)
		rc = allow(filter, ALLOWED, ARRAY_LEN(ALLOWED), SCMP_ACT_ALLOW);
	if (rc == 0)
		rc = allow(filter, UNKNOWN, ARRAY_LEN(UNKNOWN), SCMP_ACT_ERRNO(ENOSYS));
	if (rc == 0)
		rc = allow_checked(filter);
	return rc;
}

int sandbox_enter(struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (!filter)
		return err_set(err, ERR_INTERNAL, "no seccomp filter can be made");
	int rc = build(filter);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	if (rc < 0)
		return err_errno(err, -rc, "this kernel takes no seccomp filter");
	return 0;
}
