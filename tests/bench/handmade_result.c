/* Large results by hand: through a pipe, and through shared memory. */
#include "handmade.h"

#include "measure.h"
#include "workload.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif
#define HUGE_PAGE ((size_t)2 << 20)
/* From this size on, making a huge page is faster than making the small pages that would be used
 * of it. */
#define HUGE_FROM ((size_t)384 << 10)

_Noreturn static void fill_and_write(int reply, size_t size, uint64_t seed)
{
    void *own = malloc(size);
    if (own == NULL)
        _exit(1);
    fill_answer(own, size, seed);
    _exit(write_whole(reply, own, size) ? 0 : 1);
}

int64_t handmade_result(void *into, size_t size, int pipe_size)
{
    const uint64_t start = clock_ns();
    int reply[2];
    if (pipe2(reply, O_CLOEXEC) != 0)
        return RUN_FAILED;
    bool good = pipe_size == 0 || fcntl(reply[1], F_SETPIPE_SZ, pipe_size) >= pipe_size;
    const pid_t child = good ? fork() : -1;
    if (child == 0)
        fill_and_write(reply[1], size, start);
    close(reply[1]);
    if (child > 0) {
        int how = 0;
        good = read_whole(reply[0], into, size);
        good = waitpid(child, &how, 0) == child && how == 0 && good;
    }
    close(reply[0]);
    good = child > 0 && good && answer_is_right(into, size, start);
    return good ? elapsed_since(start) : RUN_FAILED;
}

/* Maps the file at an address where huge pages can be used. The caller ends soon, or unmaps
 * `space` bytes at *start. */
static void *map_shared(int fd, size_t size, void **start, size_t *space)
{
    *space = size + HUGE_PAGE;
    *start = mmap(NULL, *space, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (*start == MAP_FAILED)
        return NULL;
    char *const aligned = (char *)*start + (HUGE_PAGE - (uintptr_t)*start % HUGE_PAGE) % HUGE_PAGE;
    void *const data = mmap(aligned, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}

/* Small memory is of small pages, which are made at once. */
static size_t room_for(size_t size)
{
    return size < HUGE_FROM ? size : (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static void make_pages(char *data, size_t room)
{
    /* The kernel only makes a huge page of small ones if at least one of them exists. */
    for (size_t at = 0; at + HUGE_PAGE <= room; at += HUGE_PAGE)
        ((volatile char *)data)[at] = 0;
    madvise(data, room, room < HUGE_PAGE ? MADV_POPULATE_WRITE : MADV_COLLAPSE);
}

bool handmade_fill_shared(int fd, size_t size, uint64_t seed)
{
    void *start = NULL;
    size_t space = 0;
    const size_t room = room_for(size);
    char *const data = ftruncate(fd, (off_t)room) == 0 ? map_shared(fd, room, &start, &space) : NULL;
    if (data == NULL)
        return false;
    make_pages(data, room);
    fill_answer(data, size, seed);
    return true;
}

bool handmade_shared_is_right(int fd, size_t size, uint64_t seed)
{
    void *start = NULL;
    size_t space = 0;
    const void *const data = map_shared(fd, size, &start, &space);
    const bool good = data != NULL && answer_is_right(data, size, seed);
    if (start != MAP_FAILED)
        munmap(start, space);
    return good;
}

int64_t handmade_shared_result(size_t size)
{
    const uint64_t start = clock_ns();
    const int fd = memfd_create("answer", MFD_CLOEXEC);
    if (fd < 0)
        return RUN_FAILED;
    int how = 0;
    const pid_t child = fork();
    if (child == 0)
        _exit(handmade_fill_shared(fd, size, start) ? 0 : 1);
    const bool good =
        child > 0 && waitpid(child, &how, 0) == child && how == 0 && handmade_shared_is_right(fd, size, start);
    close(fd);
    return good ? elapsed_since(start) : RUN_FAILED;
}

void *handmade_kept_memory(size_t size)
{
    void *start = NULL;
    size_t space = 0;
    const size_t room = room_for(size);
    const int fd = memfd_create("answers", MFD_CLOEXEC);
    char *const data = fd >= 0 && ftruncate(fd, (off_t)room) == 0 ? map_shared(fd, room, &start, &space) : NULL;
    if (data != NULL)
        make_pages(data, room);
    if (fd >= 0)
        close(fd);
    return data;
}

int64_t handmade_kept_result(void *memory, size_t size)
{
    const uint64_t start = clock_ns();
    int how = 0;
    const pid_t child = fork();
    if (child == 0) {
        fill_answer(memory, size, start);
        _exit(0);
    }
    const bool good = child > 0 && waitpid(child, &how, 0) == child && how == 0 && answer_is_right(memory, size, start);
    return good ? elapsed_since(start) : RUN_FAILED;
}
