/* Control groups for tests: a made-up tree of the files that tell of them, and files of real
 * ones. */
#ifndef MADE_UP_GROUPS_H
#define MADE_UP_GROUPS_H

#include <stdbool.h>

/* The tree: a folder in /tmp that stands for the root of all paths. */
const char *groups_tree(void);

/* For cmocka: each test has a tree of its own. */
int groups_make_tree(void **state);
int groups_remove_tree(void **state);

/* Writes a file of the tree, and makes the directories above it. */
void groups_put(const char *path, const char *text);

/* Writes /proc/self/cgroup and /proc/self/mountinfo. */
void groups_put_process(const char *of_process, const char *mounts);

/* Writes to a file that is there, in a directory of a real group. False: it cannot be written. */
bool groups_put_real(const char *directory, const char *name, const char *text);

#endif
