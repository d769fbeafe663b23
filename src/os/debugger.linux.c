/* HOST: Linux: /proc tells who traces a process. */
#include "os/debugger.h"

#include "base/small_file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_MAX 2048 /* the tracer stands in the first lines */
/* Of /proc/PID/stat, behind the name of the program, which may hold anything: proc_pid_stat(5). */
#define FIELDS_BEFORE_START 19

/* False: there is no such file. */
static bool read_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    return fc_small_file_read(path, text, size);
}

/* 0: nobody. */
static pid_t tracer_of(pid_t pid)
{
    static const char label[] = "\nTracerPid:";
    char status[STATUS_MAX];
    const char *line = read_file(pid, "status", status, sizeof status) ? strstr(status, label) : NULL;
    return line == NULL ? 0 : (pid_t)strtol(line + sizeof label - 1, NULL, 10);
}

static bool is_debugger(pid_t pid)
{
    char name[64];
    return read_file(pid, "comm", name, sizeof name) &&
           (strstr(name, "gdb") != NULL || strstr(name, "lldb") != NULL || strcmp(name, "rr\n") == 0);
}

/* When a process was started, in ticks since the system was; UINT64_MAX: not known. */
static uint64_t start_of(pid_t pid)
{
    char stat[1024];
    const char *field = read_file(pid, "stat", stat, sizeof stat) ? strrchr(stat, ')') : NULL;
    for (int i = 0; i <= FIELDS_BEFORE_START && field != NULL; i++)
        field = strchr(field + 1, ' ');
    return field == NULL ? UINT64_MAX : strtoull(field, NULL, 10);
}

bool fc_debugger_is_attached(pid_t child)
{
    const pid_t own = tracer_of(getpid());
    if (own != 0 && is_debugger(own))
        return true;
    const pid_t of_child = child > 0 ? tracer_of(child) : 0;
    if (of_child == 0 || !is_debugger(of_child))
        return false;
    /* Not a process that a child has left behind to trace the next one. */
    const uint64_t start = start_of(getpid());
    return start != UINT64_MAX && start_of(of_child) < start;
}
