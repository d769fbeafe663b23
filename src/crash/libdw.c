/* HOST: Opens a view of this process by libdw, for one thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_mutex_timedlock */
#endif
#include "crash/libdw.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* libdw is not thread-safe. */
static pthread_mutex_t libdw_mutex = PTHREAD_MUTEX_INITIALIZER;

/* How long a thread waits for the mutex. In a process that was forked while another thread had it,
 * it stays locked for ever, and reading a file from a dead file server may take long. */
static const time_t lock_patience_seconds = 1;

/* Finds no separate debug information, because libdw's own search ends in downloads. */
static int find_no_debuginfo(Dwfl_Module *module, void **user, const char *module_name, Dwarf_Addr base,
                             const char *file_name, const char *link_file, GElf_Word link_crc, char **found)
{
    (void)module;
    (void)user;
    (void)module_name;
    (void)base;
    (void)file_name;
    (void)link_file;
    (void)link_crc;
    (void)found;
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_linux_proc_find_elf,
    .find_debuginfo = find_no_debuginfo,
};

/* True: /proc shows this process. In another process namespace than that of /proc, this process's
 * number is another process's. */
static bool proc_shows_us(void)
{
    char link[32];
    const ssize_t length = readlink("/proc/self", link, sizeof link - 1);
    if (length <= 0)
        return false;
    link[length] = 0;
    return strtol(link, NULL, 10) == getpid();
}

static bool lock(void)
{
    struct timespec until;
    if (clock_gettime(CLOCK_REALTIME, &until) != 0)
        return false;
    until.tv_sec += lock_patience_seconds;
    return pthread_mutex_timedlock(&libdw_mutex, &until) == 0;
}

int fc_libdw_open(struct fc_libdw *view)
{
    if (!proc_shows_us())
        return -1;
    /* A thread that was cancelled in between would leave mutex, memory and descriptors behind. */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &view->cancel_state);
    if (!lock()) {
        (void)pthread_setcancelstate(view->cancel_state, NULL);
        return -1;
    }
    view->dwfl = dwfl_begin(&callbacks);
    if (view->dwfl == NULL || dwfl_linux_proc_report(view->dwfl, getpid()) != 0 ||
        dwfl_report_end(view->dwfl, NULL, NULL) != 0) {
        fc_libdw_close(view);
        return -1;
    }
    return 0;
}

void fc_libdw_close(struct fc_libdw *view)
{
    dwfl_end(view->dwfl);
    (void)pthread_mutex_unlock(&libdw_mutex);
    (void)pthread_setcancelstate(view->cancel_state, NULL);
}
