/* HOST: Symptoms in a child of a library that was used before and after a fork. */
#ifndef FC_CRASH_SYMPTOMS_H
#define FC_CRASH_SYMPTOMS_H

#include <forkcall.h>

/* A search through bytes that come in pieces of any size. All 0: no byte has come yet. */
struct fc_hint_scan {
    size_t matched; /* how many bytes of the sentence came last */
    bool found;
};

/* Looks for CoreFoundation's sentence in the next bytes of standard error. */
void fc_hints_scan(struct fc_hint_scan *scan, const char *data, size_t size);

/* The symptoms seen in the bytes so far and in the crash: FORKCALL_HINT_ bits. Not
 * async-signal-safe. */
uint16_t fc_hints(const struct fc_hint_scan *scan, const struct forkcall_crash *crash);

#endif
