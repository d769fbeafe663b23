/* Functions that warn or refuse in a forked child, as macOS's CoreFoundation does. */
#include "cfguard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char first_line[] =
    "The process has forked and you cannot use this CoreFoundation functionality safely. You MUST exec().\n";
static const char second_line[] =
    "Break on __THE_PROCESS_HAS_FORKED_AND_YOU_CANNOT_USE_THIS_COREFOUNDATION_FUNCTIONALITY___YOU_MUST_EXEC__() to "
    "debug.\n";

static atomic_bool used, forked;

static void mark_child(void)
{
    if (atomic_load(&used))
        atomic_store(&forked, true);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, mark_child);
}

static void write_line(const char *line)
{
    const ssize_t n = write(2, line, strlen(line));
    (void)n; /* the warning has no other way */
}

/* Called at the beginning of each guarded function. Notes the use. True: the process is marked. */
static bool trips(void)
{
    atomic_store(&used, true);
    if (!atomic_load(&forked))
        return false;
    write_line(first_line);
    write_line(second_line);
    return true;
}

struct cfguard_run_loop *cfguard_run_loop_main(void)
{
    static struct cfguard_run_loop loop;
    trips();
    loop.turns++;
    return &loop;
}

struct cfguard_port *cfguard_port_new(int number)
{
    if (trips())
        return NULL;
    struct cfguard_port *port = malloc(sizeof *port);
    if (port != NULL)
        port->number = number;
    return port;
}

void cfguard_port_free(struct cfguard_port *port)
{
    free(port);
}

int cfguard_string_length(const char *text)
{
    return (int)strlen(text);
}
