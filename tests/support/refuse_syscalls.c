/* Makes the kernel refuse system calls, by a filter of seccomp(2). */
#include "refuse_syscalls.h"

#include <errno.h>
#include <stddef.h>

#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#define RULE_MAX 8
#define RULES_MAX 8

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOW_HALF 4U
#else
#define LOW_HALF 0U
#endif

static uint32_t action_of(const struct refusal *refusal)
{
    return refusal->error == REFUSE_KILL ? SECCOMP_RET_KILL_PROCESS
                                         : SECCOMP_RET_ERRNO | ((uint32_t)refusal->error & SECCOMP_RET_DATA);
}

static uint32_t offset_of_argument(int argument)
{
    return (uint32_t)(offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (unsigned)argument + LOW_HALF);
}

/* Appends the rule for one refusal. If it does not apply, the filter goes on behind it. */
static int add_rule(struct sock_filter *at, const struct refusal *r)
{
    int n = 0;
    at[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    struct sock_filter *number = &at[n++];
    if (r->argument >= 0) {
        at[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_of_argument(r->argument));
        if (r->when == REFUSE_IF_BETWEEN) {
            at[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, r->a, 0, 2);
            at[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, r->b, 1, 0);
        } else {
            const unsigned char same = r->when == REFUSE_IF_MASKED_IS ? 0 : 1;
            at[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->a);
            at[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->b, same, (unsigned char)(1 - same));
        }
    }
    at[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action_of(r));
    *number = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->number, 0, (unsigned char)(n - 2));
    return n;
}

bool refuse(const struct refusal *refusals, int count)
{
    struct sock_filter filter[RULE_MAX * RULES_MAX + 1];
    unsigned short length = 0;
    if (count > RULES_MAX)
        return false;
    for (int i = 0; i < count; i++)
        length = (unsigned short)(length + add_rule(filter + length, &refusals[i]));
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = length, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
bool refuse(const struct refusal *refusals, int count)
{
    (void)refusals;
    (void)count;
    errno = ENOSYS;
    return false;
}
#endif
