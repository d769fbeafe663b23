/* ANY: The name of this process in ps(1), top(1) and the kernel's log. */
#ifndef FC_BASE_PROCESS_NAME_H
#define FC_BASE_PROCESS_NAME_H

/* Names this process "program:role", if the system can do that. The program's name is cut so that
 * the role stays whole. Without this Linux would call a re-executed program "exe", after the path
 * that it was started by. */
void fc_process_set_name(const char *role);

#endif
