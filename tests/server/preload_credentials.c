/* A library for LD_PRELOAD that shows a program other rights than it has, as tools and security
 * modules do. FALSE_CREDENTIALS=root: the user is 0, as under fakeroot(1).
 * FALSE_CREDENTIALS=capabilities: capget(2) shows CAP_SETUID at most, but the kernel's other
 * answers are not reduced, as under an AppArmor profile. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef long syscall_fn(long number, ...);

static bool does(const char *what)
{
    const char *value = getenv("FALSE_CREDENTIALS");
    return value != NULL && strcmp(value, what) == 0;
}

static syscall_fn *real(void)
{
    static void *found;
    syscall_fn *fn;
    if (found == NULL)
        found = dlsym(RTLD_NEXT, "syscall");
    memcpy(&fn, &found, sizeof fn);
    return fn;
}

long syscall(long sysno, ...)
{
    long a[6];
    va_list list;
    va_start(list, sysno);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    const long r = real()(sysno, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (sysno == SYS_capget && r == 0 && a[1] != 0 && does("capabilities")) {
        uint32_t sets[6];
        memcpy(sets, (void *)a[1], sizeof sets); // NOLINT(performance-no-int-to-ptr): an address, as a number
        for (int i = 0; i < 6; i++)
            sets[i] &= i < 2 ? 1U << 7 : 0;
        memcpy((void *)a[1], sets, sizeof sets); // NOLINT(performance-no-int-to-ptr): an address, as a number
    }
    return r;
}

static uid_t user(long number)
{
    return does("root") ? 0 : (uid_t)real()(number);
}

uid_t getuid(void)
{
    return user(SYS_getuid);
}

uid_t geteuid(void)
{
    return user(SYS_geteuid);
}

gid_t getgid(void)
{
    return user(SYS_getgid);
}

gid_t getegid(void)
{
    return user(SYS_getegid);
}
