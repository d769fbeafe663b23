/* HOST: The frames of a crash in words. */
#ifndef FC_API_EXPLAIN_FRAMES_H
#define FC_API_EXPLAIN_FRAMES_H

#include "base/text.h"
#include "crash/symbol.h"

/* Adds a line for each function in the chain of calls. function: the name of the called one, which
 * is always shown if there are frames. "": the chain is another thread's, beside one that was
 * shown. */
void fc_explain_frames(struct fc_text *text, const struct fc_symbols *symbols, const struct forkcall_crash *crash,
                       const char *function);

#endif
