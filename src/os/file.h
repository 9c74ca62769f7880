/*
 * Files and folders: whole-file reads, private files written atomically, locks that end with the
 * process. Any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Appends the whole file to out. ERR_NOT_FOUND, ERR_LIMIT past out's maximum, else ERR_IO. */
int file_read(const char *path, struct buf *out, struct err *err);

/* Writes a new file and renames it over path; private: of mode 0600. Lasts when it returns. */
int file_write(const char *path, struct sv bytes, struct err *err);
int file_write_private(const char *path, struct sv bytes, struct err *err);

/* Renames over what is there, within a folder. Lasts when it returns. */
int file_rename(const char *from, const char *to, struct err *err);

/* Creates the folder (mode 0700) and its parents unless they are there. */
int dir_ensure(const char *path, struct err *err);

/* Locks path exclusively for the life of the process. ERR_CONFLICT when another holds it. */
int file_lock(const char *path, int *ret_fd, struct err *err);

/* Lets this process have open as many files as the system allows it; where it refuses, as many as
 * before. */
void files_raise(void);

/*
 * A text for where the locked file is: no other file that anybody holds at the same time has it, on
 * any machine, so who held the same place before is dead. A copy of the file is another place, and
 * so is the same file once the machine was started again. ERR_NOT_FOUND where a system cannot tell.
 */
#define FILE_PLACE_SIZE 80
int file_place(int fd, char ret[FILE_PLACE_SIZE], struct err *err);

/* The path of this program. */
int exe_path(char *out, size_t size, struct err *err);
