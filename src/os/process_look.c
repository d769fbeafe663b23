/* HOST: Looks at a thread of a process by /proc/PID/task/TID/status (proc(5) of Linux), where there
 * is such a file and it can be read. No other file of a process is read: the kernel takes a lock
 * for /proc/PID/syscall that a process holds while it execs, which may be for ever (it closes a
 * file of a dead server). */
#include "os/process_look.h"

#include "base/small_file.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands behind the name of a line; NULL: there is no such line. */
static const char *find(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line == NULL ? NULL : line + strlen(name) + strspn(line + strlen(name), " \t");
}

static bool has_signal(const char *text, const char *name, int signal)
{
    const char *mask = find(text, name);
    return mask != NULL && signal <= 64 && (strtoull(mask, NULL, 16) >> (signal - 1) & 1) != 0;
}

struct fc_process_look fc_process_look_at_thread(pid_t pid, long thread, int signal)
{
    struct fc_process_look look = {.state = 0};
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%ld/task/%ld/status", (long)pid, thread);
    if (!fc_small_file_read(path, text, sizeof text))
        return look;
    const char *state = find(text, "\nState:");
    const char *threads = find(text, "\nThreads:");
    if (state == NULL || threads == NULL || strstr(text, "\nSigCgt:") == NULL)
        return look;
    look.state = *state;
    look.threads = (unsigned)strtoul(threads, NULL, 10);
    look.catches = has_signal(text, "\nSigCgt:", signal);
    look.blocks = has_signal(text, "\nSigBlk:", signal);
    return look;
}

struct fc_process_look fc_process_look_at(const struct fc_process *process, int signal)
{
    static const struct fc_process_look nothing = {.state = 0};
    const struct fc_process_look look = fc_process_look_at_thread(process->pid, process->pid, signal);
    /* As long as it has not ended, its number is its own. */
    return fc_process_is_over(process) ? nothing : look;
}
