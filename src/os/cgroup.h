/* HOST: The control groups of this process (cgroups(7), version 1 and 2). */
#ifndef FC_OS_CGROUP_H
#define FC_OS_CGROUP_H

/* Called with a group's directory, and the version of its hierarchy. */
typedef void fc_cgroup_look(void *arg, int version, const char *directory);

/* Calls look for the process's group, and then for each group above it, in the hierarchy of version
 * 1 that has the controller, and in that of version 2. Calls nothing where a system has no such
 * files, or there is no memory. root: a prefix of all paths; "" except in tests. Thread-safe. */
void fc_cgroup_visit(const char *root, const char *controller, fc_cgroup_look *look, void *arg);

/* The content of the file of that name in a directory, to be freed. NULL: there is none. */
char *fc_cgroup_read(const char *root, const char *directory, const char *name);

#endif
