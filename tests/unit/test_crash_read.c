/* Tests how the host reads notices of crashes from processes whose modules lie at other addresses:
 * true notices, and notices that an attacking child would forge.
 *
 * SPDX-License-Identifier: MIT */
#include "config.h"

#include "crash/crash_decode.h"
#include "crash/relocate.h"
#include "crash/symbol.h"
#include "crash/unwind.h"
#include "crashed_child.h"
#include "forged_reply.h"
#include "module/address.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define FRAMES FORKCALL_CRASH_FRAMES

/* This process's modules, and the addresses that the notices give for them in the child. */
static struct fc_module_range here[FC_MODULE_RANGES_MAX], there[FC_MODULE_RANGES_MAX];
static size_t count;

/* Gives each module an address in the child: far from all modules here, if the address space has
 * room, and each at a different distance. */
static void move_modules(void)
{
    const uint64_t stride = sizeof(void *) == 8 ? 0x10000000U : 0x2000000U;
    uint64_t next = sizeof(void *) == 8 ? UINT64_C(0x100000000000) : 0x8000000U;
    count = fc_module_ranges_list(here, FC_MODULE_RANGES_MAX);
    assert_in_range(count, 1, FC_MODULE_RANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        there[i] = here[i];
        there[i].start = next;
        next += (here[i].size / stride + 1) * stride;
    }
}

static uint64_t move(uint64_t word)
{
    if (word - crash.stack_address < crash.stack_size)
        return word;
    for (size_t i = 0; i < count; i++)
        if (word - here[i].start < here[i].size)
            return word - here[i].start + there[i].start;
    return word;
}

/* Makes the notice of this crash that a process with its modules at those addresses would send. */
static struct fc_crash_notice make_notice(void)
{
    struct fc_crash_notice notice;
    memset(&notice, 0, sizeof notice);
    notice.signal = SIGSEGV;
    notice.si_code = SEGV_MAPERR;
    notice.stack_address = crash.stack_address;
    notice.range_count = (uint32_t)count;
    notice.registers = crash.registers;
    notice.registers.pc = move(crash.registers.pc);
    notice.registers.fp = move(crash.registers.fp);
    for (size_t i = 0; i < FC_REGISTERS_MAX; i++)
        notice.registers.general[i] = move(crash.registers.general[i]);
    return notice;
}

static unsigned char stack[STACK_MAX];

static void take_moved_crash(void (*function)(void))
{
    uintptr_t word;
    take_crash(function);
    move_modules();
    memcpy(stack, crash.stack, (size_t)crash.stack_size);
    for (size_t i = (size_t)(-crash.stack_address % sizeof word); i + sizeof word <= crash.stack_size;
         i += sizeof word) {
        memcpy(&word, stack + i, sizeof word);
        word = (uintptr_t)move(word);
        memcpy(stack + i, &word, sizeof word);
    }
}

/* Reads the notice from memory of exactly its size, so that a sanitizer sees a read past the
 * end. */
static struct forkcall_crash read_notice(const struct fc_crash_notice *notice, const struct fc_module_range *placements,
                                         size_t range_count, const void *bytes, size_t size, bool by_fork)
{
    struct forkcall_crash read;
    const size_t placements_size = range_count * sizeof *placements;
    unsigned char *payload = malloc(sizeof *notice + placements_size + size);
    assert_non_null(payload);
    memcpy(payload, notice, sizeof *notice);
    if (placements_size > 0)
        memcpy(payload + sizeof *notice, placements, placements_size);
    if (size > 0)
        memcpy(payload + sizeof *notice + placements_size, bytes, size);
    memset(&read, 0, sizeof read);
    fc_crash_decode(&read, payload, sizeof *notice + placements_size + size, by_fork);
    free(payload);
    assert_int_equal(read.signal, notice->signal);
    assert_int_equal(read.si_code, notice->si_code);
    assert_in_range(read.frame_count, 0, FRAMES);
    return read;
}

static struct forkcall_crash read_moved(const struct fc_crash_notice *notice)
{
    return read_notice(notice, there, count, stack, (size_t)crash.stack_size, false);
}

static bool registers_are_known(void)
{
    if (crash.registers.count > 0)
        return true;
    print_message("no registers for this processor: nothing to unwind\n");
    return false;
}

/* ---- True notices ---------------------------------------------------------------------------- */

static void assert_as_if_not_moved(void)
{
    uint64_t frames[FRAMES];
    const struct fc_crash_notice notice = make_notice();
    const size_t expected =
        fc_unwind(&crash.registers, crash.stack, crash.stack_address, (size_t)crash.stack_size, frames, FRAMES);
    const struct forkcall_crash read = read_moved(&notice);
    assert_in_range(expected, DEPTH + 1, FRAMES);
    assert_int_equal(read.program_counter, crash.registers.pc);
    assert_int_equal(read.frame_count, expected);
    assert_memory_equal(read.frames, frames, expected * sizeof *frames);
}

static void crash_is_told_as_if_its_modules_lay_here(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    if (!registers_are_known())
        skip();
    assert_true(move(crash.registers.pc) != crash.registers.pc);
    assert_as_if_not_moved();
}

static void jump_to_null_is_told_as_if_its_modules_lay_here(void **state)
{
    (void)state;
    take_moved_crash(NULL);
    if (!registers_are_known())
        skip();
    assert_as_if_not_moved();
}

static void fault_in_a_module_is_told_as_one_here(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    struct fc_crash_notice notice = make_notice();
    const uint64_t place = (uint64_t)(uintptr_t)&count;
    notice.address = move(place);
    assert_int_equal(read_moved(&notice).address, place);
    notice.address = 0x100;
    assert_int_equal(read_moved(&notice).address, 0x100);
}

/* An address that is mapped in this process says nothing about the child. */
static void flags_of_a_crash_elsewhere(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    struct fc_crash_notice notice = make_notice();
    notice.address = (uint64_t)(uintptr_t)&notice;
    assert_int_equal(read_moved(&notice).flags & FORKCALL_CRASH_MAPPED_IN_CALLER, 0);
    notice.registers.sp = 0x7000000;
    notice.address = notice.registers.sp - 64;
    assert_int_equal(read_moved(&notice).flags, FORKCALL_CRASH_STACK_OVERFLOW);
}

/* A forked child has its modules where its caller has them, so its notice about modules is
 * ignored. */
static void fork_that_tells_of_modules_is_not_listened_to(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    if (!registers_are_known())
        skip();
    struct fc_crash_notice notice = make_notice();
    notice.registers = crash.registers;
    struct forkcall_crash read = read_notice(&notice, there, count, crash.stack, (size_t)crash.stack_size, true);
    assert_int_equal(read.program_counter, crash.registers.pc);
    assert_in_range(read.frame_count, DEPTH + 1, FRAMES);
    notice = make_notice();
    read = read_moved(&notice);
    assert_int_equal(read.program_counter, crash.registers.pc);
    read = read_notice(&notice, there, count, stack, (size_t)crash.stack_size, true);
    assert_int_equal(read.program_counter, notice.registers.pc);
    assert_int_equal(read.frame_count, 1);
}

/* ---- Forged notices -------------------------------------------------------------------------- */

/* The number of modules is only a claim of the child. The size of the notice is known. */
static void more_modules_than_there_are_bytes(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    struct fc_crash_notice notice = make_notice();
    static const uint32_t more[] = {1, 2, 1000, FC_MODULE_RANGES_MAX + 1, UINT32_MAX / 32 + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        for (size_t has = 0; has < more[i] && has <= count; has++) {
            notice.range_count = more[i];
            const struct forkcall_crash read =
                read_notice(&notice, there, has, stack, has < count ? sizeof *there - 1 : 0, false);
            assert_int_equal(read.program_counter, 0);
            assert_int_equal(read.frame_count, 0);
        }
    }
}

/* The notice claims more modules than a child ever sends. Those past the limit are ignored. */
static void more_modules_than_can_be(void **state)
{
    static struct fc_module_range many[FC_MODULE_RANGES_MAX + 2];
    (void)state;
    take_moved_crash(read_null);
    struct fc_crash_notice notice = make_notice();
    for (size_t i = 0; i < FC_MODULE_RANGES_MAX + 2; i++)
        many[i] = there[i % count];
    notice.range_count = FC_MODULE_RANGES_MAX + 2;
    const struct forkcall_crash read =
        read_notice(&notice, many, FC_MODULE_RANGES_MAX + 2, stack, (size_t)crash.stack_size, false);
    assert_int_equal(read.program_counter, crash.registers.pc);
}

/* Addresses of code of this process mean nothing if the child does not say which module lies
 * there. */
static void addresses_in_no_module_of_the_childs_are_not_taken_for_ours(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    if (!registers_are_known())
        skip();
    struct fc_crash_notice notice = make_notice();
    notice.registers = crash.registers;
    for (int with = 0; with < 2; with++) { /* First without modules, then with modules elsewhere. */
        notice.range_count = with == 0 ? 0 : (uint32_t)count;
        const struct forkcall_crash read =
            read_notice(&notice, there, notice.range_count, crash.stack, (size_t)crash.stack_size, false);
        assert_int_equal(read.program_counter, 0);
        assert_in_range(read.frame_count, 0, 1);
        assert_int_equal(read.frames[0], 0);
    }
}

static void modules_that_are_not_quite_ours(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    const struct fc_crash_notice notice = make_notice();
    for (int change = 0; change < 3; change++) {
        for (size_t i = 0; i < count; i++) {
            there[i].size += change == 0;
            there[i].size -= change == 1 ? 2 : 0;
            there[i].key ^= change == 2 ? 1 : 0;
        }
        const struct forkcall_crash read = read_moved(&notice);
        /* The address lies in none of our modules, so it stays as it is. */
        assert_int_equal(read.program_counter, notice.registers.pc);
        assert_in_range(read.frame_count, 0, 1);
        for (size_t i = 0; i < count; i++) {
            there[i].size = here[i].size;
            there[i].key = here[i].key;
        }
    }
    assert_int_equal(read_moved(&notice).program_counter, crash.registers.pc);
}

/* Only the path differs. The build is the same. */
static void module_that_was_loaded_from_elsewhere(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    const struct fc_crash_notice notice = make_notice();
    for (size_t i = 0; i < count; i++)
        there[i].path ^= 1;
    assert_int_equal(read_moved(&notice).program_counter, crash.registers.pc);
}

/* A module has two parts with another owner's memory between them. The parts have the same distance
 * in child and host. */
static void hole_between_the_parts_of_a_module_is_none_of_it(void **state)
{
    enum { CODE = 0x3000, HOLE = 0xd000, DATA = 0x1800 };
    const struct fc_module_range ours[] = {{0x50000000, CODE, 11, 7}, {0x50000000 + CODE + HOLE, DATA, 12, 7}};
    const struct fc_module_range theirs[] = {{0x70000000 + CODE + HOLE, DATA, 12, 7}, {0x70000000, CODE, 11, 7}};
    struct fc_relocation *translation = fc_relocation_between(theirs, 2, ours, 2);
    const uint64_t code[] = {0, CODE - 1};
    const uint64_t hole[] = {CODE, CODE + HOLE / 2, CODE + HOLE - 1, CODE + HOLE + DATA, UINT64_MAX};
    const uint64_t data[] = {CODE + HOLE, CODE + HOLE + DATA - 1};
    (void)state;
    assert_non_null(translation);
    for (size_t i = 0; i < sizeof hole / sizeof *hole; i++) {
        uint64_t address = theirs[1].start + hole[i];
        assert_false(fc_relocate(translation, &address));
        assert_int_equal(address, theirs[1].start + hole[i]);
        assert_false(fc_relocation_is_ours(translation, ours[0].start + hole[i]));
    }
    for (size_t i = 0; i < 2; i++) {
        uint64_t address = theirs[1].start + code[i];
        assert_true(fc_relocate(translation, &address));
        assert_int_equal(address, ours[0].start + code[i]);
        assert_true(fc_relocation_is_ours(translation, address));
        address = theirs[1].start + data[i];
        assert_true(fc_relocate(translation, &address));
        assert_int_equal(address, ours[0].start + data[i]);
        assert_true(fc_relocation_is_ours(translation, address));
    }
    fc_relocation_free(translation);
}

/* The host has several copies of one file, and the child has some of them under other paths. No
 * copy may be taken for another. */
static void copies_of_a_module_are_not_taken_for_each_other(void **state)
{
    enum { SIZE = 0x1000, KEY = 5 };
    const struct fc_module_range ours[] = {{0x10000, SIZE, KEY, 1}, {0x20000, SIZE, KEY, 2}, {0x30000, SIZE, KEY, 3}};
    const struct {
        uint64_t paths[3]; /* in the child; 0: fewer modules */
        uint64_t here[3];  /* expected address here; 0: unknown */
    } cases[] = {
        {{1, 2, 3}, {0x10000, 0x20000, 0x30000}},
        {{3, 1, 2}, {0x30000, 0x10000, 0x20000}},
        {{1, 2, 9}, {0x10000, 0x20000, 0x30000}}, /* 9 must be the only one left */
        {{1, 8, 9}, {0x10000, 0, 0}},
        {{9, 0, 0}, {0, 0, 0}},
    };
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct fc_module_range theirs[3];
        size_t n = 0;
        for (; n < 3 && cases[c].paths[n] != 0; n++)
            theirs[n] = (struct fc_module_range){0x100000 * (n + 1), SIZE, KEY, cases[c].paths[n]};
        struct fc_relocation *translation = fc_relocation_between(theirs, n, ours, 3);
        assert_non_null(translation);
        for (size_t i = 0; i < n; i++) {
            uint64_t address = theirs[i].start + 5;
            assert_int_equal(fc_relocate(translation, &address), cases[c].here[i] != 0);
            assert_int_equal(address, (cases[c].here[i] != 0 ? cases[c].here[i] : theirs[i].start) + 5);
        }
        fc_relocation_free(translation);
    }
    /* A copy that only the child has is not taken for the copy that both processes have. */
    const struct fc_module_range theirs[] = {{0x100000, SIZE, KEY, 1}, {0x200000, SIZE, KEY, 9}};
    struct fc_relocation *translation = fc_relocation_between(theirs, 2, ours, 1);
    uint64_t address = 0x200000;
    assert_non_null(translation);
    assert_false(fc_relocate(translation, &address));
    fc_relocation_free(translation);
}

static uint32_t seed = 0x5eed;

static uint64_t any_word(void)
{
    const uint64_t wide = (uint64_t)forge_random(&seed) << 32 | forge_random(&seed);
    const size_t i = forge_random(&seed) % count;
    switch (forge_random(&seed) % 8) {
    case 0:
        return wide;
    case 1:
        return forge_random(&seed) % 32;
    case 2:
        return UINT64_MAX - forge_random(&seed) % 32;
    case 3:
        return here[i].start + wide % here[i].size;
    case 4:
        return UINT64_MAX - here[i].size + forge_random(&seed) % 32;
    case 5:
        return crash.stack_address + forge_random(&seed) % 4096;
    default:
        return there[i].start + wide % there[i].size;
    }
}

static void hostile_round(void)
{
    struct fc_module_range forged[16];
    uintptr_t words[64];
    struct fc_crash_notice notice = make_notice();
    const size_t range_count = forge_random(&seed) % 17;
    /* The ranges are often real ones of this process, and often overlap. */
    for (size_t i = 0; i < range_count; i++) {
        forged[i] = there[forge_random(&seed) % count];
        if (forge_random(&seed) % 2 == 0)
            forged[i].start = any_word();
        if (forge_random(&seed) % 8 == 0)
            forged[i].size = any_word();
        if (forge_random(&seed) % 8 == 0)
            forged[i].key = any_word();
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        words[i] = (uintptr_t)any_word();
    notice.range_count = (uint32_t)range_count;
    notice.stack_address = forge_random(&seed) % 2 == 0 ? crash.stack_address : any_word();
    notice.registers.sp = any_word();
    notice.registers.fp = notice.stack_address + forge_random(&seed) % sizeof words;
    notice.registers.pc = any_word();
    /* Without registers the stack is read by frame pointers, which is fast. */
    notice.registers.count = forge_random(&seed) % 4 == 0 ? forge_random(&seed) : 0;
    const struct forkcall_crash read =
        read_notice(&notice, forged, range_count, words, forge_random(&seed) % (sizeof words + 1), false);
    for (uint32_t i = 1; i < read.frame_count; i++)
        assert_true(fc_address_is_code(read.frames[i]));
}

/* Code of a file that a child has mapped, at which the crash was. */
static struct fc_mapped_file mapped_file(void)
{
    struct fc_mapped_file file = {.start = 0x70001000, .end = 0x70003000, .base = 0x70000000, .inode = 77};
    (void)snprintf(file.path, sizeof file.path, "/nowhere/module.so");
    return file;
}

/* By FORK, too, such an address must not be taken for one of this process. */
static void address_in_a_module_of_the_child_alone_gets_a_place_of_its_own(void **state)
{
    const struct fc_mapped_file file = mapped_file();
    (void)state;
    for (int by_fork = 0; by_fork < 2; by_fork++) {
        struct fc_crash_notice notice;
        char where[64];
        memset(&notice, 0, sizeof notice);
        notice.signal = SIGSEGV;
        notice.si_code = SEGV_MAPERR;
        notice.file_count = 1;
        notice.registers.pc = notice.address = file.start + 0x234;
        const struct forkcall_crash read = read_notice(&notice, NULL, 0, &file, sizeof file, by_fork != 0);
        assert_int_equal(read.frame_count, 1);
        assert_int_equal(read.address, read.program_counter);
        assert_int_equal(read.frames[0], read.program_counter);
        assert_int_not_equal(read.program_counter, notice.registers.pc);
        fc_symbols_describe(&fc_symbols_tables, read.program_counter, false, where, sizeof where);
        assert_string_equal(where, "module.so+0x1234");
        /* What a child has at the address of that place is something else. */
        notice.registers.pc = read.program_counter;
        notice.file_count = 0;
        assert_int_equal(read_notice(&notice, NULL, 0, NULL, 0, by_fork != 0).program_counter, 0);
    }
}

static void notice_that_claims_more_files_than_it_has(void **state)
{
    const struct fc_mapped_file file = mapped_file();
    static const uint32_t counts[] = {2, 17, 0x00800000, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct fc_crash_notice notice = make_notice();
        notice.range_count = 0;
        notice.file_count = counts[i];
        assert_int_equal(read_notice(&notice, NULL, 0, &file, sizeof file, true).frame_count, 0);
        notice.file_count = 1;
        notice.range_count = 3;
        assert_int_equal(read_notice(&notice, NULL, 0, &file, sizeof file, false).frame_count, 0);
    }
}

static void forged_files_do_no_harm(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    for (int i = 0; i < 2000; i++) {
        struct {
            struct fc_mapped_file files[3];
            uintptr_t words[64];
        } forged;
        struct fc_crash_notice notice = make_notice();
        for (size_t k = 0; k < 3; k++) {
            struct fc_mapped_file *file = &forged.files[k];
            *file = mapped_file();
            file->base = file->start = any_word() & ~UINT64_C(0xfff);
            file->end = forge_random(&seed) % 2 == 0 ? any_word() : file->start + 0x2000;
            file->inode = forge_random(&seed) % 100;
            if (forge_random(&seed) % 8 == 0)
                memset(file->path, '/', sizeof file->path);
        }
        for (size_t k = 0; k < 64; k++)
            forged.words[k] = (uintptr_t)any_word();
        notice.range_count = 0;
        notice.file_count = (uint32_t)(forge_random(&seed) % 4);
        notice.registers.pc = any_word();
        notice.registers.sp = notice.stack_address;
        notice.registers.count = 0;
        const struct forkcall_crash read =
            read_notice(&notice, NULL, 0, &forged, sizeof forged, forge_random(&seed) % 2 == 0);
        for (uint32_t k = 1; k < read.frame_count; k++)
            assert_true(fc_address_is_code(read.frames[k]));
    }
}

static void hostile_tables_of_modules_do_no_harm(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    for (int i = 0; i < 5000; i++)
        hostile_round();
}

/* A fault counts as a stack overflow if it is a fault of memory, is reported by the kernel, and
 * lies near the stack pointer: at most 64 KiB below it, or less than a page above it. */
static void fault_that_is_told_as_a_stack_overflow(void **state)
{
    static const struct {
        int signal, si_code, distance;
        bool overflows;
    } faults[] = {
        {SIGSEGV, SEGV_MAPERR, 0, true},       {SIGSEGV, SEGV_ACCERR, 4095, true},
        {SIGSEGV, SEGV_MAPERR, 4096, false},   {SIGSEGV, SEGV_MAPERR, -65535, true},
        {SIGSEGV, SEGV_MAPERR, -65536, false}, {SIGBUS, BUS_ADRERR, -8, true},
        {SIGBUS, BUS_ADRERR, 4096, false},     {SIGFPE, FPE_INTDIV, 0, false},
        {SIGILL, ILL_ILLOPC, 0, false},        {SIGSEGV, SI_USER, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct fc_crash_notice notice;
        memset(&notice, 0, sizeof notice);
        notice.signal = faults[i].signal;
        notice.si_code = faults[i].si_code;
        notice.registers.sp = 0x12345678;
        notice.address = notice.registers.sp + (uint64_t)(int64_t)faults[i].distance;
        const unsigned char readable[16] = {0};
        const struct forkcall_crash read = read_notice(&notice, NULL, 0, readable, sizeof readable, false);
        assert_int_equal((read.flags & FORKCALL_CRASH_STACK_OVERFLOW) != 0, faults[i].overflows);
        notice.registers.sp = 0; /* 0: unknown */
        assert_int_equal(read_notice(&notice, NULL, 0, NULL, 0, false).flags, 0);
    }
}

/* Where the stack pointer points to nothing, the fault is an overflow only if the stack of the
 * function's thread may reach so far down, as after a large array. */
static void lost_stack_pointer_is_not_told_as_a_stack_overflow(void **state)
{
    static const uint64_t sp = 0x40000000;
    const struct {
        uint64_t entry;
        bool overflows;
    } entries[] = {{0, false}, {sp - 1, false}, {sp, true}, {sp + (1U << 20), true}, {UINT64_C(1) << 46, false}};
    struct rlimit old;
    struct rlimit limit;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_STACK, &old), 0);
    limit = old;
    limit.rlim_cur = 8U << 20; /* not more than any hard limit that a test meets */
    assert_int_equal(setrlimit(RLIMIT_STACK, &limit), 0);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        struct fc_crash_notice notice;
        memset(&notice, 0, sizeof notice);
        notice.signal = SIGSEGV;
        notice.si_code = SEGV_MAPERR;
        notice.registers.sp = sp;
        notice.address = sp - 8;
        notice.entry_address = entries[i].entry;
        const struct forkcall_crash read = read_notice(&notice, NULL, 0, NULL, 0, false);
        assert_int_equal((read.flags & FORKCALL_CRASH_STACK_OVERFLOW) != 0, entries[i].overflows);
    }
    assert_int_equal(setrlimit(RLIMIT_STACK, &old), 0);
}

/* An address that a forged module leads to must lie in the module of this process that the child
 * has named. */
static void forged_modules_lead_into_ours_alone(void **state)
{
    (void)state;
    take_moved_crash(read_null);
    for (int i = 0; i < 2000; i++) {
        struct fc_module_range forged[4];
        for (size_t k = 0; k < 4; k++) {
            forged[k] = there[forge_random(&seed) % count];
            forged[k].start = any_word();
        }
        struct fc_relocation *translation = fc_relocation_make(forged, 4);
        assert_non_null(translation);
        for (int k = 0; k < 50; k++) {
            uint64_t address = any_word();
            if (fc_relocate(translation, &address))
                assert_true(fc_relocation_is_ours(translation, address));
        }
        fc_relocation_free(translation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_is_told_as_if_its_modules_lay_here),
        cmocka_unit_test(jump_to_null_is_told_as_if_its_modules_lay_here),
        cmocka_unit_test(fault_in_a_module_is_told_as_one_here),
        cmocka_unit_test(flags_of_a_crash_elsewhere),
        cmocka_unit_test(fork_that_tells_of_modules_is_not_listened_to),
        cmocka_unit_test(more_modules_than_there_are_bytes),
        cmocka_unit_test(more_modules_than_can_be),
        cmocka_unit_test(addresses_in_no_module_of_the_childs_are_not_taken_for_ours),
        cmocka_unit_test(modules_that_are_not_quite_ours),
        cmocka_unit_test(module_that_was_loaded_from_elsewhere),
        cmocka_unit_test(hole_between_the_parts_of_a_module_is_none_of_it),
        cmocka_unit_test(copies_of_a_module_are_not_taken_for_each_other),
        cmocka_unit_test(hostile_tables_of_modules_do_no_harm),
        cmocka_unit_test(address_in_a_module_of_the_child_alone_gets_a_place_of_its_own),
        cmocka_unit_test(notice_that_claims_more_files_than_it_has),
        cmocka_unit_test(forged_files_do_no_harm),
        cmocka_unit_test(forged_modules_lead_into_ours_alone),
        cmocka_unit_test(fault_that_is_told_as_a_stack_overflow),
        cmocka_unit_test(lost_stack_pointer_is_not_told_as_a_stack_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
