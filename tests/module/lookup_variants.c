/* Tests that a program, linked in one of several ways, finds a static function of its own in a new
 * process of the same program, even if its file has been deleted. Argument: the kind of identity
 * that the program must have. */
#include "exec_lookup.h"
#include "not_here.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int answers_42(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 42;
}

static forkcall_fn *volatile function = answers_42;

static bool find_in_copy(unsigned long kind)
{
    struct fc_module_function name;
    struct answer answer;
    const int r = fc_module_name(function, &name);
    if (r != 0) {
        printf("no name: %d\n", r);
        return false;
    }
    printf("function at %p, offset 0x%llx, identity of kind %u\n", (void *)(uintptr_t)function,
           (unsigned long long)name.offset, (unsigned)name.id.kind);
    if (!name.is_program || name.id.kind != kind || name.path_size != 1 || !lookup_ask(&name, NULL, &answer))
        return false;
    printf("the copy: %d, %d %s\n", (int)answer.result, (int)answer.value, answer.why);
    name.id.bytes[name.id.size - 1] ^= 1;
    struct answer refusal;
    return answer.result == 0 && answer.value == 42 && lookup_ask(&name, NULL, &refusal) && refusal.result != 0 &&
           strcmp(refusal.why, "the program is another build in the new process than in the caller") == 0;
}

/* Runs a copy of the program's file, which deletes this file first. */
static bool run_deleted(const char *kind)
{
    char directory[] = "/tmp/forkcall-variant-XXXXXX";
    char path[64];
    int status = -1;
    if (mkdtemp(directory) == NULL)
        return false;
    snprintf(path, sizeof path, "%s/program", directory);
    if (copy_file("/proc/self/exe", path)) {
        fflush(NULL);
        const pid_t pid = fork();
        if (pid == 0) {
            execl(path, path, kind, "delete", (char *)NULL);
            _exit(99);
        }
        if (waitpid(pid, &status, 0) != pid)
            status = -1;
    }
    unlink(path);
    rmdir(directory);
    return status == 0;
}

int main(int argc, char **argv)
{
    lookup_serve(argc, argv);
    if (argc < 2)
        return 2;
    if (getenv("FORKCALL_TEST_EMULATOR") != NULL) {
        printf("skipped: the emulator does not exec the program's own image\n");
        return NOT_HERE;
    }
    if (argc > 2 && unlink(argv[0]) != 0)
        return 3;
    if (!find_in_copy(strtoul(argv[1], NULL, 10)))
        return 1;
    if (argc == 2 && !run_deleted(argv[1])) {
        printf("not with its file deleted\n");
        return 1;
    }
    return 0;
}
