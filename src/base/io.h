/* ANY: System calls that continue after EINTR, and the clock. All are async-signal-safe. */
#ifndef FC_BASE_IO_H
#define FC_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* As read(2), but returns a negative errno instead of -1. */
ssize_t fc_read(int fd, void *data, size_t size);

/* A part for fc_write_all. */
struct iovec fc_part(const void *data, size_t size);

/* Writes all parts by write(2) and no other system call: child/reply_writer.h tells why. Changes
 * parts. 0 or a negative errno. */
int fc_write_all(int fd, struct iovec *parts, int count);

/* Removes the first written bytes from the parts. */
void fc_iovec_advance(struct iovec **parts, int *count, size_t written);

/* As sched_yield(2). */
void fc_yield(void);

/* The monotonic clock. */
uint64_t fc_now_ns(void);

#endif
