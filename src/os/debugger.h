/* HOST: Whether a person debugs this program: then a deadline would come at a breakpoint. */
#ifndef FC_OS_DEBUGGER_H
#define FC_OS_DEBUGGER_H

#include <stdbool.h>
#include <sys/types.h>

/* True: gdb, lldb or rr traces this process; or it traces the process child, and was there before
 * that process. One that came later may have been started by the function itself, which would get
 * rid of its deadline. Other tracers, as strace(1), do not count: a program must go on under them
 * as it does without. Reads /proc. Thread-safe. */
bool fc_debugger_is_attached(pid_t child);

#endif
