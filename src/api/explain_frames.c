/* HOST: The frames of a crash in words: without those of the library, and a recursion once. */
#include "api/explain_frames.h"

#include "child/run.h"
#include "module/foreign.h"

#include <stdio.h>
#include <string.h>

/* A chain of calls that repeats itself is shown this often before its repeats are only counted. */
#define SHOWN_REPEATS 2U
/* The longest cycle of functions that is looked for in a recursion. */
#define PERIOD_MAX 4U

struct chain {
    const uint64_t *frames;
    uint32_t count;
    bool is_whole;         /* the chain leads to the frame that calls the function */
    bool shows_function;   /* a line names the called function */
    unsigned number;       /* of the next line */
    uint64_t places_given; /* fc_foreign_count() when the frames were noted */
};

/* The frames without those of the library, which lie below the function's. */
static struct chain function_frames(const struct forkcall_crash *crash)
{
    const uint32_t count = crash->frame_count < FORKCALL_CRASH_FRAMES ? crash->frame_count : FORKCALL_CRASH_FRAMES;
    for (uint32_t i = 1; i < count; i++)
        if (fc_child_entry_holds(crash->frames[i]))
            return (struct chain){.frames = crash->frames, .count = i, .is_whole = true};
    return (struct chain){.frames = crash->frames, .count = count};
}

/* How often the period frames at from stand there one after another. */
static uint32_t count_repeats(const struct chain *chain, uint32_t from, uint32_t period)
{
    uint32_t same = 0;
    while (from + period + same < chain->count && chain->frames[from + same] == chain->frames[from + period + same])
        same++;
    return 1 + same / period;
}

/* The number of frames from here on that only repeat the frames before, in a recursion of at most
 * PERIOD_MAX functions; 0: they do not. */
static uint32_t count_hidden(const struct chain *chain, uint32_t at)
{
    for (uint32_t period = 1; period <= PERIOD_MAX && period * SHOWN_REPEATS <= at; period++) {
        const uint32_t repeats = count_repeats(chain, at - period * SHOWN_REPEATS, period);
        if (repeats > SHOWN_REPEATS + 1)
            return (repeats - SHOWN_REPEATS) * period;
    }
    return 0;
}

/* Adds the functions of one frame, numbered on as debuggers do. */
static void add_frame(struct fc_text *text, struct chain *chain, const struct fc_symbols *symbols, uint32_t at,
                      const char *function)
{
    char lines[FC_SYMBOLS_AT_MAX * sizeof(struct fc_symbol)];
    const size_t length = strlen(function);
    char *rest = lines;
    fc_symbols_describe(symbols, chain->frames[at], at > 0, lines, sizeof lines);
    /* The module that the frame lies in was forgotten, perhaps by another thread meanwhile. */
    if (fc_foreign_is_later(chain->frames[at] - (at > 0), chain->places_given))
        (void)snprintf(lines, sizeof lines, "0x%llx", (unsigned long long)chain->frames[at]);
    for (const char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        fc_text_add(text, "\n  #%u %s", chain->number++, line);
        if (strncmp(line, function, length) == 0 && (line[length] == '+' || line[length] == ' '))
            chain->shows_function = true;
    }
}

void fc_explain_frames(struct fc_text *text, const struct fc_symbols *symbols, const struct forkcall_crash *crash,
                       const char *function)
{
    struct chain chain = function_frames(crash);
    chain.places_given = crash->reserved[0];
    for (uint32_t i = 0; i < chain.count;) {
        const uint32_t hidden = count_hidden(&chain, i);
        if (hidden > 0) {
            fc_text_add(text, "\n  … %u frames that repeat these", hidden);
            chain.number += hidden;
            i += hidden;
        } else {
            add_frame(text, &chain, symbols, i++, function);
        }
    }
    if (chain.count == 0 || function[0] == '\0')
        return;
    if (!chain.is_whole && !chain.shows_function)
        fc_text_add(text, "\n  … called by %s", function);
    if (!symbols->has_libdw && fc_symbols_lack_libdw())
        fc_text_add(text, "\nFor all names and lines install libdw (Debian: libdw1).");
}
