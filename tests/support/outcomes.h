/* Every outcome of a call, to be asked for in surroundings of all kinds: a host that takes the
 * child's status away, a kernel without this or that. */
#ifndef OUTCOMES_H
#define OUTCOMES_H

#include "support.h"

struct surroundings {
    struct forkcall_options options; /* what every call here needs */
    bool async;                      /* by forkcall_start, forkcall_fd and so on */
    /* Nobody can tell how a child ended that did not say it itself. */
    bool may_be_lost;
    bool group_may_live; /* nor kill its group once it is gone */
};

/* Asks for each outcome once. 0, or 1 after CHECK has told what was wrong. For bodies of
 * host_run. */
int check_outcomes(const struct surroundings *around);
/* The first part of it: a small and a large result. */
int check_results(const struct surroundings *around);
/* Calls it twice: synchronous and not. */
int check_outcomes_both_ways(struct surroundings around);

/* A child that is reaped by somebody else: what the library can do there depends on the kernel and
 * on the build. By SERVER it is no child of the host. */
struct surroundings surroundings_of_reaper(void);

/* By the tested method, where options do not name one. */
struct forkcall_report run_in(const struct surroundings *around, forkcall_fn *fn, const void *args, size_t args_size,
                              struct forkcall_buf *result, const struct forkcall_options *options);

/* Tells when the last of the processes that were forked after watch_open, or have write_end by
 * keep_fds, is gone; zombies are not counted. */
struct watch {
    int read_end, write_end;
};
bool watch_open(struct watch *watch);
/* To be called where the forked processes come from; afterwards only they hold it. */
void watch_release(struct watch *watch);
/* False: the deadline has passed. Closes the watch. */
bool watch_all_gone(struct watch *watch);
/* Somebody holds it. */
bool watch_any_lives(const struct watch *watch);

/* Never returns; but ends itself long after every deadline of the tests. */
void hang(void);

/* For children. */
#define LARGE_SIZE (((size_t)1 << 20) + 4321) /* more than is copied: see region.memfd.c */
int child_answers_large(const void *args, size_t args_size, struct forkcall_buf *result);
bool is_large_answer(const struct forkcall_buf *result);
int child_exits_3(const void *args, size_t args_size, struct forkcall_buf *result); /* exit(3) */
int child_ends_4(const void *args, size_t args_size, struct forkcall_buf *result);  /* _exit(4) */
int child_crashes(const void *args, size_t args_size, struct forkcall_buf *result); /* SIGSEGV */

#endif
