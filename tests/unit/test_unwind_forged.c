/* Tests the unwinding of copies of stacks that are cut or forged, and by tables that are forged.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for MAP_ANONYMOUS */
#endif
#include "unwinders.h"

#include "module/address.h"
#include "os/memory_probe.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- Forged copies ---- */

/* A copy of less than a page, whose end or beginning lies directly at memory that faults. */
struct fenced {
    unsigned char *mapping, *bytes;
    size_t page;
};

static struct fenced fence(const void *bytes, size_t size, bool at_end)
{
    struct fenced fenced;
    fenced.page = (size_t)sysconf(_SC_PAGESIZE);
    assert_true(size <= fenced.page);
    fenced.mapping = mmap(NULL, 3 * fenced.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(fenced.mapping, MAP_FAILED);
    assert_int_equal(mprotect(fenced.mapping + fenced.page, fenced.page, PROT_READ | PROT_WRITE), 0);
    fenced.bytes = fenced.mapping + fenced.page + (at_end ? fenced.page - size : 0);
    if (size > 0)
        memcpy(fenced.bytes, bytes, size);
    return fenced;
}

static void unfence(const struct fenced *fenced)
{
    (void)munmap(fenced->mapping, 3 * fenced->page);
}

static void assert_cut_copies_give_a_part(unwind_fn *unwind, size_t stride)
{
    uint64_t all[FRAMES_MAX];
    const size_t count = unwind_crash(unwind, all);
    size_t last = 1;
    for (size_t size = 0; size <= crash.stack_size && size <= 2048; size += stride) {
        uint64_t frames[FRAMES_MAX];
        const struct fenced copy = fence(crash.stack, size, true);
        const size_t n = unwind(&crash.registers, copy.bytes, crash.stack_address, size, frames, FRAMES_MAX);
        unfence(&copy);
        assert_in_range(n, last, count);
        assert_memory_equal(frames, all, n * sizeof *frames);
        last = n;
    }
}

/* The chain ends where the copy ends, so the frames are a part of the true chain. (Unwinding by
 * libdw is slow for each of so many sizes.) */
static void cut_copies_give_the_innermost_part_of_the_chain(void **state)
{
    (void)state;
    take_crash(read_null);
    for (size_t i = 0; i < UNWINDERS; i++)
        assert_cut_copies_give_a_part(unwinders[i], unwinders[i] == fc_unwind ? 128 : 1);
}

/* The last word that lies completely in the copy can be read. Words that extend past its end or
 * start before it cannot. */
static void words_of_a_copy_are_read_up_to_its_last_byte(void **state)
{
    uintptr_t words[3] = {1, 2, 3};
    const size_t word = sizeof words[0];
    const uint64_t addresses[] = {0x10000, UINT64_MAX - sizeof words + 1};
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        const uint64_t start = addresses[i];
        const struct fenced copy = fence(words, sizeof words, true);
        const struct fc_stack stack = {.bytes = copy.bytes, .address = start, .size = sizeof words};
        uint64_t value = 7;
        for (size_t n = 0; n < 3; n++) {
            assert_true(fc_stack_read(&stack, start + n * word, &value));
            assert_int_equal(value, words[n]);
        }
        assert_false(fc_stack_read(&stack, start + 2 * word + 1, &value));
        assert_false(fc_stack_read(&stack, start + 3 * word, &value));
        assert_false(fc_stack_read(&stack, start - 1, &value));
        unfence(&copy);
    }
    for (size_t size = 0; size <= word; size++) {
        const struct fenced copy = fence(words, size, true);
        const struct fc_stack stack = {.bytes = copy.bytes, .address = 0x10000, .size = size};
        uint64_t value = 7;
        assert_int_equal(fc_stack_read(&stack, 0x10000, &value), size == word);
        unfence(&copy);
    }
}

/* A frame that names itself or a frame below it as its caller's would be followed for ever. */
static void cycles_end(void **state)
{
    uint64_t frames[FRAMES_MAX];
    (void)state;
    take_crash(read_null);
    if (!registers_are_known())
        skip();
    const uint64_t good = crash.returns[0];
    const uint64_t base = 0x10000;
    uintptr_t words[64];
    for (int shape = 0; shape < 2; shape++) {
        struct fc_registers registers = {.pc = good, .sp = base, .fp = base + 32 * sizeof(uintptr_t)};
        /* Every word is a frame pointer that leads back, or a valid return address. */
        for (size_t i = 0; i < 64; i++)
            words[i] =
                i % 2 == 0 ? (uintptr_t)registers.fp - (shape == 0 ? 0 : 8 * sizeof(uintptr_t)) : (uintptr_t)good;
        const size_t count = fc_unwind_frame_pointers(&registers, words, base, sizeof words, frames, FRAMES_MAX);
        assert_in_range(count, 1, 2);
        registers.count = crash.registers.count;
        assert_in_range(fc_unwind(&registers, words, base, sizeof words, frames, FRAMES_MAX), 1, FRAMES_MAX);
    }
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Makes a number that an attacking child could choose. */
static uint64_t hostile_word(uint64_t stack_address, size_t size)
{
    switch (next_random() % 8) {
    case 0:
        return next_random();
    case 1:
        return crash.returns[next_random() % DEPTH];
    case 2:
        return UINT64_MAX - next_random() % 32;
    case 3:
        return next_random() % 32;
    case 4:
        return stack_address + size - next_random() % 32;
    case 5:
        return crash.registers.pc;
    default:
        return stack_address + next_random() % (size + 32);
    }
}

static void hostile_round(unwind_fn *unwind)
{
    static const uint64_t places[] = {0, 1, 0x7ffd00000000, UINT64_MAX - 256, UINT64_MAX - 3, UINT32_MAX - 100};
    unsigned char bytes[512];
    uint64_t frames[FRAMES_MAX + 1];
    struct fc_registers registers = {0};
    const size_t size = (size_t)next_random() % (sizeof bytes + 1);
    const uint64_t address = places[next_random() % (sizeof places / sizeof places[0])] + next_random() % 17;
    for (size_t i = 0; i + sizeof(uintptr_t) <= sizeof bytes; i += sizeof(uintptr_t)) {
        const uintptr_t word = (uintptr_t)hostile_word(address, size);
        memcpy(bytes + i, &word, sizeof word);
    }
    registers.pc = hostile_word(address, size);
    registers.sp = hostile_word(address, size);
    registers.fp = hostile_word(address, size);
    registers.count = next_random() % 4 == 0 ? (uint32_t)next_random() : crash.registers.count;
    for (size_t i = 0; i < FC_REGISTERS_MAX; i++)
        registers.general[i] = hostile_word(address, size);
    const size_t max = (size_t)next_random() % (FRAMES_MAX + 1);
    frames[max] = 0x5a5a5a5a;
    const struct fenced copy = fence(bytes, size, next_random() % 2 == 0);
    const size_t count = unwind(&registers, copy.bytes, address, size, frames, max);
    unfence(&copy);
    assert_in_range(count, max == 0 ? 0 : 1, max);
    assert_int_equal(frames[max], 0x5a5a5a5a);
    if (max > 0)
        assert_int_equal(frames[0], registers.pc);
    for (size_t i = 1; i < count; i++)
        assert_true(fc_address_is_code(frames[i]));
}

static void hostile_stacks_and_registers_do_no_harm(void **state)
{
    (void)state;
    take_crash(read_null);
    for (int i = 0; i < 20000; i++)
        hostile_round(fc_unwind_frame_pointers);
    for (int i = 0; i < 200; i++)
        hostile_round(fc_unwind);
#ifdef HAVE_EH_FRAME
    for (int i = 0; i < 5000; i++)
        hostile_round(unwind_by_tables);
#endif
}

/* ---- Forged tables ---- */

#ifdef HAVE_EH_FRAME
#if defined(__x86_64__)
enum { RETURN_ADDRESS = 16, STACK_POINTER = 7 };
#else
enum { RETURN_ADDRESS = 30, STACK_POINTER = 31 };
#endif

/* A table for one function of 64 bytes, whose frame is 16 bytes deep from its third byte on. */
#define COMMON_SIZE 24
#define TABLE_SIZE 56
static const unsigned char table[TABLE_SIZE] = {
    20,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    'z',
    'R',
    0,
    1,
    0x78,
    RETURN_ADDRESS,
    1,
    0x1b, /* a common record */
    0x0c,
    STACK_POINTER,
    8, /* the frame begins 8 above the stack pointer */
    0x80 | RETURN_ADDRESS,
    1, /* the return address lies 8 below */
    0,
    0, /* nothing */
    28,
    0,
    0,
    0,
    28,
    0,
    0,
    0, /* the record of the function, 28 behind the common one */
    0,
    0,
    0,
    0,
    64,
    0,
    0,
    0,
    0, /* it begins here, and has no data */
    0x42,
    0x0e,
    16, /* two bytes on: the frame begins 16 above */
    0x0a,
    0x44,
    0x0e,
    64,
    0x0b, /* four bytes on: 64 above, which is taken back at once */
    0x16,
    3,
    2,
    0x77,
    8,
    0,
    0, /* a register by an expression that is not known */
};

struct forged {
    struct fenced memory;
    struct fc_table_entry entry;
    struct fc_unwind_walk walk;
    struct fc_stack stack;
    uintptr_t words[8];
};

/* Tells what the table says for the byte at offset of the function. */
static void step_in(struct forged *forged, const unsigned char bytes[TABLE_SIZE], uint64_t offset)
{
    forged->memory = fence(bytes, TABLE_SIZE, true);
    const unsigned char *function = forged->memory.bytes + COMMON_SIZE;
    /* The segment is said to be larger than it is, where memory can be probed. */
    const size_t more = fc_memory_is_readable(forged->memory.bytes + TABLE_SIZE) ? 0 : 8;
    forged->entry = (struct fc_table_entry){function, forged->memory.bytes, forged->memory.bytes + TABLE_SIZE + more};
    for (size_t i = 0; i < 8; i++)
        forged->words[i] = 100 + i;
    forged->stack = (struct fc_stack){(const unsigned char *)forged->words, 0x10000, sizeof forged->words};
    forged->walk.stack = &forged->stack;
    forged->walk.found = false;
    forged->walk.was_interrupted = true;
    forged->walk.registers.pc = (uint64_t)(uintptr_t)(function + 8) + offset;
    fc_unwind_step(&forged->entry, &forged->walk);
}

static void good_registers(struct forged *forged)
{
    memset(forged, 0, sizeof *forged);
    forged->walk.registers.count = STACK_POINTER + 1;
    forged->walk.registers.sp = forged->walk.registers.general[STACK_POINTER] = 0x10000;
}

static void tables_are_followed_up_to_the_program_counter(void **state)
{
    struct forged forged;
    (void)state;
    for (uint64_t offset = 0; offset < 64; offset += 1) {
        good_registers(&forged);
        step_in(&forged, table, offset);
        unfence(&forged.memory);
        assert_true(forged.walk.found);
        const uint64_t depth = offset < 2 ? 8 : 16;
        assert_int_equal(forged.walk.registers.sp, 0x10000 + depth);
        assert_int_equal(forged.walk.registers.pc, 100 + depth / 8 - 1);
    }
    good_registers(&forged);
    step_in(&forged, table, 64);
    unfence(&forged.memory);
    assert_false(forged.walk.found);
}

static void forged_tables_do_no_harm(void **state)
{
    struct forged forged;
    unsigned char bytes[TABLE_SIZE];
    (void)state;
    for (int i = 0; i < 20000; i++) {
        memcpy(bytes, table, sizeof bytes);
        for (uint64_t changes = 1 + next_random() % 4; changes > 0; changes--)
            bytes[next_random() % TABLE_SIZE] = (unsigned char)(next_random() >> 8);
        good_registers(&forged);
        for (size_t r = 0; next_random() % 2 == 0 && r < FC_REGISTERS_MAX; r++)
            forged.walk.registers.general[r] = next_random() % 2 == 0 ? next_random() : 0x10000 + next_random() % 80;
        step_in(&forged, bytes, next_random() % 70);
        unfence(&forged.memory);
        assert_true(!forged.walk.found || forged.walk.registers.general[STACK_POINTER] == forged.walk.registers.sp);
    }
}
#endif

static void empty_copy_gives_the_program_counter(void **state)
{
    uint64_t frames[2];
    const struct fc_registers registers = {.pc = (uint64_t)(uintptr_t)read_null};
    (void)state;
    for (size_t i = 0; i < UNWINDERS; i++) {
        assert_int_equal(unwinders[i](&registers, NULL, 0, 0, frames, 2), 1);
        assert_int_equal(frames[0], registers.pc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_copies_give_the_innermost_part_of_the_chain),
        cmocka_unit_test(words_of_a_copy_are_read_up_to_its_last_byte),
        cmocka_unit_test(cycles_end),
        cmocka_unit_test(hostile_stacks_and_registers_do_no_harm),
#ifdef HAVE_EH_FRAME
        cmocka_unit_test(tables_are_followed_up_to_the_program_counter),
        cmocka_unit_test(forged_tables_do_no_harm),
#endif
        cmocka_unit_test(empty_copy_gives_the_program_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
