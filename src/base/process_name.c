/* ANY: Gives the process the name that ps(1) shows. */
#include "base/process_name.h"

#include "config.h"

#ifdef HAVE_PR_SET_NAME

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#define NAME_SIZE 16 /* TASK_COMM_LEN, with the terminating 0 */

static char name[NAME_SIZE];

void fc_process_make_name(const char *role)
{
    size_t room = sizeof name - 2 - strlen(role);
    const char *own = program_invocation_short_name;
    if (strlen(own) > room)
        /* A character of UTF-8 is not cut. */
        while (room > 0 && ((unsigned char)own[room] & 0xc0) == 0x80)
            room--;
    snprintf(name, sizeof name, "%.*s:%s", (int)room, own, role);
}

void fc_process_set_made_name(void)
{
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

#else /* such a system names a process after its executable */

void fc_process_make_name(const char *role)
{
    (void)role;
}

void fc_process_set_made_name(void)
{
}

#endif

void fc_process_set_name(const char *role)
{
    fc_process_make_name(role);
    fc_process_set_made_name();
}
