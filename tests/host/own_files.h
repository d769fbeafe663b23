/* Files of every kind that a process opens by the numbers that were the library's. */
#ifndef OWN_FILES_H
#define OWN_FILES_H

#include <stdbool.h>
#include <sys/stat.h>

#define FIRST 3
#define END 64 /* no process here has a descriptor above */

struct files {
    struct stat stat[END];
};

void close_everything(void);
/* Which kind gets which number depends on turn: each number is tried with each kind. */
bool open_everything(struct files *files, int turn);
/* All are open, and are what they were, and as empty. */
bool are_untouched(const struct files *files);
/* Nothing but them is open any more. */
bool are_all(const struct files *files);
bool fork_has(const struct files *files);

#endif
