/* A process that is made ahead of time answers a call, by hand. Each of these has one helper per
 * process that measures; it ends with that process. */
#ifndef BENCH_HANDMADE_SERVER_H
#define BENCH_HANDMADE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

/* A process that answers for ever: what the kernel takes to switch to another process and back. */
bool handmade_ping_start(void);
/* A run: 8 bytes to it and 8 bytes back. */
int64_t handmade_ping(void *unused);

/* A server that keeps so many forked children ready. Each has a request pipe and a reply pipe of
 * its own, whose other ends the server passes to the caller ahead of time; it makes another when a
 * call is over. */
bool handmade_spares_start(unsigned spares);
/* A run: a child that waits computes an 8-byte answer. Thread-safe. */
int64_t handmade_spares_call(void *unused);

#endif
