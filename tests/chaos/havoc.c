/* Kills, stops and continues the host's processes from outside. */
#include "havoc.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES_MAX 4096
#define STOPPED_MAX 32

struct process {
    pid_t pid, parent;
};

/* Finds the parent of a process. False: there is no such process any more. */
static bool find_parent(long pid, pid_t *parent)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    /* A line looks like "7 (name) S 1 …". */
    const char *name_end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    fclose(file);
    if (name_end == NULL || strlen(name_end) < sizeof ") S 1" - 1)
        return false;
    *parent = (pid_t)strtol(name_end + sizeof ") S " - 1, NULL, 10);
    return true;
}

static int list_processes(struct process *list, int max)
{
    int count = 0;
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return 0;
    for (const struct dirent *entry = readdir(proc); entry != NULL && count < max; entry = readdir(proc)) {
        const long pid = strtol(entry->d_name, NULL, 10);
        pid_t parent;
        if (pid > 0 && find_parent(pid, &parent))
            list[count++] = (struct process){(pid_t)pid, parent};
    }
    closedir(proc);
    return count;
}

static bool descends(const struct process *all, int count, pid_t pid, pid_t from)
{
    for (int depth = 0; depth < 20; depth++) {
        pid_t parent = 0;
        for (int i = 0; i < count && parent == 0; i++)
            if (all[i].pid == pid)
                parent = all[i].parent;
        if (parent == from)
            return true;
        if (parent <= 1)
            return false;
        pid = parent;
    }
    return false;
}

int havoc_list(pid_t host, pid_t *list, int max)
{
    static struct process all[PROCESSES_MAX];
    const int count = list_processes(all, PROCESSES_MAX);
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (all[i].pid == host || !descends(all, count, all[i].pid, getpid()))
            continue;
        if (found < max)
            list[found] = all[i].pid;
        found++;
    }
    return found;
}

/* ---- Single disturbances --------------------------------------------------------------------- */

static struct stopped {
    pid_t pid;
    uint64_t until_ns;
} stopped[STOPPED_MAX];

static void stop(pid_t pid, uint64_t for_ns)
{
    for (int i = 0; i < STOPPED_MAX; i++) {
        if (stopped[i].pid != 0)
            continue;
        stopped[i] = (struct stopped){pid, now_ns() + for_ns};
        kill(pid, SIGSTOP);
        return;
    }
}

static void continue_those_due(uint64_t at_ns)
{
    for (int i = 0; i < STOPPED_MAX; i++) {
        if (stopped[i].pid == 0 || stopped[i].until_ns > at_ns)
            continue;
        kill(stopped[i].pid, SIGCONT);
        stopped[i].pid = 0;
    }
}

void havoc_once(struct board *board, pid_t host, uint64_t *random)
{
    pid_t list[64];
    continue_those_due(now_ns());
    const int count = havoc_list(host, list, 64);
    const uint32_t deed = draw(random, 100);
    if (count == 0 || deed >= 80)
        return;
    const pid_t victim = list[draw(random, (uint32_t)(count < 64 ? count : 64))];
    if (deed < 45)
        kill(victim, SIGKILL);
    else
        stop(victim, deed == 79 ? 7000000000U : (uint64_t)draw(random, 300) * 1000000U);
    atomic_fetch_add(&board->havocs, 1);
}

void havoc_end(void)
{
    continue_those_due(UINT64_MAX);
}
