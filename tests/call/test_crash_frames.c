/* Tests the frames of a crash by every method: if a child's modules lie at other addresses, the
 * report must be the same as from a fork.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "crash/symbol.h"
#include "crash_chain.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
#define METHODS (sizeof methods / sizeof *methods)

static const char *plugin_path;

static struct forkcall_report crash(forkcall_fn *fn, enum chain_end end, enum forkcall_method method)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = DEADLINE_S * 1000};
    const struct forkcall_report r = forkcall_run(fn, &end, sizeof end, NULL, &options);
    assert_status(r, FORKCALL_SIGNALED);
    assert_int_equal(r.crash.signal, r.code);
    return r;
}

/* The number of frames up to the frame of the named function; 0: the function is not among them. */
static uint32_t count_frames_to(const struct forkcall_crash *crash, const char *function)
{
    struct fc_symbols symbols;
    uint32_t count = 0;
    fc_symbols_open(&symbols);
    for (uint32_t i = 0; i < crash->frame_count && count == 0; i++) {
        char where[512];
        fc_symbols_describe(&symbols, crash->frames[i], i > 0, where, sizeof where);
        if (strncmp(where, function, strlen(function)) == 0 && where[strlen(function)] == '+')
            count = i + 1;
    }
    fc_symbols_close(&symbols);
    return count;
}

static void print_both(const struct forkcall_report *fork, const struct forkcall_report *other)
{
    char text[2][4096];
    forkcall_explain(fork, text[0], sizeof text[0]);
    forkcall_explain(other, text[1], sizeof text[1]);
    print_message("By fork:\n%s\nBy the other method:\n%s\n", text[0], text[1]);
}

/* Compares the crashes of two children of the same program. Names and addresses must be equal,
 * because all addresses are translated to this process. */
static void assert_same_crash(const struct forkcall_report *fork, const struct forkcall_report *other, uint32_t frames)
{
    const struct forkcall_crash *a = &fork->crash;
    const struct forkcall_crash *b = &other->crash;
    if (a->program_counter != b->program_counter || a->address != b->address || b->frame_count < frames ||
        memcmp(a->frames, b->frames, frames * sizeof *a->frames) != 0)
        print_both(fork, other);
    assert_int_equal(a->si_code, b->si_code);
    assert_int_equal(a->address, b->address);
    assert_int_equal(a->program_counter, b->program_counter);
    assert_in_range(b->frame_count, frames, FORKCALL_CRASH_FRAMES);
    assert_memory_equal(a->frames, b->frames, frames * sizeof *a->frames);
    assert_int_equal(a->flags, b->flags);
}

/* function: the outermost function that the frames lead to. */
static void check_methods(forkcall_fn *fn, const char *function, enum chain_end end)
{
    const struct forkcall_report fork = crash(fn, end, FORKCALL_FORK);
    uint32_t frames = count_frames_to(&fork.crash, function);
    /* The way there may lead through code without tables or frame pointers. Then only the first
     * frame is compared. */
    if (frames == 0) {
        print_message("end %d: %s is not among the frames of a fork\n", (int)end, function);
        frames = fork.crash.frame_count > 0 ? 1 : 0;
        assert_int_equal(end, CHAIN_IN_CALLBACK);
    }
    for (size_t i = 0; i < METHODS; i++) {
        const struct forkcall_report other = crash(fn, end, methods[i]);
        assert_int_equal(other.method, methods[i]);
        assert_same_crash(&fork, &other, frames);
    }
}

/* ---- In the program -------------------------------------------------------------------------- */

static int tells_where_it_lies(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const uintptr_t here = (uintptr_t)tells_where_it_lies;
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &here, sizeof here);
}

/* If the modules had the same addresses in the child, the other cases would show nothing. */
static void modules_lie_elsewhere_in_the_child(void **state)
{
    uintptr_t there = 0;
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct forkcall_buf result = forkcall_buf_fixed(&there, sizeof there);
        const struct forkcall_options options = {.method = methods[i], .timeout_ms = DEADLINE_S * 1000};
        const struct forkcall_report r = forkcall_run(tells_where_it_lies, NULL, 0, &result, &options);
        assert_status(r, FORKCALL_OK);
        if (there == (uintptr_t)tells_where_it_lies)
            SKIP("this system, or a debugger, puts programs where they were before");
    }
}

static void crash_in_the_program(void **state)
{
    (void)state;
    for (int end = 0; end < CHAIN_ENDS; end++)
        check_methods(program_outer, end == CHAIN_ON_STATIC_STACK ? "program_start" : "program_outer",
                      (enum chain_end)end);
}

static void explanation_names_the_functions(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        char text[4096];
        const struct forkcall_report r = crash(program_outer, CHAIN_NULL_POINTER, methods[i]);
        forkcall_explain(&r, text, sizeof text);
        const char *inner = strstr(text, "\n  #0 program_inner+");
        const char *middle = strstr(text, "\n  #1 program_middle+");
        const char *outer = strstr(text, "\n  #2 program_outer+");
        if (inner == NULL || middle == NULL || outer == NULL)
            fail_msg("not named: %s", text);
    }
}

static void address_of_the_fault_in_a_module(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        const struct forkcall_report r = crash(program_outer, CHAIN_WRITE_TO_CONSTANT, methods[i]);
#if defined(__s390__) /* The processor tells only the page. */
        assert_int_equal(r.crash.address, (uint64_t)(uintptr_t)program_constant & ~(uint64_t)4095);
#else
        assert_int_equal(r.crash.address, (uint64_t)(uintptr_t)program_constant);
#endif
    }
}

#if UINTPTR_MAX == UINT32_MAX
/* Crashes on a stack at the end of the address space. A 32-bit process on a 64-bit system may have
 * its stack there, and does in one of thirty runs. */
static int crashes_at_the_end_of_all_addresses(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = 0x8000;
    void *stack = MAP_FAILED;
    pthread_attr_t attributes;
    pthread_t thread;
    (void)args;
    (void)args_size;
    (void)result;
    for (uintptr_t at = 0xfffe0000U; stack == MAP_FAILED && at < 0xffff6000U; at += size)
        stack = mmap((void *)at, size,
                     PROT_READ | PROT_WRITE, /* NOLINT(performance-no-int-to-ptr): an address, as a number */
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    pthread_attr_init(&attributes);
    if (stack == MAP_FAILED || pthread_attr_setstack(&attributes, stack, size) != 0 ||
        pthread_create(&thread, &attributes, program_start, NULL) != 0)
        return 1;
    return pthread_join(thread, NULL);
}

static void stack_at_the_end_of_all_addresses(void **state)
{
    const enum forkcall_method all[] = {FORKCALL_FORK, FORKCALL_SERVER, FORKCALL_SPAWN};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct forkcall_options options = {.method = all[i], .timeout_ms = DEADLINE_S * 1000};
        const struct forkcall_report r = forkcall_run(crashes_at_the_end_of_all_addresses, NULL, 0, NULL, &options);
        if (r.status == FORKCALL_FAILED)
            SKIP("this system has no memory there");
        assert_status(r, FORKCALL_SIGNALED);
        assert_in_range(count_frames_to(&r.crash, "program_start"), 2, 3);
    }
}
#endif

/* ---- In a plugin ----------------------------------------------------------------------------- */

static forkcall_fn *load(const char *path)
{
    forkcall_fn *fn = NULL;
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL)
        fail_msg("%s", dlerror()); // NOLINT(concurrency-mt-unsafe): one thread
    *(void **)&fn = dlsym(plugin, "plugin_outer");
    assert_non_null(fn);
    return fn;
}

/* The server has not loaded the plugin, so its child loads it for the call. */
static void crash_in_a_plugin(void **state)
{
    (void)state;
    forkcall_fn *fn = load(plugin_path);
    for (int end = 0; end < CHAIN_ENDS; end++)
        check_methods(fn, end == CHAIN_ON_STATIC_STACK ? "plugin_start" : "plugin_outer", (enum chain_end)end);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[4096];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    for (size_t n = fread(bytes, 1, sizeof bytes, in); n > 0; n = fread(bytes, 1, sizeof bytes, in))
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* The builds are equal, so only the paths tell the copies apart. */
static void crash_in_one_of_several_copies_of_a_plugin(void **state)
{
    char directory[] = "/tmp/forkcall-test-XXXXXX";
    char paths[3][sizeof directory + 8];
    forkcall_fn *fns[3];
    (void)state;
    assert_non_null(mkdtemp(directory));
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d.so", directory, i);
        copy_file(plugin_path, paths[i]);
        fns[i] = load(paths[i]);
    }
    for (int i = 0; i < 3; i++)
        check_methods(fns[i], "plugin_outer", CHAIN_NULL_POINTER);
    for (int i = 0; i < 3; i++)
        unlink(paths[i]);
    rmdir(directory);
}

/* ---- Other servers, other callers ------------------------------------------------------------ */

static void check_server(const struct forkcall_server_options *options)
{
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(options), 0);
    check_methods(program_outer, "program_outer", CHAIN_NULL_POINTER);
    check_methods(load(plugin_path), "plugin_outer", CHAIN_NULL_POINTER);
    assert_int_equal(forkcall_server_stop(), 0);
}

static void crash_in_a_child_that_was_execed_by_the_server(void **state)
{
    const struct forkcall_server_options options = {.exec_spares = true};
    (void)state;
    check_server(&options);
}

static int loads_the_plugin(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return dlopen(args, RTLD_NOW | RTLD_LOCAL) != NULL ? 0 : 1;
}

static void crash_in_a_plugin_that_the_server_has_loaded(void **state)
{
    const struct forkcall_server_options options = {
        .prepare = loads_the_plugin, .prepare_args = plugin_path, .prepare_args_size = strlen(plugin_path) + 1};
    (void)state;
    check_server(&options);
}

/* A child of SPAWN or SERVER makes a call by FORK. The modules of the fork lie where its caller's
 * do. */
static int tells_of_a_fork_that_crashed(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct forkcall_options options = {
        .method = FORKCALL_FORK, .allow_unsafe_fork = true, .timeout_ms = DEADLINE_S * 1000};
    char text[4096] = "";
    const struct forkcall_report r = forkcall_run(program_outer, args, args_size, NULL, &options);
    forkcall_explain(&r, text, sizeof text);
    return forkcall_buf_append(result, text, strlen(text) + 1);
}

static void crash_in_a_fork_of_such_a_child(void **state)
{
    const enum chain_end end = CHAIN_NULL_POINTER;
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct forkcall_buf text = FORKCALL_BUF_INIT;
        const struct forkcall_options options = {.method = methods[i], .timeout_ms = DEADLINE_S * 1000};
        const struct forkcall_report r = forkcall_run(tells_of_a_fork_that_crashed, &end, sizeof end, &text, &options);
        assert_status(r, FORKCALL_OK);
        assert_non_null(strstr(text.data, "\n  #2 program_outer+"));
        forkcall_buf_free(&text);
    }
}

static void *crash_repeatedly(void *arg)
{
    const struct forkcall_report *expected = arg;
    for (int i = 0; i < 10; i++) {
        const enum chain_end end = CHAIN_NULL_POINTER;
        const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = DEADLINE_S * 1000};
        const struct forkcall_report r = forkcall_run(program_outer, &end, sizeof end, NULL, &options);
        if (r.status != FORKCALL_SIGNALED || r.crash.frame_count < 3 ||
            memcmp(r.crash.frames, expected->crash.frames, 3 * sizeof *r.crash.frames) != 0)
            return NULL;
    }
    return arg;
}

static void crashes_in_many_children_at_once(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    bool passed = true;
    (void)state;
    struct forkcall_report expected = crash(program_outer, CHAIN_NULL_POINTER, FORKCALL_FORK);
    assert_in_range(expected.crash.frame_count, 3, FORKCALL_CRASH_FRAMES);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crash_repeatedly, &expected), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        passed = passed && result != NULL;
    }
    assert_true(passed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_lie_elsewhere_in_the_child),
        cmocka_unit_test(crash_in_the_program),
        cmocka_unit_test(explanation_names_the_functions),
        cmocka_unit_test(address_of_the_fault_in_a_module),
#if UINTPTR_MAX == UINT32_MAX
        cmocka_unit_test(stack_at_the_end_of_all_addresses),
#endif
        cmocka_unit_test(crash_in_a_plugin),
        cmocka_unit_test(crash_in_one_of_several_copies_of_a_plugin),
        cmocka_unit_test(crash_in_a_child_that_was_execed_by_the_server),
        cmocka_unit_test(crash_in_a_plugin_that_the_server_has_loaded),
        cmocka_unit_test(crash_in_a_fork_of_such_a_child),
        cmocka_unit_test(crashes_in_many_children_at_once),
    };
    forkcall_init();
    if (argc != 2) {
        fprintf(stderr, "usage: %s PLUGIN\n", argv[0]);
        return 2;
    }
    if (under_emulator()) {
        print_message("skipped: qemu-user starts itself where a copy of the program is started\n");
        return NOT_HERE;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
