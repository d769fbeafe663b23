/* HOST: Says in words where a function was that was ended. */
#include "call/where.h"

#include "base/path.h"
#include "base/report_message.h"
#include "call/outcome.h"
#include "child/run.h"
#include "crash/crash_decode.h"
#include "crash/symbol.h"
#include "module/address.h"

#include <stdio.h>
#include <string.h>

/* True: the module is part of every program, and its functions only wait for what others ask of
 * them. */
static bool is_of_system(const char *path)
{
    static const char names[][16] = {"libc.",      "libc-",      "ld-",        "ld.",         "libpthread",
                                     "linux-vdso", "linux-gate", "libsystem_", "libforkcall."};
    const char *name = fc_path_last_part(path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

void fc_where_decode(struct forkcall_crash *crash, const struct forkcall_buf *notice, bool by_fork)
{
    memset(crash, 0, sizeof *crash);
    fc_crash_decode(crash, notice->data, notice->size, by_fork);
    /* Only this is true of a function that was ended. */
    crash->signal = crash->si_code = 0;
    crash->address = 0;
    crash->flags = 0;
    crash->sender_pid = 0;
    crash->sender_uid = 0;
}

bool fc_where_find(const struct forkcall_crash *crash, uint64_t *address)
{
    const uint32_t count = crash->frame_count < FORKCALL_CRASH_FRAMES ? crash->frame_count : FORKCALL_CRASH_FRAMES;
    struct fc_module_at module;
    for (uint32_t i = 0; i < count && !fc_child_entry_holds(crash->frames[i]); i++) {
        *address = crash->frames[i] - (i > 0); /* a return address may lie behind its function */
        if (fc_address_find_module(*address, &module) && !is_of_system(module.path))
            return true;
    }
    *address = crash->frames[0];
    return count > 0;
}

void fc_where_words(const struct forkcall_report *report, char *words, size_t size)
{
    struct fc_symbol found[FC_SYMBOLS_AT_MAX];
    struct fc_module_at module;
    uint64_t address;
    words[0] = '\0';
    /* Another thread may idle, whatever the function does. */
    if (report->crash.thread != 0 && report->crash.thread != report->pid)
        return;
    if (!fc_where_find(&report->crash, &address) || !fc_address_find_module(address, &module))
        return;
    const size_t count = fc_symbols_find(&fc_symbols_tables, address, found);
    if (count > 0)
        (void)snprintf(words, size, ", in %s", found[count - 1].name);
    else
        (void)snprintf(words, size, ", in %s+0x%llx", fc_path_last_part(module.path),
                       (unsigned long long)(address - module.bias));
}

void fc_outcome_describe_where(const struct fc_process_look *look, struct forkcall_report *report)
{
    char words[300];
    if (look == NULL || (report->status != FORKCALL_TIMED_OUT && report->status != FORKCALL_CANCELED))
        return;
    fc_where_words(report, words, sizeof words);
    if (words[0] != '\0')
        fc_report_append(report, "%s", words);
    else if (look->state == 'T')
        fc_report_append(report, ", it was stopped");
    else if (look->state == 't')
        fc_report_append(report, ", it was stopped by a debugger");
    else if (look->state == 'S')
        fc_report_append(report, ", it was waiting");
    else if (look->state == 'D')
        fc_report_append(report, ", it could not be interrupted");
    else if (look->state == 'R')
        fc_report_append(report, ", it was running");
}
