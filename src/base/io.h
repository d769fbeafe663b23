/* ANY: System calls that take no notice of EINTR, and the clock. Async-signal-safe, all of them. */
#ifndef FC_BASE_IO_H
#define FC_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* As read(2), but a negative errno in place of -1. */
ssize_t fc_read(int fd, void *data, size_t size);

/* For fc_write_all. */
struct iovec fc_part(const void *data, size_t size);

/* Writes all of it by write(2), and by no other system call: see child/reply_writer.h. Changes
 * parts. 0 or a negative errno. */
int fc_write_all(int fd, struct iovec *parts, int count);

/* Leaves of *count parts what follows the first written bytes. */
void fc_iovec_advance(struct iovec **parts, int *count, size_t written);

/* The monotonic clock. */
uint64_t fc_now_ns(void);

#endif
