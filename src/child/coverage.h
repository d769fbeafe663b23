/* CHILD: The counters of gcov and of clang (--coverage, -fprofile-instr-generate). Their runtimes
 * write them at exit(), which a child does not call. */
#ifndef FC_CHILD_COVERAGE_H
#define FC_CHILD_COVERAGE_H

/* Called in a fork: what its parent has counted is counted there. gcc links the function for that
 * only into some programs; in others what the parent has counted counts again. */
void fc_coverage_begin(void);

/* Called before the process ends by _exit(2). Writes what was counted. Not async-signal-safe. Does
 * nothing, as fc_coverage_begin, in a program without such counters. */
void fc_coverage_write(void);

#endif
