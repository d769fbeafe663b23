/* HOST: Says in words where a function was that was ended. */
#include "call/where.h"

#include "base/path.h"
#include "base/report_message.h"
#include "call/outcome.h"
#include "child/run.h"
#include "crash/crash_decode.h"
#include "crash/symbol.h"
#include "module/address.h"
#include "module/foreign.h"

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

bool fc_where_is_own(uint64_t address)
{
    struct fc_module_at module;
    return fc_address_find_module(address, &module) && !is_of_system(module.path);
}

void fc_where_decode(struct forkcall_crash *crash, const struct fc_told *told, bool by_fork)
{
    memset(crash, 0, sizeof *crash);
    fc_crash_decode(crash, told->notice, told->size, by_fork);
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
    for (uint32_t i = 0; i < count && !fc_child_entry_holds(crash->frames[i]); i++) {
        *address = crash->frames[i] - (i > 0); /* a return address may lie behind its function */
        if (fc_where_is_own(*address))
            return true;
    }
    *address = crash->frames[0];
    return count > 0;
}

bool fc_where_symbol(const struct fc_symbols *symbols, const struct forkcall_crash *crash, struct fc_symbol *symbol)
{
    struct fc_symbol found[FC_SYMBOLS_AT_MAX];
    uint64_t address;
    /* The module that the address lies in may have been forgotten meanwhile. */
    if (!fc_where_find(crash, &address) || fc_foreign_is_later(address, crash->reserved[0]))
        return false;
    const size_t count = fc_symbols_find(symbols, address, found);
    if (count > 0)
        *symbol = found[count - 1];
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
