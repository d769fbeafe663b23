/* Tests re-executed programs that are disturbed before they reach forkcall_init(), and other files
 * that lie where the program's file is looked for: no re-executed program ever runs main, and no
 * other program is ever started. Arguments: the path of reexec_program, and of an emulator, if
 * there is one. */
#include "servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *reexec_program, *emulator;

static char output[16384];

static bool says(const char *text)
{
    return strstr(output, text) != NULL;
}

#define assert_says(text)                                         \
    do {                                                          \
        if (!says(text)) {                                        \
            print_error("\"%s\" is not in:\n%s\n", text, output); \
            fail();                                               \
        }                                                         \
    } while (0)
#define assert_silent_about(text)                             \
    do {                                                      \
        if (says(text)) {                                     \
            print_error("\"%s\" is in:\n%s\n", text, output); \
            fail();                                           \
        }                                                     \
    } while (0)

#define RUN(which, variables, ...)                                                        \
    program_run(&(const struct program){.path = (which),                                  \
                                        .args = (const char *const[]){__VA_ARGS__, NULL}, \
                                        .environment = (variables)},                      \
                output, sizeof output)

/* ---- The socket of a re-executed program ----------------------------------------------------- */

#define CUT_OFF "the connection to the re-executed program was cut: something that ran before forkcall_init() "

static void check_robbed(const char *what)
{
    print_message("%s\n", what);
    assert_int_equal(RUN(reexec_program, NULL, "as", what, "spawn", "server", "auto"), 0);
    assert_silent_about("main again");
    assert_says("spawn: NOT_STARTED ran 1 code 8: " CUT_OFF);
    assert_says("server: NOT_STARTED ran 1 code 8: server: " CUT_OFF);
    assert_says("auto: NOT_STARTED ran 1 code 8: server: " CUT_OFF);
}

static void copy_whose_constructor_closes_its_socket(void **state)
{
    (void)state;
    check_robbed("closes");
}

static void copy_whose_constructor_empties_its_socket(void **state)
{
    (void)state;
    check_robbed("takes");
}

static void copy_whose_constructor_puts_something_over_its_socket(void **state)
{
    (void)state;
    check_robbed("covers");
}

/* Without /proc, re-executed programs are recognised by another mark. */
static void copy_without_its_socket_and_without_proc(void **state)
{
    static const char *const whats[] = {"closes", "takes", "covers"};
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer's runtime needs /proc");
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        const int status = RUN(reexec_program, NULL, "no_proc", "as", whats[i], "spawn", "server", "auto");
        if (status == NOT_HERE)
            SKIP("only root can mount over /proc");
        assert_int_equal(status, 0);
        assert_silent_about("main again");
        assert_silent_about(": OK");
        assert_says(CUT_OFF);
    }
}

static void copy_without_its_socket_that_calls_the_library(void **state)
{
    (void)state;
    assert_int_equal(RUN(reexec_program, NULL, "as", "calls", "spawn", "server"), 0);
    assert_silent_about("main again");
    assert_silent_about("went on");
    assert_says("spawn: NOT_STARTED ran 1 code 8: the re-executed program called the library before forkcall_init()");
}

static void constructor_that_forks_a_process_which_comes_to_main(void **state)
{
    (void)state;
    assert_int_equal(RUN(reexec_program, NULL, "as", "forks", "spawn", "server", "auto"), 0);
    assert_silent_about("main again");
    assert_says("spawn: OK");
    assert_says("server: OK");
    assert_says("auto: OK");
}

static void constructor_that_ignores_a_signal(void **state)
{
    (void)state;
    assert_int_equal(RUN(reexec_program, NULL, "as", "ignores", "spawn", "server"), 0);
    assert_says("spawn: OK");
    assert_says("server: OK");
}

/* ---- The file of the program ----------------------------------------------------------------- */

struct decoy {
    char directory[64], file[96], root[96], copy[96];
};

static void decoy_make(struct decoy *decoy)
{
    static const char script[] = "#!/bin/sh\necho decoy runs\n";
    assert_true(directory_make(decoy->directory));
    snprintf(decoy->file, sizeof decoy->file, "%s/decoy", decoy->directory);
    snprintf(decoy->root, sizeof decoy->root, "%s/root", decoy->directory);
    snprintf(decoy->copy, sizeof decoy->copy, "%s/copy", decoy->directory);
    FILE *file = fopen(decoy->file, "we");
    assert_non_null(file);
    assert_true(fputs(script, file) >= 0 && fclose(file) == 0);
    assert_int_equal(chmod(decoy->file, 0755), 0);
    assert_int_equal(mkdir(decoy->root, 0755), 0);
    assert_true(file_copy(reexec_program, decoy->copy, 0755));
}

static void decoy_remove(const struct decoy *decoy)
{
    rmdir(decoy->root);
    directory_remove(decoy->directory);
}

static void root_with_another_file_by_the_programs_name(void **state)
{
    struct decoy decoy;
    (void)state;
    decoy_make(&decoy);
    const int status = RUN(decoy.copy, NULL, "jail", decoy.root, decoy.file, "spawn", "server", "auto");
    decoy_remove(&decoy);
    if (status == NOT_HERE)
        SKIP("only root can change its root");
    assert_int_equal(status, 0);
    assert_silent_about("decoy runs");
    assert_says("spawn: OK");
    assert_says("server: OK");
}

static void other_files_by_the_names_of_a_deleted_program(void **state)
{
    struct decoy decoy;
    (void)state;
    decoy_make(&decoy);
    const int status = RUN(decoy.copy, NULL, "replaced", decoy.file, "spawn", "server", "auto");
    decoy_remove(&decoy);
    assert_int_equal(status, 0);
    assert_silent_about("decoy runs");
    assert_says("spawn: OK");
    assert_says("server: OK");
}

/* Under an emulator only the name leads to the program: nothing is re-executed once the name leads
 * to another file. */
static void emulated_program_that_was_replaced(void **state)
{
    struct decoy decoy;
    (void)state;
    if (emulator == NULL)
        SKIP("no qemu-user here");
    if (under_sanitizer() || under_emulator())
        SKIP("the emulator does not run this program");
    decoy_make(&decoy);
    const int status = RUN(emulator, NULL, decoy.copy, "replaced", decoy.file, "spawn", "server");
    decoy_remove(&decoy);
    assert_int_equal(status, 0);
    assert_silent_about("decoy runs");
    assert_says("spawn: NOT_STARTED ran 1 code 2");
    assert_says("server: NOT_STARTED ran 1 code 2");
}

/* ---- A slow re-executed program -------------------------------------------------------------- */

static void run_waiting(const char *command, bool release)
{
    char directory[64], begun[96], go[96];
    assert_true(directory_make(directory));
    snprintf(begun, sizeof begun, "REEXEC_BEGUN=%s/begun", directory);
    snprintf(go, sizeof go, "REEXEC_GO=%s/go", directory);
    const char *const environment[] = {begun, go, NULL};
    const int status = release ? RUN(reexec_program, environment, "as", "waits", command, "server")
                               : RUN(reexec_program, environment, "as", "waits", command);
    directory_remove(directory);
    assert_int_equal(status, 0);
}

static void thread_canceled_while_the_copy_starts(void **state)
{
    (void)state;
    run_waiting("cut", true);
    assert_says("cut: 0, then -114"); /* the server serves all the same */
    assert_says("server: OK");
}

static void call_canceled_while_the_copy_starts(void **state)
{
    (void)state;
    run_waiting("cancel", false);
    assert_says("canceled: CANCELED ran 1");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_whose_constructor_closes_its_socket),
        cmocka_unit_test(copy_whose_constructor_empties_its_socket),
        cmocka_unit_test(copy_whose_constructor_puts_something_over_its_socket),
        cmocka_unit_test(copy_without_its_socket_and_without_proc),
        cmocka_unit_test(copy_without_its_socket_that_calls_the_library),
        cmocka_unit_test(constructor_that_forks_a_process_which_comes_to_main),
        cmocka_unit_test(constructor_that_ignores_a_signal),
        cmocka_unit_test(root_with_another_file_by_the_programs_name),
        cmocka_unit_test(other_files_by_the_names_of_a_deleted_program),
        cmocka_unit_test(emulated_program_that_was_replaced),
        cmocka_unit_test(thread_canceled_while_the_copy_starts),
        cmocka_unit_test(call_canceled_while_the_copy_starts),
    };
    forkcall_init();
    if (argc < 2)
        return 2;
    reexec_program = realpath(argv[1], NULL); /* only an absolute path works without /proc */
    emulator = argc > 2 ? argv[2] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
