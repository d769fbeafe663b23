/* The same calls written by hand, as an expert would who knows what the one call at hand needs: the
 * limits that the library is compared with. */
#ifndef BENCH_HANDMADE_H
#define BENCH_HANDMADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a careful program adds to the textbook's pipe + fork + write + read + waitpid. */
enum handmade_step {
    /* Wait for reply and process together; waitid on the pidfd, with resource usage. */
    STEP_PIDFD = 1,
    STEP_GO_BYTE = 2, /* the child waits until the parent has prepared it */
    STEP_GROUP = 4,   /* a process group of its own, to kill it with its descendants */
    /* SIGKILL for the child when the parent dies; needs STEP_GO_BYTE: the same pipe. */
    STEP_LIFELINE = 8,
    /* No signal of the parent's is handled in the child: blocked around fork. */
    STEP_MASK = 16,
    STEP_RESET = 32,        /* the parent's signal handlers are taken out of the child */
    STEP_CRASH_REPORT = 64, /* alternate stack and handlers for seven crash signals */
    STEP_PURGE = 128,       /* the parent's unwritten stdio bytes are not written twice */
    STEP_REGION = 256,      /* a memfd, for an answer that may turn out to be large */
    /* exit() in the function runs none of the parent's handlers (where on_exit(3) exists). */
    STEP_EXIT_GUARD = 512,
};
#define STEPS_NONE 0U
#define STEPS_ALL 1023U

/* Computes an 8-byte answer in a child and checks it. Returns as a run (measure.h): nanoseconds or
 * RUN_FAILED. */
int64_t handmade_call(unsigned steps);

/* A child fills `size` bytes of its own memory and writes them to a pipe of pipe_size bytes (0: the
 * default size); they are read into `into` and checked. */
int64_t handmade_result(void *into, size_t size, int pipe_size);

/* A child fills `size` bytes in place in a memfd, of huge pages where there can be some; they are
 * mapped and checked when it has ended. Faster than a library can be that does not trust the
 * child. */
int64_t handmade_shared_result(size_t size);

/* A child faults. From just before the fault until its handler's frame can be read, or, with
 * until_status, until waitpid() has told how it ended. fault_ns is in memory that is shared with
 * the child. */
int64_t handmade_crash(volatile uint64_t *fault_ns, bool until_status);

/* In a child: sends the crash signals to a handler on a stack of its own that writes a frame to
 * fd. */
bool handmade_catch_crashes(int fd);

/* Whole transfers; false at end of file or on an error. */
bool read_whole(int fd, void *data, size_t size);
bool write_whole(int fd, const void *data, size_t size);

#endif
