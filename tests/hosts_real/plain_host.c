/* A C program that calls forkcall_init(), to be run in a sandbox: plain_host HELPER */
#include "real_host.h"

#include <stdio.h>
#include <string.h>

static int wrong(const char *said)
{
    if (strcmp(said, "ok") == 0)
        return 0;
    fprintf(stderr, "%s\n", said);
    return 1;
}

int main(int argc, char **argv)
{
    forkcall_init();
    return argc < 2 || wrong(real_host_begin(argv[1])) || wrong(real_host_calls()) || wrong(real_host_end());
}
