/* Tests tools that stand between a program and its re-executed programs: a re-executed program
 * serves, or ends, or at least re-executes nothing itself. Arguments: the paths of main_counter,
 * of the library to preload, of wrapper; which file of exec_mark.*.c is in the library; the paths
 * of the tools that were found. */
#include "servers.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALLS 3 /* per round of main_counter */

static const char *main_counter, *preload, *wrapper, *const *tools;

static bool brand_is_slack;

static char output[16384];

struct trial {
    char directory[64], program[96];
    int mains, after; /* processes that reached main, and that passed forkcall_init() */
};

/* Protects the machine from endless processes if a guard of the library fails. */
static int limit_processes(void *directory)
{
    const struct rlimit limit = {200, 200};
    const unsigned user = lonely_user();
    if (chdir(directory) < 0)
        return 1;
    if (geteuid() != 0)
        return 0;
    return setgroups(0, NULL) < 0 || setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0 ||
           setrlimit(RLIMIT_NPROC, &limit) < 0;
}

static int size_of(const struct trial *trial, const char *name)
{
    char path[128];
    struct stat file;
    snprintf(path, sizeof path, "%s.%s", trial->program, name);
    return stat(path, &file) == 0 ? (int)file.st_size : 0;
}

/* Runs a copy of the program in a directory of its own, by the tool if there is one. */
static void run(struct trial *trial, const char *const *tool, const char *const *environment, const char *rounds)
{
    const char *args[8];
    size_t count = 0;
    program_make(main_counter, 0755, trial->directory, trial->program);
    assert_int_equal(chmod(trial->directory, 0777), 0);
    for (; tool != NULL && tool[count] != NULL && count < 5; count++)
        args[count] = tool[count];
    args[count++] = trial->program;
    args[count++] = rounds;
    args[count] = NULL;
    const struct program program = {.path = args[0],
                                    .args = args + 1,
                                    .environment = environment,
                                    .before = limit_processes,
                                    .context = trial->directory};
    const int status = program_run(&program, output, sizeof output);
    trial->mains = size_of(trial, "count");
    trial->after = size_of(trial, "after");
    directory_remove(trial->directory);
    print_message("%d processes came to main, %d further\n%s", trial->mains, trial->after, output);
    assert_int_equal(status, 0);
}

static void run_with(struct trial *trial, const char *letters, const char *rounds)
{
    char preloaded[4200], as[32], by[4200];
    snprintf(preloaded, sizeof preloaded, "LD_PRELOAD=%s", preload);
    snprintf(as, sizeof as, "EXEC_AS=%s", letters);
    snprintf(by, sizeof by, "EXEC_WRAPPER=%s", wrapper);
    const char *const environment[] = {preloaded, as, by, NULL};
    print_message("-- %s\n", letters);
    run(trial, NULL, environment, rounds);
}

static int count_in_output(const char *text)
{
    return count_in_text(output, text);
}

#define SKIP_UNDER_TOOLS                                                \
    do {                                                                \
        if (under_sanitizer() || under_valgrind())                      \
            SKIP("the tool wants to be the first library");             \
        if (under_emulator())                                           \
            SKIP("the emulator does not exec the program's own image"); \
    } while (0)

/* ---- The marks that are left decide ---------------------------------------------------------- */

static void socket_alone_makes_a_copy_serve(void **state)
{
    static const char *const ways[] = {"r", "e", "m", "re", "rem"};
    struct trial trial;
    (void)state;
    SKIP_UNDER_TOOLS;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        run_with(&trial, ways[i], "1");
        assert_int_equal(count_in_output(" OK 0 right:"), CALLS);
        assert_int_equal(trial.after, 1);
        assert_int_equal(trial.mains, 1 + 1 + 1); /* the host, the child of SPAWN, the server */
    }
}

static void copy_without_its_socket_ends_by_any_other_mark(void **state)
{
    static const char *const ways[] = {"c", "rc", "ec", "rec"};
    struct trial trial;
    (void)state;
    SKIP_UNDER_TOOLS;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        run_with(&trial, ways[i], "1");
        assert_int_equal(count_in_output("NOT_STARTED"), CALLS);
        assert_int_equal(count_in_output("re-executed program was cut"), CALLS);
        assert_int_equal(trial.after, 1);
        assert_int_equal(trial.mains, 1 + CALLS);
    }
}

static void copy_of_a_wrapper_ends_and_the_caller_is_told(void **state)
{
    static const char *const ways[] = {"f", "rf", "ref", "ef"};
    struct trial trial;
    (void)state;
    SKIP_UNDER_TOOLS;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        run_with(&trial, ways[i], "1");
        assert_int_equal(count_in_output("another program stands between"), CALLS);
        assert_int_equal(trial.after, 1);
        assert_int_equal(trial.mains, 1 + CALLS);
    }
}

/* The parent is another program, and only the mark that the kernel keeps is left: main goes on,
 * and re-executes nothing. */
static void copy_that_lost_all_its_marks_starts_no_copies(void **state)
{
    static const char *const ways[] = {"recf", "recfm"};
    struct trial trial;
    (void)state;
    SKIP_UNDER_TOOLS;
    for (size_t i = 0; i < (brand_is_slack ? 2 : 1); i++) {
        run_with(&trial, ways[i], "1");
        assert_true(count_in_output("it does not re-execute this program") >= CALLS);
        assert_int_equal(trial.mains, 1 + CALLS);
        assert_int_equal(trial.after, 1 + CALLS);
    }
}

static void caller_whose_copies_all_fail_makes_only_so_many(void **state)
{
    struct trial trial;
    (void)state;
    SKIP_UNDER_TOOLS;
    run_with(&trial, "c", "12");
    assert_int_equal(count_in_output("re-executed program was cut"), 12 * CALLS);
    assert_int_equal(trial.mains, 1 + 8);
}

/* ---- Tools that people use ------------------------------------------------------------------- */

static void real_tools(void **state)
{
    struct trial trial;
    (void)state;
    if (has_musl())
        SKIP("the tools here are made for another C library");
    SKIP_UNDER_TOOLS;
    if (tools[0] == NULL)
        SKIP("neither fakechroot nor proot nor bear is here");
    for (size_t i = 0; tools[i] != NULL; i++) {
        const char *const bear[] = {tools[i], "--output", "events", "--", NULL};
        const bool is_bear = strstr(tools[i], "bear") != NULL;
        const char *const other[] = {tools[i], NULL};
        print_message("-- %s\n", tools[i]);
        run(&trial, is_bear ? bear : other, NULL, "1");
        assert_int_equal(trial.after, 1);
        assert_in_range(trial.mains, 1 + 2, 1 + CALLS);
        assert_int_equal(count_in_output(is_bear ? "another program stands between" : " OK 0 right:"), CALLS);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socket_alone_makes_a_copy_serve),
        cmocka_unit_test(copy_without_its_socket_ends_by_any_other_mark),
        cmocka_unit_test(copy_of_a_wrapper_ends_and_the_caller_is_told),
        cmocka_unit_test(copy_that_lost_all_its_marks_starts_no_copies),
        cmocka_unit_test(caller_whose_copies_all_fail_makes_only_so_many),
        cmocka_unit_test(real_tools),
    };
    forkcall_init();
    if (argc < 5)
        return 2;
    main_counter = realpath(argv[1], NULL);
    preload = realpath(argv[2], NULL);
    wrapper = realpath(argv[3], NULL);
    brand_is_slack = strcmp(argv[4], "slack") == 0;
    tools = (const char *const *)argv + 5;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
