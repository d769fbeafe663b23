/* HOST: Looks for CoreFoundation's sentence, and for the addresses that libdispatch poisons. */
#include "crash/symptoms.h"

#include "base/path.h"
#include "base/report_message.h"
#include "module/address.h"

#include <signal.h>
#include <string.h>

/* What CoreFoundation writes, as far as its versions agree. The first byte occurs only once in the
 * sentence, so a match that breaks off can begin again only at the byte that broke it. */
static const char sentence[] = "The process has forked and you cannot use this CoreFoundation functionality safely.";
#define SENTENCE_SIZE (sizeof sentence - 1)

void fc_hints_scan(struct fc_hint_scan *scan, const char *data, size_t size)
{
    const char *end = data + size;
    while (data < end && !scan->found) {
        if (scan->matched == 0) {
            data = memchr(data, sentence[0], (size_t)(end - data));
            if (data == NULL)
                return;
        }
        if (*data == sentence[scan->matched]) {
            scan->matched++;
            data++;
        } else {
            scan->matched = 0; /* this byte is looked at again, as a first one */
        }
        scan->found = scan->matched == SENTENCE_SIZE;
    }
}

/* In a forked child libdispatch sets the ends of its queues to 0x100. Whatever is queued then
 * touches a member behind it (0x108 or 0x110 on 64-bit systems). A NULL pointer to a struct can
 * fault there as well, so only libdispatch's own code counts. */
#define POISON 0x100U
#define POISON_SIZE 0x20U

static bool is_poison(const struct forkcall_crash *crash)
{
    static const char name[] = "libdispatch.";
    struct fc_module_at module;
    if ((crash->signal != SIGSEGV && crash->signal != SIGBUS) || !fc_signal_is_fault(crash->si_code) ||
        crash->address - POISON >= POISON_SIZE || !fc_address_find_module(crash->program_counter, &module))
        return false;
    return strncmp(fc_path_last_part(module.path), name, sizeof name - 1) == 0;
}

uint16_t fc_hints(const struct fc_hint_scan *scan, const struct forkcall_crash *crash)
{
    unsigned hints = 0;
    if (scan->found)
        hints |= FORKCALL_HINT_COREFOUNDATION;
    if (is_poison(crash))
        hints |= FORKCALL_HINT_DISPATCH;
    return (uint16_t)hints;
}
