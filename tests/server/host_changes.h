/* Tests of a host that changes something of itself: its server is retired, and the next call's
 * child has what the host has then. */
#ifndef HOST_CHANGES_H
#define HOST_CHANGES_H

#include "servers.h"

#define NOBODY 65534

struct change {
    int (*make)(void); /* returns 0 or NOT_HERE */
    bool threaded;     /* make() is called while another thread runs */
    /* The host can take the change back by itself: the server stays, and its child takes on what
     * the host has. */
    bool stays;
    bool loses_from_the_start; /* exec_loses holds before the change, too */
    /* An exec'ed process has fewer saved ids and capabilities than the host, never more. */
    bool exec_loses;
};

/* A body of host_run; context: a struct change. */
int check_change(void *context);

/* Compares all of struct state. */
bool child_has_what_the_host_has(enum forkcall_method method);

/* Returns 0; NOT_HERE if errno says that the system does not permit or know the change; else 1. */
int done(int r);

#define CHECK_CHANGE(...)                                   \
    do {                                                    \
        struct change change = {.make = __VA_ARGS__};       \
        const int status = host_run(check_change, &change); \
        (void)state;                                        \
        if (status == NOT_HERE)                             \
            SKIP("not permitted, or not known here");       \
        assert_int_equal(status, 0);                        \
    } while (0)

#endif
