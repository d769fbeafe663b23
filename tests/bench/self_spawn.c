/* Starts this program again by posix_spawn(), to print one number. */
#include "self_spawn.h"

#include "handmade.h"
#include "measure.h"
#include "workload.h"

#include <forkcall.h>

#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char say_answer[] = "--say-answer-to";
static const char say_init_time[] = "--say-init-time";

_Noreturn static void say(uint64_t number)
{
    _exit(write_whole(STDOUT_FILENO, &number, sizeof number) ? 0 : 1);
}

void self_begin(int argc, char **argv)
{
    /* Checked before forkcall_init(), which a program written by hand does not call. */
    if (argc == 3 && strcmp(argv[1], say_answer) == 0)
        say(trivial_answer(strtoull(argv[2], NULL, 10)));
    clock_ns(); /* the first use of the clock is slower and must not be measured */
    const uint64_t start = clock_ns();
    forkcall_init();
    const int64_t elapsed = elapsed_since(start);
    if (argc == 2 && strcmp(argv[1], say_init_time) == 0)
        say((uint64_t)elapsed);
}

static bool start_saying(int to, char *const argv[], pid_t *child)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    const bool started = posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO) == 0 &&
                         posix_spawn(child, "/proc/self/exe", &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    return started;
}

static bool ask(char *const argv[], uint64_t *said)
{
    int ends[2];
    int how = 0;
    pid_t child = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    const bool started = start_saying(ends[1], argv, &child);
    close(ends[1]);
    const bool whole = started && read_whole(ends[0], said, sizeof *said);
    close(ends[0]);
    return started && waitpid(child, &how, 0) == child && how == 0 && whole;
}

int64_t self_spawn_call(void *unused)
{
    char option[sizeof say_answer];
    char question[32];
    char name[] = "forkcall-bench";
    char *const argv[] = {name, option, question, NULL};
    uint64_t answer = 0;
    (void)unused;
    const uint64_t start = clock_ns();
    memcpy(option, say_answer, sizeof say_answer);
    snprintf(question, sizeof question, "%" PRIu64, start);
    const bool answered = ask(argv, &answer);
    const int64_t elapsed = elapsed_since(start);
    return answered && answer == trivial_answer(start) ? elapsed : RUN_FAILED;
}

int64_t self_init_time(void *unused)
{
    char option[sizeof say_init_time];
    char name[] = "forkcall-bench";
    char *const argv[] = {name, option, NULL};
    uint64_t elapsed = 0;
    (void)unused;
    memcpy(option, say_init_time, sizeof say_init_time);
    return ask(argv, &elapsed) ? (int64_t)elapsed : RUN_FAILED;
}
