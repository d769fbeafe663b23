/* Calls under settings of the whole system that administrators choose: a tight profile of AppArmor,
 * limits of control groups, sysctls. Each case changes the system, so this program runs only in a
 * guest that nobody else uses (.ci/kernels); some settings cannot be taken back. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHER_USER 54321
#define LARGE ((size_t)4 << 20)
#define PROFILE "/tmp/forkcall-profile"

static const enum forkcall_method methods[] = {FORKCALL_FORK, FORKCALL_SERVER, FORKCALL_SPAWN};
#define METHODS (sizeof methods / sizeof *methods)

static char program[4096];

/* ---- What the system is told ----------------------------------------------------------------- */

static bool put(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return is_written;
}

static bool get(const char *path, char *text, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[n < 0 ? 0 : n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return n >= 0;
}

/* A sysctl that a case sets and gives back. */
struct setting {
    const char *path;
    char before[64];
};

static bool set(struct setting *setting, const char *value)
{
    return get(setting->path, setting->before, sizeof setting->before) && put(setting->path, value);
}

static void give_back(const struct setting *setting)
{
    assert_true(put(setting->path, setting->before));
}

/* ---- What must work -------------------------------------------------------------------------- */

static int child_fills(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    void *to = forkcall_buf_extend(result, LARGE);
    if (to == NULL)
        return 1;
    memset(to, 0x5a, LARGE);
    return 0;
}

static int child_writes_to_nothing(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    volatile uintptr_t nothing = 8;
    *(volatile int *)nothing = 1;
    return 0;
}

static struct forkcall_report call(enum forkcall_method method, forkcall_fn *fn, const void *args, size_t size,
                                   struct forkcall_buf *result)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
    return forkcall_run(fn, args, size, result, &options);
}

/* For bodies of host_run: says what another outcome than the wanted one was. */
static bool is(const struct forkcall_report *report, enum forkcall_status wanted)
{
    if (report->status != wanted)
        fprintf(stderr, "%s in place of %s: %s\n", forkcall_status_name(report->status), forkcall_status_name(wanted),
                report->message);
    return report->status == wanted;
}

static int answers(enum forkcall_method method)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call(method, child_answers_42, NULL, 0, &result);
    CHECK(is(&report, FORKCALL_OK));
    CHECK(result.size == sizeof(int) && *(int *)result.data == 42);
    forkcall_buf_free(&result);
    return 0;
}

static int carries_much(enum forkcall_method method)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_report report = call(method, child_fills, NULL, 0, &result);
    CHECK(is(&report, FORKCALL_OK) && result.size == LARGE);
    for (size_t i = 0; i < LARGE; i += 997)
        CHECK(((char *)result.data)[i] == 0x5a);
    char *args = malloc(LARGE);
    CHECK(args != NULL);
    memset(args, 0x33, LARGE);
    report = call(method, child_echoes, args, LARGE, &result);
    CHECK(is(&report, FORKCALL_OK) && result.size == LARGE && memcmp(result.data, args, LARGE) == 0);
    free(args);
    forkcall_buf_free(&result);
    return 0;
}

static int maps(enum forkcall_method method)
{
    enum { ITEMS = 20 };
    struct forkcall_buf results[ITEMS] = {FORKCALL_BUF_INIT};
    struct forkcall_report reports[ITEMS];
    int items[ITEMS];
    const struct forkcall_map_options options = {.call = {.method = method, .timeout_ms = PLENTY_MS},
                                                 .items_per_child = 8};
    for (int i = 0; i < ITEMS; i++)
        items[i] = i;
    const struct forkcall_report report =
        forkcall_map(child_echoes, items, sizeof *items, ITEMS, results, reports, &options);
    CHECK(is(&report, FORKCALL_OK));
    for (int i = 0; i < ITEMS; i++) {
        CHECK(results[i].size == sizeof(int) && *(int *)results[i].data == i);
        forkcall_buf_free(&results[i]);
    }
    return 0;
}

static int tells_a_crash(enum forkcall_method method)
{
    const struct forkcall_report report = call(method, child_writes_to_nothing, NULL, 0, NULL);
    CHECK(is(&report, FORKCALL_SIGNALED) && report.code == SIGSEGV);
    CHECK(report.crash.signal == SIGSEGV && report.crash.address == 8);
    CHECK(report.crash.frame_count > 0);
    return 0;
}

static int ends_a_hang(enum forkcall_method method)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = 100 * time_factor()};
    const struct forkcall_report report = forkcall_run(child_hangs, NULL, 0, NULL, &options);
    CHECK(is(&report, FORKCALL_TIMED_OUT));
    return 0;
}

/* Everything, by every method. */
static int all_is_well(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < METHODS; i++) {
        const enum forkcall_method method = methods[i];
        if (answers(method) != 0 || carries_much(method) != 0 || maps(method) != 0 || tells_a_crash(method) != 0 ||
            ends_a_hang(method) != 0) {
            fprintf(stderr, "by the method %d\n", (int)method);
            return 1;
        }
    }
    return 0;
}

/* ---- AppArmor -------------------------------------------------------------------------------- */

/* What a program with the library needs: its own files, its instances, sockets between them. The
 * one capability makes the permitted set differ from the bounding set, as exec sees it. */
static const char tight[] = "abi <kernel>,\n"
                            "profile tight {\n"
                            "  capability setuid,\n"
                            "%s"
                            "  signal peer=tight,\n"
                            "  ptrace (read, trace) peer=tight,\n"
                            "  /proc/** r,\n"
                            "  /proc/*/task/*/comm w,\n"
                            "  /sys/** r,\n"
                            "  /dev/null rw,\n"
                            "  /dev/tty* rw,\n"
                            "  /out/* w,\n"
                            "  /memfd:* rw,\n"
                            "  /{,**/}lib*/** mr,\n"
                            "  %s mr%s,\n"
                            "}\n";

static bool load_profile(const char *sockets, const char *exec)
{
    int status = -1;
    FILE *file = fopen(PROFILE, "we");
    if (file == NULL || fprintf(file, tight, sockets, program, exec) < 0 || fclose(file) != 0)
        return false;
    const pid_t pid = fork();
    if (pid == 0) {
        execl("/sbin/apparmor_parser", "apparmor_parser", "-r", "-K", "-q", PROFILE, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static const char sockets[] = "  network unix,\n";

/* In a process of its own: goes under the profile by exec, and does there what is told. */
static int run_confined(void *what)
{
    CHECK(put("/proc/self/attr/exec", "exec tight"));
    execl(program, program, (const char *)what, (char *)NULL);
    CHECK(!"exec");
    return 1;
}

static int is_confined(void)
{
    char label[256];
    CHECK(get("/proc/self/attr/current", label, sizeof label));
    CHECK(strcmp(label, "tight (enforce)") == 0);
    CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    return 0;
}

/* FORK needs nothing of this, and the others say what was refused. */
static int where_instances_are_forbidden(void)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (methods[i] == FORKCALL_FORK) {
            CHECK(answers(methods[i]) == 0);
            continue;
        }
        const struct forkcall_report report = call(methods[i], child_answers_42, NULL, 0, NULL);
        fprintf(stderr, "told: %s\n", report.message);
        CHECK(is(&report, FORKCALL_NOT_STARTED));
        CHECK(report.code == EACCES);
        CHECK(report.message[0] != '\0');
    }
    return 0;
}

static bool has_apparmor(void)
{
    char enabled[8];
    return get("/sys/module/apparmor/parameters/enabled", enabled, sizeof enabled) && enabled[0] == 'Y' &&
           access("/sbin/apparmor_parser", X_OK) == 0;
}

static void profile_that_allows_one_capability(void **state)
{
    (void)state;
    if (!has_apparmor())
        SKIP("no AppArmor here, or no apparmor_parser");
    assert_true(load_profile(sockets, "ix"));
    assert_int_equal(host_run(run_confined, "--all"), 0);
}

static void profile_that_allows_no_exec(void **state)
{
    (void)state;
    if (!has_apparmor())
        SKIP("no AppArmor here, or no apparmor_parser");
    assert_true(load_profile(sockets, ""));
    assert_int_equal(host_run(run_confined, "--forbidden"), 0);
}

static void profile_that_allows_no_socket(void **state)
{
    (void)state;
    if (!has_apparmor())
        SKIP("no AppArmor here, or no apparmor_parser");
    assert_true(load_profile("  network inet stream,\n", "ix"));
    assert_int_equal(host_run(run_confined, "--forbidden"), 0);
}

/* ---- Control groups -------------------------------------------------------------------------- */

#define GROUP "/sys/fs/cgroup/forkcall-test"

static bool enter_group(const char *file, const char *limit)
{
    char self[20];
    char path[200];
    (void)snprintf(self, sizeof self, "%d", (int)getpid());
    (void)snprintf(path, sizeof path, GROUP "/%s", file);
    return put(path, limit) && put(GROUP "/cgroup.procs", self);
}

static bool group_is_gone(void *unused)
{
    (void)unused;
    return rmdir(GROUP) == 0 || errno == ENOENT;
}

/* The host alone is in the group, and one process more is too many. */
static int with_no_process_left(void *unused)
{
    (void)unused;
    CHECK(enter_group("pids.max", "1"));
    for (size_t i = 0; i < METHODS; i++) {
        const struct forkcall_report report = call(methods[i], child_answers_42, NULL, 0, NULL);
        CHECK(is(&report, FORKCALL_NOT_STARTED));
        CHECK(report.code == EAGAIN);
    }
    CHECK(put(GROUP "/pids.max", "30"));
    return all_is_well(NULL);
}

static void group_with_few_processes(void **state)
{
    (void)state;
    if (mkdir(GROUP, 0755) < 0 || access(GROUP "/pids.max", W_OK) < 0)
        SKIP("no control group of version 2 can be given a limit of processes");
    assert_int_equal(host_run(with_no_process_left, NULL), 0);
    assert_true(wait_until(group_is_gone, NULL));
}

/* Until the kernel ends it. */
static int child_takes_all_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (size_t i = 0; i < 300; i++) {
        volatile char *memory = malloc((size_t)1 << 20);
        for (size_t at = 0; memory != NULL && at < (size_t)1 << 20; at += 4096)
            memory[at] = 1;
    }
    return 0;
}

static int with_little_memory(void *unused)
{
    (void)unused;
    CHECK(enter_group("memory.max", "100000000"));
    (void)put(GROUP "/memory.swap.max", "0");
    for (size_t i = 0; i < METHODS; i++) {
        const struct forkcall_report report = call(methods[i], child_takes_all_memory, NULL, 0, NULL);
        CHECK(is(&report, FORKCALL_SIGNALED) && report.code == SIGKILL);
        CHECK(strstr(report.message, "for lack of memory") != NULL);
        CHECK(answers(methods[i]) == 0);
    }
    return 0;
}

static void group_with_little_memory(void **state)
{
    (void)state;
    if (mkdir(GROUP, 0755) < 0 || access(GROUP "/memory.max", W_OK) < 0)
        SKIP("no control group of version 2 can be given a limit of memory");
    assert_int_equal(host_run(with_little_memory, NULL), 0);
    assert_true(wait_until(group_is_gone, NULL));
}

/* ---- Settings of the kernel ------------------------------------------------------------------ */

static int child_wants_a_tebibyte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    char *volatile memory = malloc((size_t)1 << 40);
    return memory == NULL ? 3 : 0;
}

static int where_memory_is_counted(void *unused)
{
    for (size_t i = 0; i < METHODS; i++) {
        const struct forkcall_report report = call(methods[i], child_wants_a_tebibyte, NULL, 0, NULL);
        CHECK(is(&report, FORKCALL_FAILED) && report.code == 3);
    }
    return all_is_well(unused);
}

static void strict_overcommit(void **state)
{
    struct setting ratio = {.path = "/proc/sys/vm/overcommit_ratio"};
    struct setting strict = {.path = "/proc/sys/vm/overcommit_memory"};
    (void)state;
    if (sizeof(size_t) < 8)
        SKIP("no 64 bits");
    assert_true(set(&ratio, "80") && set(&strict, "2"));
    assert_int_equal(host_run(where_memory_is_counted, NULL), 0);
    give_back(&strict);
    give_back(&ratio);
}

static void full_dev_shm(void **state)
{
    static char block[1 << 16];
    (void)state;
    assert_int_equal(mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m,mode=1777"), 0);
    const int fd = open("/dev/shm/fills-it", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        continue;
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(host_run(all_is_well, NULL), 0);
    close(fd);
    assert_int_equal(umount("/dev/shm"), 0);
}

/* More calls than there are numbers of processes: the numbers come again. */
static int with_few_numbers(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < METHODS; i++) {
        pid_t least = 0;
        bool came_again = false;
        for (int n = 0; n < 300 && !came_again; n++) {
            struct forkcall_buf result = FORKCALL_BUF_INIT;
            const struct forkcall_report report = call(methods[i], child_answers_42, NULL, 0, &result);
            CHECK(is(&report, FORKCALL_OK) && *(int *)result.data == 42);
            came_again = report.pid < least;
            least = report.pid;
            forkcall_buf_free(&result);
        }
        CHECK(came_again);
        CHECK(tells_a_crash(methods[i]) == 0 && ends_a_hang(methods[i]) == 0);
    }
    return 0;
}

static void few_process_numbers(void **state)
{
    struct setting most = {.path = "/proc/sys/kernel/pid_max"};
    (void)state;
    assert_true(set(&most, "360"));
    assert_int_equal(host_run(with_few_numbers, NULL), 0);
    give_back(&most);
}

static int user_sees_no_other_processes(void *unused)
{
    CHECK(setgroups(0, NULL) == 0 && setgid(OTHER_USER) == 0 && setuid(OTHER_USER) == 0);
    CHECK(access("/proc/1", F_OK) < 0); /* the setting holds */
    return all_is_well(unused);
}

static void proc_that_hides_processes(void **state)
{
    (void)state;
    assert_int_equal(mount("proc", "/proc", "proc", MS_REMOUNT, "hidepid=2"), 0);
    assert_int_equal(host_run(user_sees_no_other_processes, NULL), 0);
    assert_int_equal(host_run(all_is_well, NULL), 0);
    assert_int_equal(mount("proc", "/proc", "proc", MS_REMOUNT, "hidepid=0"), 0);
}

/* The last two settings cannot be taken back. */

static void no_memory_file_that_can_be_executed(void **state)
{
    (void)state;
    if (access("/proc/sys/vm/memfd_noexec", F_OK) < 0)
        SKIP("this kernel does not have vm.memfd_noexec (Linux 6.3)");
    assert_true(put("/proc/sys/vm/memfd_noexec", "2"));
    assert_int_equal(host_run(all_is_well, NULL), 0);
}

static void nobody_may_trace(void **state)
{
    (void)state;
    if (access("/proc/sys/kernel/yama/ptrace_scope", F_OK) < 0)
        SKIP("this kernel does not have Yama");
    assert_true(put("/proc/sys/kernel/yama/ptrace_scope", "3"));
    assert_int_equal(host_run(all_is_well, NULL), 0);
}

int main(int argc, char **argv)
{
    forkcall_init();
    if (argc > 1 && is_confined() != 0)
        return 2;
    if (argc > 1)
        return strcmp(argv[1], "--forbidden") == 0 ? where_instances_are_forbidden() : all_is_well(NULL);
    if (getenv("FORKCALL_TEST_IN_GUEST") == NULL || getuid() != 0) {
        puts("changes the whole system: it runs in a guest of .ci/kernels, as root");
        return NOT_HERE;
    }
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n < 0 ? 0 : n] = '\0';
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_that_allows_one_capability),
        cmocka_unit_test(profile_that_allows_no_exec),
        cmocka_unit_test(profile_that_allows_no_socket),
        cmocka_unit_test(group_with_few_processes),
        cmocka_unit_test(group_with_little_memory),
        cmocka_unit_test(strict_overcommit),
        cmocka_unit_test(full_dev_shm),
        cmocka_unit_test(few_process_numbers),
        cmocka_unit_test(proc_that_hides_processes),
        cmocka_unit_test(no_memory_file_that_can_be_executed),
        cmocka_unit_test(nobody_may_trace),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
