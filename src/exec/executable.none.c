/* ANY: For systems on which no way to the running executable is known. */
#include "exec/exec_self.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

void fc_executable_note(void)
{
}

bool fc_executable_is_this(void)
{
    return false;
}

void fc_executable_forget(void)
{
}

bool fc_executable_is_of_parent(void)
{
    return false;
}

bool fc_executable_is_privileged(void)
{
    return issetugid() != 0;
}

int fc_executable_get(struct fc_executable *executable)
{
    *executable = (struct fc_executable){.why = "this system does not tell the file of a program that runs"};
    return -ENOTSUP;
}

const char *fc_executable_raises(const struct fc_executable *executable)
{
    (void)executable;
    return NULL;
}
