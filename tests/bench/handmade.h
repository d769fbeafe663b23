/* Calls written by hand by an expert who knows what the one call at hand needs: the limits that
 * the library is compared with. */
#ifndef BENCH_HANDMADE_H
#define BENCH_HANDMADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a careful program adds to the textbook's pipe + fork + write + read + waitpid. */
enum handmade_step {
    /* Waits for reply and process together; waitid() on the pidfd, with resource usage. */
    STEP_PIDFD = 1,
    STEP_GO_BYTE = 2, /* the child waits until the parent has prepared itself */
    STEP_GROUP = 4,   /* a process group of its own, to kill the child with its descendants */
    /* SIGKILL for the child when the parent dies. Needs STEP_GO_BYTE, whose pipe it uses. */
    STEP_LIFELINE = 8,
    /* No signal handler of the parent runs in the child: signals are blocked around fork. */
    STEP_MASK = 16,
    STEP_RESET = 32,        /* the parent's signal handlers are removed in the child */
    STEP_CRASH_REPORT = 64, /* alternate stack and handlers for seven crash signals */
    STEP_PURGE = 128,       /* the parent's unwritten stdio bytes are not written twice */
    STEP_REGION = 256,      /* a memfd, for an answer that may be large */
    /* exit() in the function runs none of the parent's handlers (where on_exit(3) exists). */
    STEP_EXIT_GUARD = 512,
};
#define STEPS_NONE 0U
#define STEPS_ALL 1023U

/* Computes an 8-byte answer in a child and checks it. Returns nanoseconds or RUN_FAILED, as a run
 * does (measure.h). */
int64_t handmade_call(unsigned steps);

/* A child fills `size` bytes of its own memory and writes them to a pipe of pipe_size bytes (0:
 * the default size). The caller reads them into `into` and checks them. */
int64_t handmade_result(void *into, size_t size, int pipe_size);

/* A child fills `size` bytes in place in a memfd, with huge pages if the system has them. The
 * caller maps and checks them after the child has ended. A library cannot be as fast, because it
 * does not trust the child. */
int64_t handmade_shared_result(size_t size);

/* The same with all precautions of STEPS_ALL. */
int64_t handmade_careful_result(size_t size);

/* The two sides of both: the child's, and the parent's after the child has ended. */
bool handmade_fill_shared(int fd, size_t size, uint64_t seed);
bool handmade_shared_is_right(int fd, size_t size, uint64_t seed);

/* Shared memory that is kept for many answers, of huge pages if the system has them; NULL: none.
 * It is never unmapped. A child fills it in place. */
void *handmade_kept_memory(size_t size);
int64_t handmade_kept_result(void *memory, size_t size);

/* A child faults. Returns the time from just before the fault until the caller can read the
 * handler's frame or, with until_status, until waitpid() has reported the end. fault_ns lies in
 * memory shared with the child. */
int64_t handmade_crash(volatile uint64_t *fault_ns, bool until_status);

/* Called in a child: catches the crash signals by a handler on a stack of its own, which writes a
 * frame to fd. */
bool handmade_catch_crashes(int fd);

/* Transfer all bytes. False: end of file, or an error. */
bool read_whole(int fd, void *data, size_t size);
bool write_whole(int fd, const void *data, size_t size);

#endif
