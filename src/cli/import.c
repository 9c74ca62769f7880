/* tidemark import: fills an empty installation from an export (transfer/import.h). */
#include "transfer/import.h"

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/store.h"
#include "conf/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void tell(void *ctx, const struct transfer_progress *p)
{
	progress_tell(ctx, p->table, p->rows, "rows", p->done, p->total);
}

static int read_from(const struct settings *conf, int fd, struct err *err)
{
	own_in(store_close) struct store store = { 0 };
	struct import in = { .fd = fd };
	struct progress progress;
	struct stat st;

	TRY(import_check_end(fd, err));
	TRY(store_open(conf, STORE_FILL, &store, err));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		in.file_bytes = st.st_size;
	in.keys = store.keys;
	progress_init(&progress);
	in.watcher = (struct transfer_watcher){ tell, &progress };
	int rc = import_all(store.db, &in, err);
	progress_done(&progress);
	TRY(rc);
	printf("imported %lld rows in %.1f s", (long long)(in.rows - in.resumed_rows),
		progress_seconds(&progress));
	if (in.resumed_rows)
		printf(" (and %lld by the attempt before)", (long long)in.resumed_rows);
	printf("; counts and checksum fit, the key opens them\n");
	return 0;
}

int cmd_import(int argc, char **argv)
{
	own(settings_free) struct settings *conf = NULL;
	struct err err = { 0 };

	if (argc < 2 || strcmp(argv[1], "--help") == 0)
		return cli_usage("import", argc < 2 ? 2 : 0);
	if (store_settings(argc - 2, argv + 2, &conf, &err) < 0)
		return cli_fail("import", &err) + 1;
	bool piped = strcmp(argv[1], "-") == 0;
	int fd = piped ? STDIN_FILENO : open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_errno(&err, errno, "cannot open %s", argv[1]);
		return cli_fail("cannot import", &err);
	}
	int rc = read_from(conf, fd, &err);
	if (!piped)
		close(fd);
	return rc < 0 ? cli_fail("cannot import", &err) : 0;
}
