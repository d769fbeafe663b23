#include "made_up_groups.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree[] = "/tmp/forkcall-groups-XXXXXX";

const char *groups_tree(void)
{
    return tree;
}

int groups_make_tree(void **state)
{
    (void)state;
    memcpy(tree + sizeof tree - sizeof "XXXXXX", "XXXXXX", sizeof "XXXXXX");
    return mkdtemp(tree) == NULL ? -1 : 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

int groups_remove_tree(void **state)
{
    (void)state;
    return nftw(tree, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void groups_put(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", tree, path);
    for (char *slash = strchr(whole + strlen(tree) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void groups_put_process(const char *of_process, const char *mounts)
{
    groups_put("/proc/self/cgroup", of_process);
    groups_put("/proc/self/mountinfo", mounts);
}

bool groups_put_real(const char *directory, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return written;
}
