/* Tests that a file system that does not answer holds only who asks for a file there: other threads
 * call and fork meanwhile. And no child that they fork gets a descriptor that is open for a moment.
 * The linker puts functions of this file in the place of the C library's.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "base/descriptors.h"
#include "module/lookup.h"
#include "module/module_file.h"
#include "module/proc_maps.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* They have as many parameters as any call has arguments: a sanitizer does not let a function with
 * `...` read those that are not there. */
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
int __real_stat(const char *restrict path, struct stat *restrict status);
int __wrap_stat(const char *restrict path, struct stat *restrict status);
int __wrap_stat64(const char *restrict path, struct stat *restrict status);
int __real_open(const char *path, int flags, int mode);
int __wrap_open(const char *path, int flags, int mode);
int __wrap_open64(const char *path, int flags, int mode);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static _Thread_local int locks_held;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    locks_held++;
    return __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    locks_held--;
    return __real_pthread_mutex_unlock(mutex);
}

/* ---- A file system that does not answer ------------------------------------------------------ */

static const char *plugin; /* the argument of the test */
/* A path there; NULL: all file systems answer. */
static const char *blocked;
static _Thread_local bool is_asker;
static atomic_bool is_waiting, answers, has_given_up;
static atomic_uint opened, opened_without_lock;

static bool is_blocked(const char *path)
{
    return is_asker && blocked != NULL && path != NULL && strcmp(path, blocked) == 0;
}

static bool has_answered(void *unused)
{
    (void)unused;
    return answers;
}

static void wait_for_an_answer(void)
{
    is_waiting = true;
    has_given_up = has_given_up || !wait_until(has_answered, NULL);
}

static int note_opened(int fd)
{
    if (fd >= 0 && is_asker) {
        opened++;
        opened_without_lock += locks_held == 0;
    }
    return fd;
}

/* The kernel knows nothing of the path before the file system has been asked. */
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
#ifdef SYS_openat2
    if (number == SYS_openat2) {
        if (is_blocked((const char *)b) && !answers) { // NOLINT(performance-no-int-to-ptr)
            errno = EAGAIN;
            return -1;
        }
        return note_opened((int)__real_syscall(number, a, b, c, d, e, f));
    }
#endif
#ifdef SYS_statx
    if (number == SYS_statx && is_blocked((const char *)b)) // NOLINT(performance-no-int-to-ptr)
        wait_for_an_answer();
#endif
    return __real_syscall(number, a, b, c, d, e, f);
}

int __wrap_stat(const char *restrict path, struct stat *restrict status)
{
    if (is_blocked(path))
        wait_for_an_answer();
    return __real_stat(path, status);
}

int __wrap_stat64(const char *restrict path, struct stat *restrict status)
{
    return __wrap_stat(path, status);
}

int __wrap_open(const char *path, int flags, int mode)
{
    return note_opened(__real_open(path, flags, mode));
}

int __wrap_open64(const char *path, int flags, int mode)
{
    return __wrap_open(path, flags, mode);
}

/* ---- Who asks -------------------------------------------------------------------------------- */

static forkcall_fn *plugin_function(void)
{
    void *module = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    forkcall_fn *fn = NULL;
    if (module != NULL)
        *(void **)&fn = dlsym(module, "answer_function");
    return fn;
}

static bool names_a_function(forkcall_fn *fn)
{
    struct fc_module_function name;
    return fc_module_name(fn, &name) == 0 && strcmp(name.path, plugin) == 0;
}

static bool opens_the_file(forkcall_fn *fn)
{
    struct fc_opened_file file;
    struct fc_fds fds;
    if (fc_fds_open(&fds) < 0)
        return false;
    const bool is_open = fc_module_file_open((uintptr_t)fn, &fds, FC_FD_ARGS, &file);
    fc_fds_close_all(&fds);
    return is_open;
}

static bool finds_the_mapping(forkcall_fn *fn)
{
    struct fc_mapping mapping;
    return fc_mapping_find((uintptr_t)fn, &mapping) == 0 && strcmp(mapping.path, plugin) == 0;
}

struct asking {
    bool (*ask)(forkcall_fn *fn);
    bool is_known;   /* has been asked before */
    bool is_deleted; /* the file */
    forkcall_fn *fn;
    bool has_succeeded;
};

static void *ask(void *context)
{
    struct asking *asking = context;
    is_asker = true;
    asking->has_succeeded = asking->ask(asking->fn);
    return NULL;
}

static bool is_waiting_now(void *unused)
{
    (void)unused;
    return is_waiting;
}

static int host_beside_one_who_asks(void *context)
{
    const struct forkcall_options options = {
        .method = FORKCALL_FORK, .allow_unsafe_fork = true, .timeout_ms = DEADLINE_S * 1000};
    struct asking *asking = context;
    char marked[4096];
    pthread_t thread;
    int status = 0;
    asking->fn = plugin_function();
    CHECK(asking->fn != NULL);
    CHECK(!asking->is_known || asking->ask(asking->fn));
    CHECK(!asking->is_deleted || unlink(plugin) == 0);
    (void)snprintf(marked, sizeof marked, "%s (deleted)", plugin);
    blocked = asking->is_deleted ? marked : plugin;
    CHECK(pthread_create(&thread, NULL, ask, asking) == 0);
    CHECK(wait_until(is_waiting_now, NULL));
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    answers = true;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(!has_given_up);
    CHECK(report.status == FORKCALL_OK);
    CHECK(asking->has_succeeded);
    CHECK((opened > 0 || asking->is_known) && opened_without_lock == 0);
    return 0;
}

static void check(struct asking asking)
{
    assert_int_equal(host_run(host_beside_one_who_asks, &asking), 0);
}

static void naming_a_function_holds_nobody_else(void **state)
{
    (void)state;
    check((struct asking){.ask = names_a_function});
}

static void naming_a_function_again_holds_nobody_else(void **state)
{
    (void)state;
    check((struct asking){.ask = names_a_function, .is_known = true});
}

static void opening_the_file_of_a_module_holds_nobody_else(void **state)
{
    (void)state;
    check((struct asking){.ask = opens_the_file});
}

static void finding_a_deleted_module_holds_nobody_else(void **state)
{
    (void)state;
    check((struct asking){.ask = finds_the_mapping, .is_deleted = true});
}

/* The plugin is a copy, which can be deleted. */
static char copy[] = "/tmp/forkcall-blocked-XXXXXX";

static bool copy_to(const char *from, int fd)
{
    char bytes[4096];
    FILE *in = fopen(from, "rbe");
    bool copied = in != NULL && fd >= 0;
    for (size_t n = copied ? fread(bytes, 1, sizeof bytes, in) : 0; n > 0; n = fread(bytes, 1, sizeof bytes, in))
        copied = copied && write(fd, bytes, n) == (ssize_t)n;
    if (in != NULL)
        (void)fclose(in);
    return close(fd) == 0 && copied;
}

static int remove_copy(void **state)
{
    (void)state;
    unlink(copy);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(naming_a_function_holds_nobody_else),
        cmocka_unit_test(naming_a_function_again_holds_nobody_else),
        cmocka_unit_test(opening_the_file_of_a_module_holds_nobody_else),
        cmocka_unit_test(finding_a_deleted_module_holds_nobody_else), /* last: deletes the copy */
    };
    if (argc < 2 || !copy_to(argv[1], mkstemp(copy)))
        return 1;
    plugin = copy;
    return cmocka_run_group_tests(tests, NULL, remove_copy);
}
