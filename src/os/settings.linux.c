/* ANY: Linux: Uses system calls alone, all of which concern the calling thread. Settings that only
 * have a file in /proc (oom_score_adj, coredump_filter, the cgroup) would cost more than all of
 * these. */
#include "os/settings.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESET_ON_FORK 1U   /* SCHED_FLAG_RESET_ON_FORK */
#define POLICY_NORMAL 0U   /* SCHED_OTHER */
#define POLICY_DEADLINE 6U /* a fork has not this policy: fork(2) fails, or resets it */
#define IO_OF_PROCESS 1    /* IOPRIO_WHO_PROCESS */
#define ASK_PERSONALITY 0xffffffffUL
#define GET_THP_DISABLE 42 /* Linux 3.15 */
#define SET_THP_DISABLE 41
#define NODES 128UL /* as many as memory_nodes has room for */

/* struct sched_attr, which most C libraries do not have (sched_getattr(2), Linux 3.14). */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static void take_scheduling(struct fc_settings *s)
{
    struct scheduling now;
    memset(&now, 0, sizeof now);
    if (syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) < 0)
        return;
    s->policy = now.policy;
    s->priority = now.priority;
    s->nice = now.nice;
    if ((now.flags & RESET_ON_FORK) == 0 && now.policy != POLICY_DEADLINE)
        return;
    s->policy = now.priority > 0 || now.policy == POLICY_DEADLINE ? POLICY_NORMAL : now.policy;
    s->priority = 0;
    s->nice = now.nice < 0 || s->policy != now.policy ? 0 : now.nice;
}

static void set_scheduling(const struct fc_settings *s)
{
    struct scheduling wanted = {.size = sizeof wanted, .policy = s->policy, .nice = s->nice, .priority = s->priority};
    syscall(SYS_sched_setattr, 0, &wanted, 0);
}

bool fc_settings_is_secret(void)
{
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1;
}

/* Fills in what another process can change. */
static void take_changeable(struct fc_settings *s)
{
    take_scheduling(s);
    s->io_priority = (int32_t)syscall(SYS_ioprio_get, IO_OF_PROCESS, 0);
    s->timer_slack_ns = (int32_t)prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    const long size = syscall(SYS_sched_getaffinity, 0, sizeof s->processors, s->processors);
    /* The kernel has more processors than there is room for. */
    s->processors_size = size > 0 ? (uint32_t)size : 0;
}

void fc_settings_take(struct fc_settings *s)
{
    memset(s, 0, sizeof *s);
    take_changeable(s);
    s->personality = (int32_t)syscall(SYS_personality, ASK_PERSONALITY);
    s->no_huge_pages = prctl(GET_THP_DISABLE, 0, 0, 0, 0);
    s->is_secret = fc_settings_is_secret();
#ifdef SYS_get_mempolicy
    if (syscall(SYS_get_mempolicy, &s->memory_mode, s->memory_nodes, NODES, NULL, 0) < 0)
        s->memory_mode = 0; /* the kernel has one node, or more than there is room for */
#endif
}

static struct fc_settings noted;
static bool is_noted, was_rescheduled;

void fc_settings_note(void)
{
    fc_settings_take(&noted);
    is_noted = true;
}

void fc_settings_note_again(void)
{
    take_changeable(&noted);
}

void fc_settings_set(const struct fc_settings *s)
{
    if (!is_noted)
        fc_settings_note();
    struct fc_settings wanted = *s;
    const void *left = &wanted; /* compared as bytes: the padding is 0 */
    const void *right = &noted;
    wanted.is_secret = noted.is_secret; /* fc_settings_set_secret looks itself */
    if (memcmp(left, right, sizeof noted) == 0)
        return;
    is_noted = false; /* a child that serves another call has what is set now */
    was_rescheduled = was_rescheduled || noted.policy != s->policy || noted.priority != s->priority ||
                      noted.nice != s->nice || noted.io_priority != s->io_priority;
    if (noted.policy != s->policy || noted.priority != s->priority || noted.nice != s->nice)
        set_scheduling(s);
    if (s->processors_size > 0 && memcmp(noted.processors, s->processors, sizeof noted.processors) != 0)
        syscall(SYS_sched_setaffinity, 0, s->processors_size, s->processors);
    if (noted.io_priority != s->io_priority && s->io_priority >= 0)
        syscall(SYS_ioprio_set, IO_OF_PROCESS, 0, s->io_priority);
    if (noted.timer_slack_ns != s->timer_slack_ns && s->timer_slack_ns > 0)
        prctl(PR_SET_TIMERSLACK, s->timer_slack_ns, 0, 0, 0);
    if (noted.personality != s->personality && s->personality >= 0)
        syscall(SYS_personality, (unsigned long)s->personality);
    if (noted.no_huge_pages != s->no_huge_pages && s->no_huge_pages >= 0)
        prctl(SET_THP_DISABLE, s->no_huge_pages & 1, s->no_huge_pages & ~1, 0, 0);
#ifdef SYS_get_mempolicy
    if (noted.memory_mode != s->memory_mode ||
        memcmp(noted.memory_nodes, s->memory_nodes, sizeof noted.memory_nodes) != 0)
        syscall(SYS_set_mempolicy, s->memory_mode, s->memory_mode == 0 ? NULL : s->memory_nodes,
                s->memory_mode == 0 ? 0 : NODES + 1); /* set_mempolicy(2) subtracts one */
#endif
}

bool fc_settings_rescheduled(void)
{
    return was_rescheduled;
}

int fc_settings_dumpable(void)
{
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
}

void fc_settings_set_dumpable(int dumpable)
{
    if (fc_settings_dumpable() != dumpable && prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) < 0)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* 2 can only be set by the kernel */
}

void fc_settings_set_secret(bool secret)
{
    if (fc_settings_is_secret() != secret)
        prctl(PR_SET_DUMPABLE, secret ? 0 : 1, 0, 0, 0);
}
