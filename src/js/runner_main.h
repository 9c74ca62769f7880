/* The runner role of the binary: `tidemark runner`, started by the server's pool, never by hand. */
#pragma once

/*
 * Serves the server at the other end of socket `fd`, naming the executing run in the shared memory
 * of `shm_fd` (protocol/page.h), until the socket closes or it is told to end. Returns the exit
 * code. Calls nothing of the caller again and leaves the environment cleared.
 */
int runner_main(int fd, int shm_fd);
