/* ANY: Linux: Reads and sets credentials(7) and capabilities(7). */
#include "os/credentials.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY_VERSION 0x20080522U /* _LINUX_CAPABILITY_VERSION_3 */
#define CAP_SETGID_ 6
#define CAP_SETUID_ 7
#define KEEP_CAPS 0x10 /* SECBIT_KEEP_CAPS: exec clears it */
#define AMBIENT 47     /* PR_CAP_AMBIENT, Linux 4.3 */
#define AMBIENT_IS_SET 1
#define AMBIENT_RAISE 2
#define AMBIENT_CLEAR_ALL 4

/* Architectures whose first system calls had 16 bits for a user have these calls besides. */
#ifdef SYS_getresuid32
#define GETRESUID SYS_getresuid32
#define GETRESGID SYS_getresgid32
#define SETRESUID SYS_setresuid32
#define SETRESGID SYS_setresgid32
#define SETFSUID SYS_setfsuid32
#define SETFSGID SYS_setfsgid32
#define SETGROUPS SYS_setgroups32
#else
#define GETRESUID SYS_getresuid
#define GETRESGID SYS_getresgid
#define SETRESUID SYS_setresuid
#define SETRESGID SYS_setresgid
#define SETFSUID SYS_setfsuid
#define SETFSGID SYS_setfsgid
#define SETGROUPS SYS_setgroups
#endif

struct header {
    uint32_t version;
    int pid;
};

/* ---- What a thread has ----------------------------------------------------------------------- */

static void take_capabilities(struct fc_credentials *c)
{
    struct header header = {CAPABILITY_VERSION, 0};
    syscall(SYS_capget, &header, c->word);
    c->ambient = 0;
    /* An ambient capability is always inheritable and permitted. */
    for (unsigned i = 0; i < 64; i++) {
        const uint32_t possible = c->word[i / 32].inheritable & c->word[i / 32].permitted;
        if ((possible & (1U << i % 32)) != 0 && prctl(AMBIENT, AMBIENT_IS_SET, i, 0, 0) == 1)
            c->ambient |= (uint64_t)1 << i;
    }
    c->secure_bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
}

void fc_credentials_take(struct fc_credentials *c)
{
    memset(c, 0, sizeof *c);
    syscall(GETRESUID, &c->user[FC_ID_REAL], &c->user[FC_ID_EFFECTIVE], &c->user[FC_ID_SAVED]);
    syscall(GETRESGID, &c->group[FC_ID_REAL], &c->group[FC_ID_EFFECTIVE], &c->group[FC_ID_SAVED]);
    /* No user and no group has this number, so the call returns the present one and changes
     * nothing. */
    c->user[FC_ID_FILE] = (uint32_t)syscall(SETFSUID, UINT32_MAX);
    c->group[FC_ID_FILE] = (uint32_t)syscall(SETFSGID, UINT32_MAX);
    fc_credentials_take_groups(c);
    take_capabilities(c);
}

/* ---- What a thread could have ---------------------------------------------------------------- */

static bool is_permitted(const struct fc_credentials *c, int capability)
{
    return (c->word[0].permitted & (1U << capability)) != 0;
}

/* True: setresuid(2) can set these ids without a capability, because each is the real, effective or
 * saved one. */
static bool is_within(const uint32_t wanted[FC_IDS], const uint32_t has[FC_IDS], bool with_saved)
{
    for (int i = 0; i < FC_IDS; i++) {
        if (i == FC_ID_SAVED && !with_saved)
            continue;
        if (wanted[i] != has[FC_ID_REAL] && wanted[i] != has[FC_ID_EFFECTIVE] && wanted[i] != has[FC_ID_SAVED])
            return false;
    }
    return true;
}

static bool has_same_groups(const struct fc_credentials *a, const struct fc_credentials *b)
{
    return a->groups == b->groups && a->groups_hash == b->groups_hash;
}

static bool can_set_ids(const struct fc_credentials *has, const struct fc_credentials *wanted, bool with_saved)
{
    if (!is_permitted(has, CAP_SETUID_) && !is_within(wanted->user, has->user, with_saved))
        return false;
    return is_permitted(has, CAP_SETGID_) ||
           (is_within(wanted->group, has->group, with_saved) && has_same_groups(has, wanted));
}

/* A capability that is not permitted any more is given up, whatever else the thread has. */
bool fc_credentials_can_regain(const struct fc_credentials *now, const struct fc_credentials *then)
{
    for (int i = 0; i < 2; i++) {
        const struct fc_capability_word *a = &now->word[i];
        const struct fc_capability_word *b = &then->word[i];
        if (a->permitted != b->permitted || (b->inheritable & ~(a->inheritable | a->permitted)) != 0)
            return false;
    }
    return ((now->secure_bits ^ then->secure_bits) & ~KEEP_CAPS) == 0 && can_set_ids(now, then, true);
}

bool fc_credentials_can_become(const struct fc_credentials *has, const struct fc_credentials *wanted)
{
    if (!has_same_groups(has, wanted) && (wanted->groups < 0 || wanted->groups > FC_GROUPS_MAX))
        return false;
    return can_set_ids(has, wanted, false);
}

/* ---- In a child ------------------------------------------------------------------------------ */

static struct fc_credentials noted;
static bool is_noted;

void fc_credentials_note(void)
{
    fc_credentials_take(&noted);
    is_noted = true;
}

static int set_capabilities(const struct fc_capability_word word[2])
{
    struct header header = {CAPABILITY_VERSION, 0};
    return (int)syscall(SYS_capset, &header, word);
}

static void make_permitted_effective(struct fc_credentials *c)
{
    for (int i = 0; i < 2; i++)
        c->word[i].effective = c->word[i].permitted;
    set_capabilities(c->word);
}

static void set_ids(long set_three, long set_file, const uint32_t wanted[FC_IDS])
{
    const uint32_t effective = wanted[FC_ID_EFFECTIVE];
    if (syscall(set_three, wanted[FC_ID_REAL], effective, wanted[FC_ID_SAVED]) < 0)
        /* Exec has lost the saved id. */
        syscall(set_three, wanted[FC_ID_REAL], effective, effective);
    syscall(set_file, wanted[FC_ID_FILE]);
}

/* Sets users and groups. Keeps the permitted capabilities meanwhile, which the kernel would take
 * away with root's user. They are set afterwards. */
static void set_users_and_groups(struct fc_credentials *now, const struct fc_credentials *wanted)
{
    make_permitted_effective(now);
    if (!has_same_groups(now, wanted) && wanted->groups >= 0 && wanted->groups <= FC_GROUPS_MAX)
        syscall(SETGROUPS, (size_t)wanted->groups, wanted->list);
    set_ids(SETRESGID, SETFSGID, wanted->group);
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    set_ids(SETRESUID, SETFSUID, wanted->user);
}

static void set_ambient(uint64_t wanted)
{
    prctl(AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned i = 0; i < 64; i++)
        if ((wanted & ((uint64_t)1 << i)) != 0)
            prctl(AMBIENT, AMBIENT_RAISE, i, 0, 0);
}

static void become(struct fc_credentials *now, const struct fc_credentials *wanted)
{
    if (memcmp(now->user, wanted->user, sizeof now->user) != 0 ||
        memcmp(now->group, wanted->group, sizeof now->group) != 0 || !has_same_groups(now, wanted))
        set_users_and_groups(now, wanted);
    take_capabilities(now);
    for (int i = 0; i < 2; i++) {
        struct fc_capability_word *word = &now->word[i];
        word->inheritable = wanted->word[i].inheritable & (word->inheritable | word->permitted);
        word->effective = wanted->word[i].effective & word->permitted;
        word->permitted &= wanted->word[i].permitted;
    }
    set_capabilities(now->word);
    if (now->ambient != wanted->ambient)
        set_ambient(wanted->ambient);
    prctl(PR_SET_KEEPCAPS, wanted->secure_bits > 0 && (wanted->secure_bits & KEEP_CAPS) != 0, 0, 0, 0);
}

static bool has_ids(const uint32_t now[FC_IDS], const uint32_t wanted[FC_IDS])
{
    return now[FC_ID_REAL] == wanted[FC_ID_REAL] && now[FC_ID_EFFECTIVE] == wanted[FC_ID_EFFECTIVE] &&
           now[FC_ID_FILE] == wanted[FC_ID_FILE] &&
           (now[FC_ID_SAVED] == wanted[FC_ID_SAVED] || now[FC_ID_SAVED] == wanted[FC_ID_EFFECTIVE]);
}

static bool has_no_more(const struct fc_credentials *now, const struct fc_credentials *wanted)
{
    for (int i = 0; i < 2; i++) {
        const struct fc_capability_word *a = &now->word[i];
        const struct fc_capability_word *b = &wanted->word[i];
        if ((a->effective & ~b->effective) != 0 || (a->permitted & ~b->permitted) != 0 ||
            (a->inheritable & ~b->inheritable) != 0)
            return false;
    }
    return has_ids(now->user, wanted->user) && has_ids(now->group, wanted->group) && has_same_groups(now, wanted) &&
           (now->ambient & ~wanted->ambient) == 0 && ((now->secure_bits ^ wanted->secure_bits) & ~KEEP_CAPS) == 0;
}

/* Becomes wanted and keeps the signal at the parent's death. The kernel clears that signal when the
 * user changes (prctl(2), PR_SET_PDEATHSIG), so it is set again. A parent that has died in between
 * is noticed by its number. */
static void become_and_keep_death_signal(struct fc_credentials *now, const struct fc_credentials *wanted)
{
    int death_signal = 0;
    const pid_t parent = getppid();
    prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
    become(now, wanted);
    if (death_signal == 0)
        return;
    prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0);
    if (getppid() != parent)
        _exit(0);
}

int fc_credentials_take_on(const struct fc_credentials *wanted)
{
    if (!is_noted)
        fc_credentials_note();
    if (memcmp(&noted, wanted, sizeof noted) == 0)
        return 0;
    become_and_keep_death_signal(&noted, wanted);
    fc_credentials_take(&noted);
    return has_no_more(&noted, wanted) ? 0 : -EPERM;
}
