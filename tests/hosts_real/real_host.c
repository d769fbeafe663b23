#include "time_factor.h"

#include "real_host.h"

#include <forkcall.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLENTY_MS (60000 * time_factor())
#define SHORT_MS 100
#define POLLS 1000
#define POLL_US 10000

static _Thread_local char wrong[1024];
static int descriptors; /* that the host had at the beginning */

static int doubles(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int answer = 2 * *(const int *)args;
    (void)args_size;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

static int reads_nothing(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, (const void *)(uintptr_t)8, 1);
}

int real_host_never_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (;;)
        pause();
    return 1;
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *list = opendir("/proc/self/fd");
    if (list == NULL)
        return -1;
    while (readdir(list) != NULL) // NOLINT(concurrency-mt-unsafe): a list of its own
        n++;
    closedir(list);
    return n;
}

/* True: a process of forkcall-helper is a child of this process. The host's own children come and
 * go. */
static bool has_child_of_the_library(void)
{
    char path[64], status[512];
    bool found = false;
    DIR *list = opendir("/proc");
    const struct dirent *entry;
    while (list != NULL && !found && (entry = readdir(list)) != NULL) { // NOLINT(concurrency-mt-unsafe): its own
        int parent = -1;
        snprintf(path, sizeof path, "/proc/%.20s/status", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue;
        status[fread(status, 1, sizeof status - 1, file)] = '\0';
        fclose(file);
        const char *line = strstr(status, "\nPPid:");
        if (line != NULL)
            parent = (int)strtol(line + 6, NULL, 10);
        found = parent == getpid() && strncmp(status, "Name:\tforkcall", 14) == 0;
    }
    if (list != NULL)
        closedir(list);
    return found;
}

static const char *unexpected(const char *what, const struct forkcall_report *report)
{
    snprintf(wrong, sizeof wrong, "%s: %s by method %d: %s", what, forkcall_status_name(report->status),
             (int)report->method, report->message);
    return wrong;
}

/* NULL: right. */
static const char *answer(int number)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    int result = -1;
    struct forkcall_buf buf = forkcall_buf_fixed(&result, sizeof result);
    const struct forkcall_report report = forkcall_run(doubles, &number, sizeof number, &buf, &options);
    if (report.status != FORKCALL_OK || result != 2 * number || report.method == FORKCALL_FORK)
        return unexpected("an answer", &report);
    return NULL;
}

static const char *crash(void)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    char text[4096];
    const struct forkcall_report report = forkcall_run(reads_nothing, NULL, 0, &buf, &options);
    forkcall_buf_free(&buf);
    if (report.status != FORKCALL_SIGNALED || forkcall_explain(&report, text, sizeof text) < 0)
        return unexpected("a crash", &report);
    if (strstr(text, "reads_nothing") != NULL)
        return NULL;
    snprintf(wrong, sizeof wrong, "the explanation of a crash lacks reads_nothing: %.800s", text);
    return wrong;
}

static const char *hang(void)
{
    const struct forkcall_options options = {.timeout_ms = SHORT_MS};
    const struct forkcall_report report = forkcall_run(real_host_never_ends, NULL, 0, NULL, &options);
    return report.status == FORKCALL_TIMED_OUT ? NULL : unexpected("a hang", &report);
}

const char *real_host_begin(const char *helper)
{
    descriptors = count_descriptors();
    const int r = forkcall_use_helper(helper);
    if (r == 0)
        return "ok";
    snprintf(wrong, sizeof wrong, "forkcall_use_helper(%s): %s", helper, strerror(-r));
    return wrong;
}

const char *real_host_calls(void)
{
    const char *what = crash();
    if (what == NULL)
        what = hang();
    for (int i = 0; i <= REAL_HOST_CALLS && what == NULL; i++)
        what = answer(i);
    return what != NULL ? what : "ok";
}

const char *real_host_end(void)
{
    int now = -1;
    if (forkcall_server_stop() != 0)
        return "forkcall_server_stop failed";
    for (int i = 0; i < POLLS; i++) {
        now = count_descriptors();
        if (now <= descriptors && !has_child_of_the_library())
            return "ok";
        usleep(POLL_US);
    }
    snprintf(wrong, sizeof wrong, "left behind: %d descriptors, %d at the beginning; a child: %s", now, descriptors,
             has_child_of_the_library() ? "yes" : "no");
    return wrong;
}
