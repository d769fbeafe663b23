/* Tests which files the host opens where a child tells of modules that only the child has loaded:
 * none that may keep it waiting, or that a child can have written.
 *
 * SPDX-License-Identifier: MIT */
#include "config.h"

#include "foreign_files.h"
#include "support.h"

#include "module/foreign_file.h"
#include "module/path_status.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int opens_in_its_root(void *unused)
{
    char proc[sizeof folder + 32];
    (void)unused;
    (void)snprintf(proc, sizeof proc, "%s", path_of("proc"));
    const uint64_t inode = inode_of(make_file("module", 0644));
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mkdir(proc, 0700) < 0 ||
        mount("/proc", proc, NULL, MS_BIND | MS_REC, NULL) < 0)
        return NOT_HERE;
    CHECK(chroot(folder) == 0 && chdir("/") == 0);
    CHECK(opens("/module", inode));
    CHECK(!opens("/module", inode + 1));
    return 0;
}

/* The list of mounts lacks the one that the folder lies in. */
static void file_in_a_folder_that_became_the_root_is_opened(void **state)
{
    (void)state;
    skip_if_nothing_is_opened();
    const int status = host_run(opens_in_its_root, NULL);
    (void)rmdir(path_of("proc"));
    if (status == NOT_HERE)
        SKIP("only root can change the root");
    assert_int_equal(status, 0);
}

static void file_that_a_child_may_have_written_is_not_opened(void **state)
{
    (void)state;
    skip_if_nothing_is_opened();
    const char *path = make_file("young", 0644);
    fc_foreign_believed_before = (int64_t)time(NULL) - 1;
    assert_false(opens(path, inode_of(path)));
    fc_foreign_believed_before += 1000;
    assert_true(opens(path, inode_of(path)));
    path = make_file("everybody's", 0646);
    assert_false(opens(path, inode_of(path)));
    path = make_file("another's", 0644);
    if (chown(path, 12345, (gid_t)-1) < 0)
        SKIP("giving a file away needs root");
    assert_false(opens(path, inode_of(path)));
}

static void other_file_than_the_child_has_mapped_is_not_opened(void **state)
{
    (void)state;
    skip_if_nothing_is_opened();
    const char *path = make_file("replaced", 0644);
    assert_false(opens(path, inode_of(path) + 1));
    assert_false(opens("", 0));
    assert_false(opens(path_of("missing"), 1));
}

static void only_a_plain_file_is_opened(void **state)
{
    char target[sizeof folder + 32];
    (void)state;
    skip_if_nothing_is_opened();
    assert_false(opens(folder, inode_of(folder)));
    assert_int_equal(mkfifo(path_of("fifo"), 0644), 0);
    assert_false(opens(path_of("fifo"), inode_of(path_of("fifo"))));
    assert_false(opens("/dev/null", inode_of("/dev/null")));
    (void)snprintf(target, sizeof target, "%s", make_file("target", 0644));
    assert_int_equal(symlink(target, path_of("link")), 0);
    assert_false(opens(path_of("link"), inode_of(target)));
    assert_false(opens(path_of("link"), inode_of(path_of("link"))));
}

/* True: a line of /proc/mounts has that text. */
static bool is_mounted(const char *text)
{
    char line[4096];
    bool found = false;
    FILE *mounts = fopen("/proc/mounts", "re");
    while (mounts != NULL && !found && fgets(line, sizeof line, mounts) != NULL)
        found = strstr(line, text) != NULL;
    if (mounts != NULL)
        (void)fclose(mounts);
    return found;
}

/* /dev stands for the file systems that another process or machine answers for. */
static void file_system_that_may_not_answer_is_not_opened(void **state)
{
    static const char path[] = "/dev/forkcall-test-foreign";
    (void)state;
    skip_if_nothing_is_opened();
    if (geteuid() != 0 || !is_mounted("/dev devtmpfs "))
        SKIP("a file in a file system of the kernel's own needs root, and a /dev of the kernel's");
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
    const bool is_opened = opens(path, inode_of(path));
    unlink(path);
    assert_false(is_opened);
}

/* Its time of change does not tell of a child that has mapped the file and written there. */
static void file_in_memory_is_not_opened(void **state)
{
    char path[] = "/dev/shm/forkcall-foreign-XXXXXX";
    (void)state;
    skip_if_nothing_is_opened();
    const int fd = is_mounted(" /dev/shm tmpfs ") ? mkstemp(path) : -1;
    if (fd < 0)
        SKIP("/dev/shm is not in memory, or may not be written to");
    const bool is_opened = fchmod(fd, 0644) < 0 || opens(path, inode_of(path));
    close(fd);
    unlink(path);
    assert_false(is_opened);
}

/* ---- Paths ----------------------------------------------------------------------------------- */

static void mount_point_is_read_with_its_escapes(void **state)
{
    char path[] = "/mnt/my"; /* on the stack, so that a sanitizer sees a step over the end */
    (void)state;
    assert_false(fc_path_leads_through(path, "/mnt/my\\040big\\040disk - "));
    assert_true(fc_path_leads_through("/mnt/my big disk/x.so", "/mnt/my\\040big\\040disk rw - "));
    assert_false(fc_path_leads_through("/mnt/my_big disk/x.so", "/mnt/my\\040big\\040disk rw - "));
    assert_false(fc_path_leads_through("/mnt/my big disk2/x.so", "/mnt/my\\040big\\040disk rw - "));
    assert_true(fc_path_leads_through("/mnt/a\\b", "/mnt/a\\134b"));
    assert_false(fc_path_leads_through("/mnt/a", "/mnt/a\\"));
    assert_false(fc_path_leads_through("/mnt/a", "/mnt/a\\04"));
    assert_false(fc_path_leads_through("", "/mnt"));
    assert_true(fc_path_leads_through(path, "/ rw - "));
    assert_true(fc_path_leads_through(path, "/mnt rw - "));
    assert_true(fc_path_leads_through(path, "/mnt/my"));
}

/* The walk finds what stat(2) finds. */
static void walk_ends_where_the_path_leads(void **state)
{
    char target[sizeof folder + 32], through[sizeof folder + 64];
    struct stat status;
    (void)state;
    (void)snprintf(target, sizeof target, "%s", make_file("target", 0644));
    assert_int_equal(symlink("../tmp/./", path_of("link")), 0);
    assert_int_equal(fc_path_walk(target, 0, 0, &status), 0);
    assert_true(status.st_ino == inode_of(target) && S_ISREG(status.st_mode) && status.st_size == 8);
    (void)snprintf(through, sizeof through, "%s/../.%s/%s", folder, folder + 4, "link");
    assert_int_equal(fc_path_walk(through, 0, 0, &status), -ELOOP);
    assert_int_equal(unlink(path_of("link")), 0);
    assert_int_equal(symlink(folder, path_of("link")), 0);
    (void)snprintf(through, sizeof through, "%s/../.%s/%s", folder, folder + 4, "link//link/./target");
    assert_int_equal(fc_path_walk(through, 0, 0, &status), -ELOOP);
    assert_int_equal(fc_path_walk(through, FC_PATH_FOLLOW, 0, &status), 0);
    assert_true(status.st_ino == inode_of(target));
    assert_int_equal(fc_path_status(through, 0, &status), 0);
    assert_true(status.st_ino == inode_of(target));
    assert_int_equal(unlink(path_of("link")), 0);
    assert_int_equal(symlink("link", path_of("link")), 0);
    assert_int_equal(fc_path_walk(through, FC_PATH_FOLLOW, 0, &status), -ELOOP);
    assert_int_equal(unlink(path_of("link")), 0);
    assert_int_equal(fc_path_walk(through, FC_PATH_FOLLOW, 0, &status), -ENOENT);
    assert_int_equal(fc_path_status(through, 0, &status), -ENOENT);
    assert_int_equal(fc_path_walk("relative", FC_PATH_FOLLOW, 0, &status), -ENOENT);
    char slashes[2000 + sizeof folder + 32];
    memset(slashes, '/', 2000);
    (void)snprintf(slashes + 2000, sizeof slashes - 2000, "%s", target);
    assert_int_equal(fc_path_walk(slashes, 0, 0, &status), 0);
    assert_true(status.st_ino == inode_of(target));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(file_in_a_folder_that_became_the_root_is_opened, begin_in_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(file_that_a_child_may_have_written_is_not_opened, begin_in_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(other_file_than_the_child_has_mapped_is_not_opened, begin_in_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(only_a_plain_file_is_opened, begin_in_folder, remove_folder),
        cmocka_unit_test_setup_teardown(file_system_that_may_not_answer_is_not_opened, begin_in_folder, remove_folder),
        cmocka_unit_test_setup_teardown(file_in_memory_is_not_opened, begin_in_folder, remove_folder),
        cmocka_unit_test(mount_point_is_read_with_its_escapes),
        cmocka_unit_test_setup_teardown(walk_ends_where_the_path_leads, begin_in_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
