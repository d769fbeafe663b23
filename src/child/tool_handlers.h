/* CHILD: The handlers of crashes that a sanitizer has installed. They tell more than the library's,
 * so they stay. */
#ifndef FC_CHILD_TOOL_HANDLERS_H
#define FC_CHILD_TOOL_HANDLERS_H

#include <stdbool.h>

/* True: a sanitizer has the signal, and not the program, which may have replaced its handler.
 * Async-signal-safe. */
bool fc_tool_has_signal(int signal);

#endif
