/* ANY: The name of this process in ps(1), top(1) and the kernel's log. */
#ifndef FC_BASE_PROCESS_NAME_H
#define FC_BASE_PROCESS_NAME_H

/* Names this process "program:role", if the system can do that. The program's name is cut so that
 * the role stays whole. Without this Linux would call a re-executed program "exe", after the path
 * that it was started by. */
void fc_process_set_name(const char *role);

/* Makes that name, but does not set it yet: the process is about to fork one that will. */
void fc_process_make_name(const char *role);

/* Sets the name that was made before the fork. One system call: to make a name costs a forked child
 * six page faults. Async-signal-safe. */
void fc_process_set_made_name(void);

#endif
