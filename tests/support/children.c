/* Memory that the tests, their hosts and the children of every method share. */
#include "children.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The environment variable with the path of the shared file. A child that does not share the test's
 * memory, by SERVER or SPAWN, opens the file by this path. */
#define NAME "FORKCALL_TEST_SHARED_MEMORY"

static void *memory;

static void *map_by_name(void)
{
    const char *name = getenv(NAME);
    const int fd = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return MAP_FAILED;
    void *mapped = mmap(NULL, SHARED_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped;
}

void *shared_memory(void)
{
    if (memory != NULL)
        return memory;
    void *mapped = map_by_name();
    if (mapped == MAP_FAILED) {
        fputs("the tests' shared memory cannot be mapped\n", stderr);
        _exit(90);
    }
    memory = mapped;
    return memory;
}

void clear_shared_memory(void)
{
    memset(shared_memory(), 0, SHARED_MEMORY_SIZE);
}

int set_up_group(void **state)
{
    char name[] = "/tmp/forkcall-test-XXXXXX";
    (void)state;
    const int fd = mkstemp(name);
    if (fd < 0)
        return -1;
    const bool made = ftruncate(fd, SHARED_MEMORY_SIZE) == 0 && setenv(NAME, name, 1) == 0;
    close(fd);
    if (made)
        shared_memory();
    else
        unlink(name);
    return made ? 0 : -1;
}

int set_up_test(void **state)
{
    (void)state;
    clear_shared_memory();
    return warm_up() ? 0 : -1;
}

int tear_down_group(void **state)
{
    const char *name = getenv(NAME);
    (void)state;
    return name == NULL ? -1 : unlink(name);
}

bool is_set(void *flag)
{
    return atomic_load((atomic_int *)flag) != 0;
}

int short_timeout_ms(void)
{
    return tested_method() == FORKCALL_SERVER ? 500 : 10;
}
