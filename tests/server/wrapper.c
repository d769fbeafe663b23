/* Helper program: starts another program, as tools do that wrap exec. Arguments: letters, the path
 * of the program, and the program's arguments without its name. The letters:
 *   c   closes the descriptors above 2
 *   e   clears the environment, except for what the wrapper and its libraries need
 *   m   unblocks all signals
 *   f   runs the program in a child, and ends as the child ends
 * Without f, the program is exec'ed in this process. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void clear_environment(void)
{
    static char *kept[8];
    size_t count = 0;
    for (char **entry = environ; *entry != NULL && count < 7; entry++)
        if (strncmp(*entry, "LD_", 3) == 0 || strncmp(*entry, "EXEC_", 5) == 0)
            kept[count++] = *entry;
    environ = kept;
}

int main(int argc, char **argv)
{
    int status = -1;
    sigset_t none;
    if (argc < 3)
        return 90;
    for (int fd = 3; strchr(argv[1], 'c') != NULL && fd < 1024; fd++)
        close(fd);
    if (strchr(argv[1], 'e') != NULL)
        clear_environment();
    sigemptyset(&none);
    if (strchr(argv[1], 'm') != NULL)
        sigprocmask(SIG_SETMASK, &none, NULL);
    const pid_t pid = strchr(argv[1], 'f') != NULL ? fork() : 0;
    if (pid == 0) {
        execv(argv[2], argv + 2);
        _exit(91);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 92;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 93;
}
