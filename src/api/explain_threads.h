/* HOST: Where the other threads were of a call that was ended, in words. */
#ifndef FC_API_EXPLAIN_THREADS_H
#define FC_API_EXPLAIN_THREADS_H

#include "base/text.h"
#include "crash/crash_decode.h"
#include "crash/symbol.h"
#include "wire/crash_notice.h"

/* The threads that have told where they were, without the first one, which the report is of. */
struct fc_thread_places {
    unsigned count;
    struct fc_thread_place {
        struct forkcall_crash crash;
        char name[FC_THREAD_NAME_SIZE];
    } threads[FC_WHERE_OTHERS_MAX];
};

/* Reads what the threads of a call that was ended have told, as long as that is kept
 * (call/kept_notices.h), into places, which has none before; and into the report where the first
 * one was, if that is not read yet. Not between fc_symbols_open and fc_symbols_close, for it
 * unwinds their stacks by libdw. */
void fc_thread_places_read(struct fc_thread_places *places, struct forkcall_report *report);

/* Adds the place of each thread, with the calls that lead there, cut to what is shown. */
void fc_explain_threads(struct fc_text *text, const struct fc_symbols *symbols, struct fc_thread_places *places,
                        const struct forkcall_report *report);

#endif
