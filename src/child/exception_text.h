/* CHILD: What the C++ exception says that has ended the function.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CHILD_EXCEPTION_TEXT_H
#define FC_CHILD_EXCEPTION_TEXT_H

/* The text that what() of the exception which is being handled would return; NULL: none, or only
 * the program's own code can tell. No code of the program is called: it could hang, or crash again.
 * The text lies in the program's memory, and may not be readable. Async-signal-safe. */
const char *fc_exception_text(void);

#endif
