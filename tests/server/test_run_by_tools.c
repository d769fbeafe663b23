/* Tests programs that are run by other programs: emulators, loaders, preloaded libraries.
 * Arguments: the paths of init_program, of the library to preload, and of an emulator, if there is
 * one. */
#include "servers.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *init_program, *preload, *emulator;

static char output[16384];

static int run(const char *path, const char *const *args, const char *const *environment)
{
    const struct program program = {.path = path, .args = args, .environment = environment};
    return program_run(&program, output, sizeof output);
}

static void assert_says(const char *text)
{
    if (strstr(output, text) != NULL)
        return;
    print_error("\"%s\" is not in:\n%s", text, output);
    fail();
}

static void assert_silent_about(const char *text)
{
    if (strstr(output, text) == NULL)
        return;
    print_error("\"%s\" is in:\n%s", text, output);
    fail();
}

static void preloaded_library_with_a_thread(void **state)
{
    static const char *const args[] = {"init", "server", "spawn", "auto", "server", "fork", NULL};
    char entry[4096];
    (void)state;
    if (under_sanitizer() || under_emulator())
        SKIP("the tool wants to be the first library");
    snprintf(entry, sizeof entry, "LD_PRELOAD=%s", preload);
    const char *const environment[] = {entry, NULL};
    assert_int_equal(run(init_program, args, environment), 0);
    assert_says("server: OK method 2 ran 2");
    assert_says("spawn: OK method 3 ran 2");
    assert_says("auto: OK method 2 ran 2");
    assert_says("fork: UNSAFE");
    assert_says("use SERVER or SPAWN");
    assert_silent_about("forkcall_init()"); /* the program has called forkcall_init() */
}

static void preloaded_library_with_a_thread_and_no_forkcall_init(void **state)
{
    static const char *const args[] = {"bare", "auto", NULL};
    char entry[4096];
    (void)state;
    if (under_sanitizer() || under_emulator())
        SKIP("the tool wants to be the first library");
    snprintf(entry, sizeof entry, "LD_PRELOAD=%s", preload);
    const char *const environment[] = {entry, NULL};
    assert_int_equal(run(init_program, args, environment), 0);
    assert_says("auto: UNSAFE method 1 ran 1");
    assert_says("forkcall_init()");
}

/* Finds the name of this program's dynamic loader. */
static int find_loader(struct dl_phdr_info *info, size_t size, void *name)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_INTERP)
            snprintf(name, 256, "%s", (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
    return 1; /* the first entry is the program */
}

#define ANOTHER "the file of this program cannot be started: another program runs it (a dynamic loader"

/* The running file is the loader: re-executing it would not start the program. */
static void program_run_by_the_dynamic_loader(void **state)
{
    char loader[256] = "";
    (void)state;
    if (has_musl())
        SKIP("musl's loader is the C library itself, and is told otherwise");
    if (under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("there is a tool already");
    dl_iterate_phdr(find_loader, loader);
    if (loader[0] == '\0')
        SKIP("no dynamic loader");
    const char *const args[] = {init_program, "init", "spawn", "server", "auto", "fork", NULL};
    assert_int_equal(run(loader, args, NULL), 0);
    assert_says("spawn: NOT_STARTED method 3 ran 1 code 2: " ANOTHER);
    assert_says("server: NOT_STARTED method 2 ran 1 code 2: server: " ANOTHER);
    assert_says("auto: NOT_STARTED method 2 ran 1 code 2: server: " ANOTHER);
    assert_silent_about("/proc");
    assert_says("fork: OK");
}

/* /proc/self/exe leads to the emulator. The kernel can run the program itself without it. */
static void program_run_by_an_emulator(void **state)
{
    (void)state;
    if (emulator == NULL || under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("no emulator of this processor");
    const char *const args[] = {init_program, "init", "spawn", "server", "fork", NULL};
    assert_int_equal(run(emulator, args, NULL), 0);
    assert_says("spawn: OK");
    assert_says("server: OK");
    if (strstr(output, "fork: OK") == NULL)
        assert_says("fork: UNSAFE"); /* the emulator's own threads cannot always be told apart */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preloaded_library_with_a_thread),
        cmocka_unit_test(preloaded_library_with_a_thread_and_no_forkcall_init),
        cmocka_unit_test(program_run_by_the_dynamic_loader),
        cmocka_unit_test(program_run_by_an_emulator),
    };
    forkcall_init();
    if (argc < 3) {
        fprintf(stderr, "arguments: init_program, preload, emulator\n");
        return 2;
    }
    init_program = argv[1];
    preload = argv[2];
    emulator = argc > 3 ? argv[3] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
