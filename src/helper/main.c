/* SERVER, CHILD: forkcall-helper: the clean process of programs that have called
 * forkcall_use_helper(). The library starts this program, and serves calls in forkcall_init(). */
#include <forkcall.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    forkcall_init();
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        const int version = forkcall_version();
        printf("forkcall-helper (libforkcall) %d.%d.%d\n", version / 1000000, version / 1000 % 1000, version % 1000);
        return 0;
    }
    fputs("forkcall-helper is started by libforkcall, for programs that call forkcall_use_helper().\n"
          "By hand it only tells its version: forkcall-helper --version\n",
          stderr);
    return 2;
}
