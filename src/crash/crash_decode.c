/* HOST: Checks the notice of a crash and unwinds the stack in it. */
#include "crash/crash_decode.h"
#include "base/report_message.h"
#include "crash/child_address.h"
#include "crash/symbol.h"
#include "crash/unwind.h"
#include "os/memory_probe.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* A fault this near to the stack pointer is a stack overflow: at most a frame of this size, or a
 * probe, lies between them. */
#define OVERFLOW_BELOW 65536U
#define OVERFLOW_ABOVE 4096U
/* The stack pointer of the thread of the function lies at most so far below the function's first
 * frame, beside what RLIMIT_STACK allows: a large array may lie below all that was touched. */
#define STACK_BELOW_LIMIT (UINT64_C(64) << 20)

/* True: the stack pointer lies where the stack of the function's thread may reach to. */
static bool is_below_entry(const struct fc_crash_notice *notice)
{
    struct rlimit limit;
    const uint64_t depth = notice->entry_address - notice->registers.sp;
    if (notice->entry_address == 0 || notice->registers.sp > notice->entry_address)
        return false;
    return getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
           depth <= limit.rlim_cur + STACK_BELOW_LIMIT;
}

/* stack_size: how much of the stack could be read from the stack pointer upwards. Nothing at all
 * can be read there if the program has lost its stack pointer, which is no overflow. */
static bool is_overflow(const struct fc_crash_notice *notice, size_t stack_size)
{
    const uint64_t sp = notice->registers.sp;
    if ((notice->signal != SIGSEGV && notice->signal != SIGBUS) || !fc_signal_is_fault(notice->si_code) || sp == 0)
        return false;
    return notice->address < sp + OVERFLOW_ABOVE && notice->address + OVERFLOW_BELOW > sp &&
           (stack_size > 0 || is_below_entry(notice));
}

/* The parts of a notice. */
struct parts {
    struct fc_crash_notice head;
    const unsigned char *ranges, *files;
    unsigned char *stack;
    size_t stack_size;
};

/* Splits a notice. False: it claims more ranges or files than it has bytes for. */
static bool take_apart(struct parts *parts, unsigned char *notice, size_t size)
{
    memcpy(&parts->head, notice, sizeof parts->head);
    const size_t rest = size - sizeof parts->head;
    const size_t ranges_max = rest / sizeof(struct fc_module_range);
    const size_t files_max = rest / sizeof(struct fc_mapped_file);
    if (parts->head.range_count > ranges_max || parts->head.file_count > files_max)
        return false;
    const size_t ranges_size = parts->head.range_count * sizeof(struct fc_module_range);
    const size_t files_size = parts->head.file_count * sizeof(struct fc_mapped_file);
    if (files_size > rest - ranges_size)
        return false;
    parts->ranges = notice + sizeof parts->head;
    parts->files = parts->ranges + ranges_size;
    parts->stack = notice + sizeof parts->head + ranges_size + files_size;
    parts->stack_size = rest - ranges_size - files_size;
    return true;
}

/* ---- From the child's addresses to this process's -------------------------------------------- */

/* Translates any word that a function may have stored. Addresses in the stack stay as they were in
 * the child. */
static uint64_t translate_word(const struct parts *parts, const struct fc_child_addresses *addresses, uint64_t word)
{
    return word - parts->head.stack_address < parts->stack_size ? word : fc_child_address_of_code(addresses, word);
}

static void translate_registers(struct parts *parts, const struct fc_child_addresses *addresses)
{
    struct fc_registers *registers = &parts->head.registers;
    registers->pc = fc_child_address_of_code(addresses, registers->pc);
    registers->fp = translate_word(parts, addresses, registers->fp);
    for (size_t i = 0; i < FC_REGISTERS_MAX; i++)
        registers->general[i] = translate_word(parts, addresses, registers->general[i]);
}

static void translate_stack(const struct parts *parts, const struct fc_child_addresses *addresses)
{
    uintptr_t word;
    const size_t first = (size_t)(-parts->head.stack_address % sizeof word);
    for (size_t i = first; i < parts->stack_size && parts->stack_size - i >= sizeof word; i += sizeof word) {
        memcpy(&word, parts->stack + i, sizeof word);
        word = (uintptr_t)translate_word(parts, addresses, word);
        memcpy(parts->stack + i, &word, sizeof word);
    }
}

/* Translates all addresses of a notice. False: no memory. */
static bool translate(struct parts *parts, bool by_fork)
{
    struct fc_child_addresses addresses;
    struct fc_relocation *relocation = by_fork ? NULL : fc_relocation_make(parts->ranges, parts->head.range_count);
    if (!by_fork && relocation == NULL)
        return false;
    fc_child_addresses_init(&addresses, relocation, parts->files, parts->head.file_count);
    if (fc_child_addresses_differ(&addresses)) {
        translate_registers(parts, &addresses);
        translate_stack(parts, &addresses);
        (void)fc_child_address_find(&addresses, &parts->head.address); /* of the fault */
    }
    fc_relocation_free(relocation);
    return true;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static bool is_mapped_in_caller(const struct fc_crash_notice *notice)
{
    return notice->signal == SIGSEGV && notice->si_code == SEGV_MAPERR && notice->address <= UINTPTR_MAX &&
           fc_memory_is_mapped((const void *)(uintptr_t)notice->address);
}

static void copy_registers(struct forkcall_crash *crash, const struct fc_registers *registers)
{
    _Static_assert(sizeof crash->registers == sizeof registers->general, "the public struct holds all registers");
    crash->register_count = registers->count < FC_REGISTERS_MAX ? registers->count : FC_REGISTERS_MAX;
    memcpy(crash->registers, registers->general, sizeof crash->registers);
}

/* Finds the end of the last such string in a text; NULL: there is none. */
static const char *find_behind_last(const char *text, const char *end, const char *string)
{
    const size_t length = strlen(string);
    const char *found = NULL;
    for (const char *at = text; (size_t)(end - at) >= length; at++)
        if (memcmp(at, string, length) == 0)
            found = at + length;
    return found;
}

/* The runtime of C++ says on standard_error what an exception is that nobody catches. Finds what()
 * of one of that type in a text of *size bytes, and sets *size to its own; NULL: there is none. The
 * last exception told of must be of that type: the program itself, another process, or an exception
 * before may have written such lines, too. */
static const char *find_what(const char *text, size_t *size, const char *type)
{
    char rest[FC_ABORT_TEXT_SIZE + 32];
    if (*size == 0)
        return NULL;
    const char *const end = text + *size;
    const char *found = find_behind_last(text, end, "terminate called after throwing an instance of '");
    const size_t length = (size_t)snprintf(rest, sizeof rest, "%s'\n  what():  ", type);
    if (found == NULL || (size_t)(end - found) < length || memcmp(found, rest, length) != 0)
        return NULL;
    found += length;
    const char *line_end = memchr(found, '\n', (size_t)(end - found));
    *size = (size_t)((line_end == NULL ? end : line_end) - found);
    return found;
}

static void describe_exception(struct fc_crash_notice *head, const char *tail, size_t tail_size, char *text,
                               size_t size)
{
    char type[FC_ABORT_TEXT_SIZE];
    const char *what = head->exception_text;
    fc_symbol_type_name(head->abort_text, type, sizeof type);
    head->exception_text[sizeof head->exception_text - 1] = 0;
    head->exception_text[strcspn(head->exception_text, "\n")] = 0;
    size_t length = strlen(what);
    if (length == 0) {
        length = tail_size;
        what = find_what(tail, &length, type);
    }
    (void)snprintf(text, size, "C++ exception %s%s%.*s", type, what == NULL ? "" : ": ", what == NULL ? 0 : (int)length,
                   what == NULL ? "" : what);
}

void fc_crash_abort_reason(const void *notice, const char *tail, size_t tail_size, char *text, size_t size)
{
    struct fc_crash_notice head;
    memcpy(&head, notice, sizeof head);
    head.abort_text[sizeof head.abort_text - 1] = 0;
    text[0] = 0;
    if (head.abort_kind == FC_ABORT_TEXT) {
        head.abort_text[strcspn(head.abort_text, "\n")] = 0;
        (void)snprintf(text, size, "%s", head.abort_text);
    } else if (head.abort_kind == FC_ABORT_EXCEPTION) {
        describe_exception(&head, tail, tail_size, text, size);
    }
}

int32_t fc_crash_system_call(const void *notice)
{
    int32_t number;
    memcpy(&number, (const char *)notice + offsetof(struct fc_crash_notice, system_call), sizeof number);
    return number;
}

int32_t fc_crash_thread(const void *notice)
{
    int32_t thread;
    memcpy(&thread, (const char *)notice + offsetof(struct fc_crash_notice, thread), sizeof thread);
    return thread;
}

void fc_crash_thread_name(const void *notice, char name[FC_THREAD_NAME_SIZE])
{
    memcpy(name, (const char *)notice + offsetof(struct fc_crash_notice, abort_text), FC_THREAD_NAME_SIZE);
    name[FC_THREAD_NAME_SIZE - 1] = '\0';
    fc_report_clean(name, FC_THREAD_NAME_SIZE);
}

void fc_crash_decode(struct forkcall_crash *crash, void *notice, size_t size, bool by_fork)
{
    struct parts parts;
    const bool is_whole = take_apart(&parts, notice, size);
    const bool is_overflown = is_overflow(&parts.head, is_whole ? parts.stack_size : 0);
    crash->signal = parts.head.signal;
    crash->si_code = parts.head.si_code;
    crash->sender_pid = parts.head.sender_pid;
    crash->sender_uid = parts.head.sender_uid;
    crash->thread = parts.head.thread;
    if (is_overflown)
        crash->flags |= FORKCALL_CRASH_STACK_OVERFLOW;
    if (by_fork && is_mapped_in_caller(&parts.head))
        crash->flags |= FORKCALL_CRASH_MAPPED_IN_CALLER;
    const bool is_known = is_whole && (translate(&parts, by_fork));
    crash->address = parts.head.address;
    if (!is_known)
        return;
    crash->reserved[0] = fc_foreign_count();
    crash->program_counter = parts.head.registers.pc;
    copy_registers(crash, &parts.head.registers);
    crash->frame_count = (uint32_t)fc_unwind(&parts.head.registers, parts.stack, parts.head.stack_address,
                                             parts.stack_size, crash->frames, FORKCALL_CRASH_FRAMES);
}
