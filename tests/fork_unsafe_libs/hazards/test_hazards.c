/* Tests what makes a fork unsafe, and how it is described: threads are a reason to refuse, a
 * library that is only loaded is not. */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *plugin;

/* ---- A clean process ------------------------------------------------------------------------- */

static int clean_host(void *unused)
{
    (void)unused;
    CHECK(forkcall_hazards() == 0);
    const struct forkcall_report report = forkcall_run(child_fails_7, NULL, 0, NULL, NULL);
    CHECK(report.status == FORKCALL_FAILED && report.hazards == 0);
    return 0;
}

static void none_in_a_clean_process(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("a sanitizer may have a thread of its own");
    assert_int_equal(host_run(clean_host, NULL), 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void *wait_for_end(void *pipe_end)
{
    char byte;
    const ssize_t n = read(*(int *)pipe_end, &byte, 1);
    (void)n;
    return NULL;
}

static int threaded_host(void *unused)
{
    pthread_t threads[2];
    int pipes[2][2];
    (void)unused;
    for (int i = 0; i < 2; i++)
        CHECK(pipe(pipes[i]) == 0 && pthread_create(&threads[i], NULL, wait_for_end, &pipes[i][0]) == 0);
    CHECK(forkcall_hazards() == FORKCALL_HAZARD_THREADS);
    CHECK(forkcall_run(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_UNSAFE);
    close(pipes[0][1]);
    pthread_join(threads[0], NULL);
    CHECK(forkcall_hazards() == FORKCALL_HAZARD_THREADS); /* the other thread still runs */
    close(pipes[1][1]);
    pthread_join(threads[1], NULL);
    CHECK(under_sanitizer() || (forkcall_hazards() & FORKCALL_HAZARD_THREADS) == 0);
    return 0;
}

static void threads_while_they_run(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("qemu-user has threads of its own once the program had one");
    assert_int_equal(host_run(threaded_host, NULL), 0);
}

/* ---- Libraries ------------------------------------------------------------------------------- */

struct named {
    const char *name;
    bool is_known;
};

static const struct named names[] = {
    {"libgomp.so.1", true},
    {"libgomp.so", true},
    {"libgio-2.0.so.0", true},
    {"libdispatch.so", true},
    {"libtbb.so.12", true},
    {"libjvm.so", true},
    {"libcuda.so.1", true},
    {"libzmq.so.5", true},
    {"librdkafka.so.1", true},
    {"libpulse.so.0", true},
    {"libsystemd.so.0", true},
    {"libxcb.so.1", true},
    {"libobjc.so.4", true},
    /* Names of related libraries, and names that only look like a known one. */
    {"libgomp-plugin-nvptx.so.1", false},
    {"libgomp.so-1", false},
    {"libgomp.sox", false},
    {"xlibgomp.so.1", false},
    {"libgio-2.0.a", false},
    {"libtbbmalloc.so.2", false},
    {"libxcb-shm.so.0", false},
};

static int copy_file(const char *from, const char *to)
{
    char bytes[4096];
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    ssize_t n = in < 0 || out < 0 ? -1 : 1;
    while (n > 0) {
        n = read(in, bytes, sizeof bytes);
        if (n > 0 && write(out, bytes, (size_t)n) != n)
            n = -1;
    }
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return n < 0 ? -1 : 0;
}

static int use_of_what_is_merely_loaded(unsigned known)
{
    struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, NULL);
    CHECK(report.status == FORKCALL_OK || under_sanitizer());
    report = run_in_forked_process(child_fails_7, NULL, NULL);
    CHECK(report.status == FORKCALL_FAILED || under_sanitizer());
    CHECK((report.hazards & FORKCALL_HAZARD_LIBRARY) == known);
    return 0;
}

static int load(const char *path, bool is_known)
{
    const unsigned known = is_known ? FORKCALL_HAZARD_LIBRARY : 0;
    CHECK((forkcall_hazards() & FORKCALL_HAZARD_LIBRARY) == 0);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    CHECK((forkcall_hazards() & FORKCALL_HAZARD_LIBRARY) == known);
    CHECK(use_of_what_is_merely_loaded(known) == 0);
    dlclose(library);
    if (dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL) /* musl keeps a closed library loaded */
        CHECK((forkcall_hazards() & FORKCALL_HAZARD_LIBRARY) == 0);
    return 0;
}

static int library_host(void *context)
{
    const struct named *named = context;
    char directory[4096];
    char beside[4096];
    char path[4200];
    snprintf(beside, sizeof beside, "%s", plugin);
    snprintf(directory, sizeof directory, "%s/libgomp.so.XXXXXX",
             dirname(beside)); /* the name of a directory does not count */
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/%s", directory, named->name);
    const int r = copy_file(plugin, path) == 0 ? load(path, named->is_known) : 1;
    unlink(path);
    rmdir(directory);
    if (r != 0)
        fprintf(stderr, "%s\n", named->name);
    return r;
}

static void libraries_by_their_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct named named = names[i];
        assert_int_equal(host_run(library_host, &named), 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_in_a_clean_process),
        cmocka_unit_test(threads_while_they_run),
        cmocka_unit_test(libraries_by_their_names),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s PLUGIN\n", argv[0]);
        return 2;
    }
    plugin = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
