/* ANY: By what the kernel decides what a thread may do: its users, groups and capabilities.
 *
 * A process that is made by exec has others than the thread that made it: exec sets the file
 * user and group to the effective ones, and gives root capabilities that root has dropped; and a
 * server has those of the thread that started it. So the calling thread sends what it has, and
 * the child takes it on before the function and looks whether it has no more. All of it is asked
 * of the kernel itself, and set for one thread alone: the C library may be replaced
 * (fakeroot(1)), and sets users for all threads. */
#ifndef FC_OS_CREDENTIALS_H
#define FC_OS_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

/* Longer lists are compared and do not travel. */
#define FC_GROUPS_MAX 32

enum { FC_ID_REAL, FC_ID_EFFECTIVE, FC_ID_SAVED, FC_ID_FILE, FC_IDS };

struct fc_capability_word {
    uint32_t effective, permitted, inheritable;
};

/* All 0 before it is filled, padding too: compared by memcmp. */
struct fc_credentials {
    uint32_t user[FC_IDS], group[FC_IDS];
    struct fc_capability_word word[2];
    uint64_t ambient;
    uint64_t groups_hash;
    int32_t groups; /* how many; -1: not known */
    int32_t secure_bits;
    uint32_t list[FC_GROUPS_MAX]; /* all 0 where there are more groups */
};

/* Of the calling thread. */
void fc_credentials_take(struct fc_credentials *credentials);

/* Could a thread that has these come to have what then says, by itself? What it can take back it
 * has not given up. */
bool fc_credentials_can_regain(const struct fc_credentials *now, const struct fc_credentials *then);

/* Could a process that has these take on what is wanted, as far as exec leaves it? */
bool fc_credentials_can_become(const struct fc_credentials *has, const struct fc_credentials *wanted);

/* In a child: notes what it has, so that fc_credentials_take_on need not ask during a call. */
void fc_credentials_note(void);

/* In a child: this thread is to have what is wanted. 0; -EPERM: it has more, or others, in spite
 * of all. What exec takes away for good is not to be had again: the saved user and group may be
 * the effective ones, and capabilities fewer. */
int fc_credentials_take_on(const struct fc_credentials *wanted);

/* ---- Between its files ----------------------------------------------------------------------- */

void fc_credentials_take_groups(struct fc_credentials *credentials);

#endif
