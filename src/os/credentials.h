/* ANY: A thread's credentials: its users, groups and capabilities.
 *
 * A process made by exec has other credentials than the thread that made it: exec sets the
 * file-system user and group to the effective ones, and gives back capabilities that root has
 * dropped. A server has those of the thread that started it. So the calling thread sends its
 * credentials, and the child takes them on before the function and checks that it has no more. They
 * are read and set by system calls, for one thread alone: the C library's functions may be replaced
 * (fakeroot(1)), and set users for all threads. */
#ifndef FC_OS_CREDENTIALS_H
#define FC_OS_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

/* Longer lists of groups are compared, but are not sent to a child. */
#define FC_GROUPS_MAX 32

enum { FC_ID_REAL, FC_ID_EFFECTIVE, FC_ID_SAVED, FC_ID_FILE, FC_IDS };

struct fc_capability_word {
    uint32_t effective, permitted, inheritable;
};

/* Credentials. All 0 before they are filled in, padding too, because they are compared by
 * memcmp. */
struct fc_credentials {
    uint32_t user[FC_IDS], group[FC_IDS];
    struct fc_capability_word word[2];
    uint64_t ambient;
    uint64_t groups_hash;
    int32_t groups; /* how many groups; -1: not known */
    int32_t secure_bits;
    uint32_t list[FC_GROUPS_MAX]; /* the groups; all 0 if there are more than FC_GROUPS_MAX */
};

/* Fills in the credentials of the calling thread. Async-signal-safe, but for a process with more
 * than 256 groups. */
void fc_credentials_take(struct fc_credentials *credentials);

/* True: a thread that has now could regain then by itself. What it can take back it has not given
 * up. */
bool fc_credentials_can_regain(const struct fc_credentials *now, const struct fc_credentials *then);

/* True: a process that has `has` could take on `wanted`, as far as exec leaves it. */
bool fc_credentials_can_become(const struct fc_credentials *has, const struct fc_credentials *wanted);

/* In a child: notes what it has, so that fc_credentials_take_on makes fewer system calls during a
 * call. A server notes it before it forks children, so that they need not: nobody else can change
 * the credentials of a process. */
void fc_credentials_note(void);

/* In a child: makes this thread have wanted.
 *
 * Returns 0; -EPERM: it has more, or others, after all attempts. What exec takes away for good
 * stays away: the saved user and group may be the effective ones, and there may be fewer
 * capabilities. */
int fc_credentials_take_on(const struct fc_credentials *wanted);

/* ---- Between its files ----------------------------------------------------------------------- */

void fc_credentials_take_groups(struct fc_credentials *credentials);

#endif
