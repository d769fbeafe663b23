/* Handmade helpers: processes that are started before the call and answer it. Each process that
 * measures has one helper of each kind, which ends with that process. */
#ifndef BENCH_HANDMADE_SERVER_H
#define BENCH_HANDMADE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

/* Starts a process that answers for ever: it shows the time in which the kernel switches to
 * another process and back. */
bool handmade_ping_start(void);
/* A run: sends 8 bytes and receives 8 bytes. */
int64_t handmade_ping(void *unused);

/* Starts a server that keeps this number of forked children ready. Each child has a request pipe
 * and a reply pipe of its own, whose other ends the server passes to the caller ahead of time. The
 * server makes another child when a call is over. */
bool handmade_spares_start(unsigned spares);
/* A run: a waiting child computes an 8-byte answer. Thread-safe. */
int64_t handmade_spares_call(void *unused);

#endif
