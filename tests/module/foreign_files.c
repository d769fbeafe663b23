/* Makes files that a child may tell of, and tells the host of them as a child would. */
#include "foreign_files.h"

#include "module/foreign_file.h"
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char folder[sizeof FOLDER];

int begin_in_folder(void **state)
{
    (void)state;
    fc_foreign_believed_before = (int64_t)time(NULL) + 1000;
    memcpy(folder, FOLDER, sizeof folder);
    return mkdtemp(folder) == NULL ? -1 : 0;
}

int remove_folder(void **state)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    (void)state;
    if (directory == NULL)
        return -1;
    while ((entry = readdir(directory)) != NULL) // NOLINT(concurrency-mt-unsafe): each has its own
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    (void)closedir(directory);
    return rmdir(folder);
}

const char *path_of(const char *name)
{
    static char paths[2][sizeof folder + 32];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* The module of a file as a child tells of it. */
static struct fc_foreign foreign(const char *path, uint64_t inode)
{
    struct fc_foreign module = {.file = {.start = 0x1000, .end = 0x2000, .inode = inode}};
    (void)snprintf(module.file.path, sizeof module.file.path, "%s", path);
    return module;
}

bool opens(const char *path, uint64_t inode)
{
    const struct fc_foreign module = foreign(path, inode);
    const int fd = fc_foreign_open(&module);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

uint64_t inode_of(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}

const char *make_file(const char *name, mode_t mode)
{
    const char *path = path_of(name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a module", 8), 8);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

void skip_if_nothing_is_opened(void)
{
    const char *path = make_file("believed", 0644);
    if (!opens(path, inode_of(path)))
        SKIP("this system cannot look a path up without waiting, or /tmp is not on a disk of this machine's");
}
