#include "os/file.h"

#include "base/mem.h"
#include "base/sv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#include <sys/sysctl.h>
#endif

static void fd_done(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
	for (;;) {
		char beyond;
		size_t room = out->max - out->len;
		size_t want = room < 65536 ? room : 65536;
		char *at = want ? buf_reserve(out, want) : &beyond;
		ssize_t n = read(fd, at, want ? want : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "cannot read %s", path);
		if (n == 0)
			return 0;
		if (!want)
			return err_set(err, ERR_LIMIT, "%s: too large", path);
		buf_grow(out, (size_t)n);
	}
}

int file_read(const char *path, struct buf *out, struct err *err)
{
	own_in(fd_done) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	return read_all(fd, path, out, err);
}

static int write_all(int fd, struct sv bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			bytes = sv_from(bytes, (size_t)n);
	}
	return fsync(fd);
}

/* A name lasts once its folder is on the disk. */
static int sync_folder_of(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	own_mem char *folder = !slash	       ? mem_strdup(".")
			       : slash == path ? mem_strdup("/")
					       : mem_svdup(sv_make(path, (size_t)(slash - path)));

	own_in(fd_done) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, errno, "cannot write the folder %s", folder);
	return 0;
}

int file_rename(const char *from, const char *to, struct err *err)
{
	if (rename(from, to) < 0)
		return err_errno(err, errno, "cannot rename %s to %s", from, to);
	return sync_folder_of(to, err);
}

static int replace_file(const char *path, struct sv bytes, mode_t mode, struct err *err)
{
	char temp[4096];

	if ((size_t)snprintf(temp, sizeof(temp), "%s.new", path) >= sizeof(temp))
		return err_set(err, ERR_INVALID, "path too long: %.100s", path);
	own_in(fd_done) int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0 || write_all(fd, bytes) < 0)
		return err_errno(err, errno, "cannot write %s", path);
	return file_rename(temp, path, err);
}

int file_write(const char *path, struct sv bytes, struct err *err)
{
	return replace_file(path, bytes, 0666, err);
}

int file_write_private(const char *path, struct sv bytes, struct err *err)
{
	return replace_file(path, bytes, 0600, err);
}

int dir_ensure(const char *path, struct err *err)
{
	own_mem char *part = mem_strdup(path);

	for (char *slash = part + 1; *part && *slash; slash++) {
		if (*slash != '/')
			continue;
		*slash = 0;
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return err_errno(err, errno, "cannot create %s", part);
		*slash = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "cannot create %s", path);
	return 0;
}

int file_lock(const char *path, int *ret_fd, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int why = errno;
		close(fd);
		if (why == EWOULDBLOCK)
			return err_set(err, ERR_CONFLICT, "%s is held by another process", path);
		return err_errno(err, why, "cannot lock %s", path);
	}
	*ret_fd = fd;
	return 0;
}

void files_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* A random id of this start of the machine's kernel. */
static int boot_id(char *out, size_t size, struct err *err)
{
#ifdef __APPLE__
	if (sysctlbyname("kern.bootsessionuuid", out, &size, NULL, 0) < 0)
		return err_set(err, ERR_NOT_FOUND, "this system has no id of its start");
	return 0;
#else
	own_in(buf_done) struct buf id = { 0 };

	buf_init(&id, size - 1);
	if (file_read("/proc/sys/kernel/random/boot_id", &id, err) < 0)
		return err_set(err, ERR_NOT_FOUND, "this system has no id of its start");
	snprintf(out, size, "%.*s", SV(sv_trim(buf_sv(&id))));
	return 0;
#endif
}

/*
 * One kernel sees each file that is open under one pair of device and inode, and gives its lock to
 * one process; another kernel has another boot id.
 */
int file_place(int fd, char ret[FILE_PLACE_SIZE], struct err *err)
{
	char boot[40];
	struct stat st;

	TRY(boot_id(boot, sizeof(boot), err));
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "cannot look at a locked file");
	snprintf(ret, FILE_PLACE_SIZE, "%s:%llx:%llx", boot, (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	return 0;
}

int exe_path(char *out, size_t size, struct err *err)
{
#ifdef __APPLE__
	uint32_t len = (uint32_t)size;
	if (_NSGetExecutablePath(out, &len) == 0)
		return 0;
	return err_set(err, ERR_IO, "cannot find this program");
#else
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	if (n < 0)
		return err_errno(err, errno, "cannot find this program");
	out[n] = 0;
	return 0;
#endif
}
