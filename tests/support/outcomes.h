/* Checks every outcome of a call in all kinds of surroundings: in a host that reaps the library's
 * children itself, or on a kernel that lacks some system calls. */
#ifndef OUTCOMES_H
#define OUTCOMES_H

#include "support.h"

struct surroundings {
    struct forkcall_options options; /* for every call */
    bool async;                      /* by forkcall_start(), forkcall_fd() and forkcall_finish() */
    /* How a child ended is known only if the child itself has said so. */
    bool may_be_lost;
    bool group_may_live; /* the group of a child that has ended cannot be killed */
};

/* Makes calls with every outcome. Returns 0, or 1 after CHECK has printed what was wrong. For
 * bodies of host_run(). */
int check_outcomes(const struct surroundings *around);
/* Makes only the calls with a small and a large result. */
int check_results(const struct surroundings *around);
/* Calls check_outcomes() twice: with synchronous and with asynchronous calls. */
int check_outcomes_both_ways(struct surroundings around);

/* The surroundings of a call whose child another part of the host reaps. What the library then
 * knows depends on the kernel and on the build. By SERVER the child is not a child of the host. */
struct surroundings surroundings_of_reaper(void);

/* Makes a call by the tested method, unless the options name a method. */
struct forkcall_report run_in(const struct surroundings *around, forkcall_fn *fn, const void *args, size_t args_size,
                              struct forkcall_buf *result, const struct forkcall_options *options);

/* Watches processes: those that were forked after watch_open(), or that have write_end by keep_fds.
 * Zombies do not count. */
struct watch {
    int read_end, write_end;
};
bool watch_open(struct watch *watch);
/* Closes the test's own write_end. Call it in the process that has forked the watched ones. */
void watch_release(struct watch *watch);
/* Waits until all watched processes have ended, and closes the watch. False: the deadline has
 * passed. */
bool watch_all_gone(struct watch *watch);
/* True: at least one watched process lives. */
bool watch_any_lives(const struct watch *watch);

/* Does not return. Ends the process long after every deadline of the tests, in case nothing else
 * does. */
void hang(void);

/* Functions for children. */
#define LARGE_SIZE (((size_t)1 << 20) + 4321) /* too large to be copied: COPY_MAX */
int child_answers_large(const void *args, size_t args_size, struct forkcall_buf *result);
bool is_large_answer(const struct forkcall_buf *result);
int child_exits_3(const void *args, size_t args_size, struct forkcall_buf *result); /* exit(3) */
int child_ends_4(const void *args, size_t args_size, struct forkcall_buf *result);  /* _exit(4) */
int child_crashes(const void *args, size_t args_size, struct forkcall_buf *result); /* SIGSEGV */

#endif
