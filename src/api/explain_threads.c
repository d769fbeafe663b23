/* HOST: Where the other threads were of a call that was ended, in words. */
#include "api/explain_threads.h"

#include "api/explain_frames.h"
#include "call/kept_notices.h"
#include "call/where.h"

/* The innermost frames of a thread that are shown. */
#define SHOWN_FRAMES 8U

/* How many frames are shown: not those in which the C library has begun the thread. */
static uint32_t count_shown(const struct forkcall_crash *crash)
{
    uint32_t count = crash->frame_count < SHOWN_FRAMES ? crash->frame_count : SHOWN_FRAMES;
    while (count > 1 && !fc_where_is_own(crash->frames[count - 1] - 1))
        count--;
    return count;
}

static void add_thread(struct fc_text *text, const struct fc_symbols *symbols, struct fc_thread_place *place)
{
    struct forkcall_crash *crash = &place->crash;
    struct fc_symbol symbol;
    fc_text_add(text, place->name[0] == '\0' ? "\nThread %d" : "\nThread %d (%s)", crash->thread, place->name);
    if (fc_where_symbol(symbols, crash, &symbol))
        fc_text_add(text, symbol.line > 0 ? ", in %s at %s:%d" : ", in %s", symbol.name, symbol.file, symbol.line);
    crash->frame_count = count_shown(crash);
    fc_explain_frames(text, symbols, crash, "");
}

static void read_first(struct forkcall_report *report, const struct fc_told *told, bool by_fork)
{
    const uint32_t thread_count = report->crash.thread_count;
    fc_where_decode(&report->crash, told, by_fork);
    report->crash.thread_count = thread_count;
}

void fc_thread_places_read(struct fc_thread_places *places, struct forkcall_report *report)
{
    struct forkcall_buf all = FORKCALL_BUF_INIT;
    struct fc_told told;
    size_t at = 0;
    bool by_fork;
    if (fc_notice_get(report->reserved[3], report->pid, &all, &by_fork) && fc_told_next(&all, &at, &told)) {
        if (report->reserved[1] != 0)
            read_first(report, &told, by_fork);
        while (places->count < FC_WHERE_OTHERS_MAX && fc_told_next(&all, &at, &told)) {
            struct fc_thread_place *place = &places->threads[places->count++];
            fc_crash_thread_name(told.notice, place->name);
            fc_where_decode(&place->crash, &told, by_fork);
        }
    }
    forkcall_buf_free(&all);
}

void fc_explain_threads(struct fc_text *text, const struct fc_symbols *symbols, struct fc_thread_places *places,
                        const struct forkcall_report *report)
{
    const unsigned shown = places->count;
    for (unsigned i = 0; i < shown; i++)
        add_thread(text, symbols, &places->threads[i]);
    if (shown > 0 && shown + 1 < report->crash.thread_count)
        fc_text_add(text, "\nOther threads that are not shown: %u.", report->crash.thread_count - 1 - shown);
}
