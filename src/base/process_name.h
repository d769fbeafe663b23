/* ANY: What ps(1), top(1) and the kernel's log call this process. */
#ifndef FC_BASE_PROCESS_NAME_H
#define FC_BASE_PROCESS_NAME_H

/* "program:role", where the system lets a process name itself; the program's name is cut so that
 * the role stays whole. A copy would be called by the last part of the path that it was started by,
 * "exe". */
void fc_process_set_name(const char *role);

#endif
