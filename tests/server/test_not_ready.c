/* Tests a re-executed program that never reaches forkcall_init() in a call without a timeout: the
 * library waits half a minute for it. Argument: the path of init_program. */
#include "servers.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *init_program;

static bool gives_up(const char *method, const char *wanted)
{
    static const char *const environment[] = {"SUBJECT_COPY=hangs", "SUBJECT_TIMEOUT=0", NULL};
    static char output[4096];
    const char *const args[] = {"init", method, NULL};
    const struct program program = {.path = init_program, .args = args, .environment = environment};
    const int status = program_run(&program, output, sizeof output);
    if (status == 0 && strstr(output, wanted) != NULL)
        return true;
    fprintf(stderr, "status %d: %s\n", status, output);
    return false;
}

static void copy_that_never_comes_to_forkcall_init_and_no_timeout(void **state)
{
    int status = -1;
    (void)state;
    fflush(NULL);
    const pid_t pid = fork(); /* both methods wait at the same time */
    if (pid == 0)
        _exit(!gives_up("server", "server: NOT_STARTED method 2 ran 1 code 8: server: the re-executed program did not "
                                  "reach forkcall_init() in time"));
    const bool good = gives_up("spawn", "spawn: NOT_STARTED method 3 ran 1 code 110: the re-executed program did not "
                                        "reach forkcall_init() in time");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(good);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_that_never_comes_to_forkcall_init_and_no_timeout),
    };
    forkcall_init();
    init_program = argc > 1 ? argv[1] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
