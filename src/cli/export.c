/* tidemark export: everything an installation consists of as lines of text (transfer/export.h). */
#include "transfer/export.h"

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/store.h"
#include "conf/settings.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void tell(void *ctx, const struct transfer_progress *p)
{
	progress_tell(ctx, p->table, p->rows, "rows", p->done, p->total);
}

static int write_to(struct store *store, int fd, bool piped, struct err *err)
{
	struct export e = { .fd = fd, .keys = store->keys };
	struct progress progress;

	progress_init(&progress);
	if (progress.on)
		e.watcher = (struct transfer_watcher){ tell, &progress };
	int rc = export_all(store->db, &e, err);
	progress_done(&progress);
	if (rc == 0)
		fprintf(piped ? stderr : stdout,
			"exported %lld rows, %.1f MB, in %.1f s; the master key is not among them: "
			"it goes its own way\n",
			(long long)e.rows, (double)e.bytes / 1e6, progress_seconds(&progress));
	return rc;
}

/* Under another name until it is whole. */
static int write_file(struct store *store, const char *path, struct err *err)
{
	char part[4096];

	if (access(path, F_OK) == 0)
		return err_set(err, ERR_CONFLICT, "%s exists (give another name)", path);
	if ((size_t)snprintf(part, sizeof(part), "%s.part", path) >= sizeof(part))
		return err_set(err, ERR_INVALID, "path too long: %.100s", path);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot write %s", part);
	int rc = write_to(store, fd, false, err);
	if (rc == 0 && fsync(fd) < 0)
		rc = err_errno(err, errno, "cannot write %s", part);
	close(fd);
	if (rc == 0)
		rc = file_rename(part, path, err);
	if (rc < 0)
		unlink(part);
	return rc;
}

static int export_to(const struct settings *conf, const char *path, struct err *err)
{
	own_in(store_close) struct store store = { 0 };

	TRY(store_open(conf, STORE_BESIDE, &store, err));
	if (strcmp(path, "-") == 0)
		return write_to(&store, STDOUT_FILENO, true, err);
	return write_file(&store, path, err);
}

int cmd_export(int argc, char **argv)
{
	own(settings_free) struct settings *conf = NULL;
	struct err err = { 0 };

	if (argc < 2 || strcmp(argv[1], "--help") == 0)
		return cli_usage("export", argc < 2 ? 2 : 0);
	if (store_settings(argc - 2, argv + 2, &conf, &err) < 0)
		return cli_fail("export", &err) + 1;
	if (export_to(conf, argv[1], &err) < 0)
		return cli_fail("cannot export", &err);
	return 0;
}
