/* Tests the unwinding of the copied stacks of children that really crashed.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for pthreads */
#endif
#include "unwinders.h"

#include "module/address.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The unwinders that lead through this program. The linker may not have made the table of functions
 * that tables are found by; musl-gcc does not ask for it. */
static size_t count_unwinders(void)
{
#ifdef HAVE_EH_FRAME
    if (fc_address_function_start((uintptr_t)count_unwinders) == 0) {
        print_message("this program is linked without a table of functions: not by tables alone\n");
        return UNWINDERS - 1;
    }
#endif
    return UNWINDERS;
}

static void registers_of_a_crash_lie_in_the_function_and_its_stack(void **state)
{
    (void)state;
    take_crash(read_null);
    if (!registers_are_known())
        skip();
    /* Thumb sets the lowest bit of a function's address. */
    const uint64_t function = (uint64_t)(uintptr_t)read_null & ~(uint64_t)1;
    assert_in_range(crash.registers.pc, function, function + 1000);
    assert_in_range(crash.registers.fp, crash.registers.sp, crash.stack_address + crash.stack_size);
}

static void crash_is_unwound_to_every_caller(void **state)
{
    uint64_t frames[FRAMES_MAX];
    const size_t unwinder_count = count_unwinders();
    (void)state;
    take_crash(read_null);
    if (!registers_are_known())
        skip();
    for (size_t i = 0; i < unwinder_count; i++) {
        const size_t count = unwind_crash(unwinders[i], frames);
        assert_in_range(count, DEPTH + 2, FRAMES_MAX);
        assert_int_equal(frames[0], crash.registers.pc);
        assert_memory_equal(frames + 1, crash.returns, sizeof crash.returns);
    }
}

/* Checks that frames[1] lies in level_1 and that its callers follow. */
static void assert_called_by_level_1(const uint64_t *frames, size_t count)
{
    const uint64_t function = (uint64_t)(uintptr_t)level_1 & ~(uint64_t)1;
    assert_in_range(count, DEPTH + 1, FRAMES_MAX);
    assert_in_range(frames[1], function + 1, function + 1000);
    assert_memory_equal(frames + 2, crash.returns + 1, sizeof crash.returns - sizeof crash.returns[0]);
}

static void jump_to_null_names_the_caller(void **state)
{
    uint64_t frames[FRAMES_MAX];
    const size_t unwinder_count = count_unwinders();
    (void)state;
    take_crash(NULL);
    if (!registers_are_known())
        skip();
    for (size_t i = 0; i < unwinder_count; i++) {
        const size_t count = unwind_crash(unwinders[i], frames);
        assert_int_equal(frames[0], 0);
        assert_called_by_level_1(frames, count);
    }
}

/* Library functions in assembler that build no frame. strlen(3) and others are often written in
 * this way. */
#if defined(__ELF__) && (defined(__x86_64__) || defined(__i386__) || defined(__aarch64__))
void leaf_without_frame(void);
__asm__(".text\n"
        ".globl leaf_without_frame\n"
        ".hidden leaf_without_frame\n"
        ".type leaf_without_frame, %function\n"
        "leaf_without_frame:\n"
        ".cfi_startproc\n"
#if defined(__aarch64__)
        "    mov x0, #0\n"
        "    ldr w0, [x0]\n"
#elif defined(__x86_64__)
        "    xorl %eax, %eax\n"
        "    movl (%rax), %eax\n"
#else
        "    xorl %eax, %eax\n"
        "    movl (%eax), %eax\n"
#endif
        "    ret\n"
        ".cfi_endproc\n"
        ".size leaf_without_frame, . - leaf_without_frame\n");

static void function_without_a_frame_does_not_hide_its_caller(void **state)
{
    uint64_t frames[FRAMES_MAX];
    const size_t unwinder_count = count_unwinders();
    (void)state;
    take_crash(leaf_without_frame);
#if defined(__aarch64__)
    if (fc_address_function_start(crash.registers.pc) == 0) {
        print_message("linked without a table of functions: built static?\n");
        skip();
    }
#endif
    for (size_t i = 0; i < unwinder_count; i++) {
        const size_t count = unwind_crash(unwinders[i], frames);
        assert_int_equal(frames[0], crash.registers.pc);
        assert_called_by_level_1(frames, count);
    }
}
#else
static void function_without_a_frame_does_not_hide_its_caller(void **state)
{
    (void)state;
    print_message("no function without a frame for this processor\n");
    skip();
}
#endif

/* Code that uses the frame pointer for something else, as most libraries do, ends the chain of
 * frame pointers. */
#if (defined(HAVE_LIBDW) || defined(HAVE_EH_FRAME)) && defined(__ELF__) && defined(__x86_64__)
void call_without_frame(void (*function)(void));
__asm__(".text\n"
        ".globl call_without_frame\n"
        ".hidden call_without_frame\n"
        ".type call_without_frame, %function\n"
        "call_without_frame:\n"
        ".cfi_startproc\n"
        "    pushq %rbp\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset %rbp, -16\n"
        "    xorl %ebp, %ebp\n"
        "    call *%rdi\n"
        "    popq %rbp\n"
        ".cfi_def_cfa_offset 8\n"
        ".cfi_restore %rbp\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size call_without_frame, . - call_without_frame\n");

static volatile int after;

NOINLINE static void read_null_without_frame(void)
{
    call_without_frame(read_null);
    after = 4;
}

static void tables_lead_past_code_without_frames(void **state)
{
    uint64_t frames[FRAMES_MAX];
    (void)state;
    take_crash(read_null_without_frame);
    assert_in_range(unwind_crash(fc_unwind_frame_pointers, frames), 1, 3);
    if (count_unwinders() < UNWINDERS)
        skip();
    for (size_t i = 0; i < UNWINDERS; i++) {
        if (unwinders[i] == fc_unwind_frame_pointers)
            continue;
        assert_in_range(unwind_crash(unwinders[i], frames), DEPTH + 4, FRAMES_MAX);
        assert_int_equal(frames[0], crash.registers.pc);
        assert_int_equal(frames[1], crash.returns[0]);
        assert_memory_equal(frames + 4, crash.returns + 1, sizeof crash.returns - sizeof crash.returns[0]);
    }
}
#else
static void tables_lead_past_code_without_frames(void **state)
{
    (void)state;
    print_message("not for x86-64: frame pointers alone, or other code\n");
    skip();
}
#endif

/* Code that has frames, but no tables, as whole libraries have it. */
#ifdef HAVE_EH_FRAME
void call_without_table(void (*function)(void));
__asm__(".text\n"
        ".globl call_without_table\n"
        ".hidden call_without_table\n"
        ".type call_without_table, %function\n"
        "call_without_table:\n"
#if defined(__x86_64__)
        "    pushq %rbp\n"
        "    movq %rsp, %rbp\n"
        "    call *%rdi\n"
        "    popq %rbp\n"
#else
        "    stp x29, x30, [sp, #-16]!\n"
        "    mov x29, sp\n"
        "    blr x0\n"
        "    ldp x29, x30, [sp], #16\n"
#endif
        "    ret\n"
        ".size call_without_table, . - call_without_table\n");

static volatile int returned;

NOINLINE static void read_null_without_table(void)
{
    call_without_table(read_null);
    returned = 1;
}

static void frame_pointers_lead_on_where_tables_end(void **state)
{
    uint64_t frames[FRAMES_MAX];
    (void)state;
    take_crash(read_null_without_table);
    if (count_unwinders() == UNWINDERS)
        assert_int_equal(unwind_crash(unwind_by_tables, frames), 2);
    assert_in_range(unwind_crash(fc_unwind_without_libdw, frames), DEPTH + 4, FRAMES_MAX);
    assert_int_equal(frames[0], crash.registers.pc);
    assert_int_equal(frames[1], crash.returns[0]);
    assert_memory_equal(frames + 4, crash.returns + 1, sizeof crash.returns - sizeof crash.returns[0]);
}
#endif

static void no_more_frames_are_written_than_there_is_room_for(void **state)
{
    uint64_t all[FRAMES_MAX];
    (void)state;
    take_crash(read_null);
    for (size_t i = 0; i < UNWINDERS; i++) {
        const size_t count = unwind_crash(unwinders[i], all);
        for (size_t max = 0; max <= count; max++) {
            uint64_t *frames = calloc(max + 1, sizeof *frames);
            assert_non_null(frames);
            frames[max] = 0x5a5a5a5a;
            assert_int_equal(
                unwinders[i](&crash.registers, crash.stack, crash.stack_address, (size_t)crash.stack_size, frames, max),
                max);
            if (max > 0)
                assert_memory_equal(frames, all, max * sizeof *frames);
            assert_int_equal(frames[max], 0x5a5a5a5a);
            free(frames);
        }
    }
}

/* ---- What is left behind ---- */

static size_t count_descriptors(void)
{
    DIR *directory = opendir("/dev/fd");
    size_t count = 0;
    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL) // NOLINT(concurrency-mt-unsafe): each has its own
        count++;
    (void)closedir(directory);
    return count;
}

static void *unwind_repeatedly(void *arg)
{
    uint64_t *frames = arg;
    for (int i = 0; i < 10; i++)
        if (unwind_crash(fc_unwind, frames) < DEPTH + 2 || memcmp(frames + 1, crash.returns, sizeof crash.returns) != 0)
            return NULL;
    return frames;
}

static void threads_unwind_at_once_and_leave_no_descriptor(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    uint64_t frames[THREADS][FRAMES_MAX];
    bool passed[THREADS];
    (void)state;
    take_crash(read_null);
    if (!registers_are_known())
        skip();
    const size_t before = count_descriptors();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, unwind_repeatedly, frames[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        passed[i] = result != NULL;
    }
    for (int i = 0; i < THREADS; i++)
        assert_true(passed[i]);
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_of_a_crash_lie_in_the_function_and_its_stack),
        cmocka_unit_test(crash_is_unwound_to_every_caller),
        cmocka_unit_test(jump_to_null_names_the_caller),
        cmocka_unit_test(function_without_a_frame_does_not_hide_its_caller),
        cmocka_unit_test(tables_lead_past_code_without_frames),
#ifdef HAVE_EH_FRAME
        cmocka_unit_test(frame_pointers_lead_on_where_tables_end),
#endif
        cmocka_unit_test(no_more_frames_are_written_than_there_is_room_for),
        cmocka_unit_test(threads_unwind_at_once_and_leave_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
