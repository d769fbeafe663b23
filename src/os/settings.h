/* ANY: The settings of a thread besides its credentials: how and where it is scheduled, and how its
 * memory behaves. A child of a server has those of the server. So the calling thread sends its own,
 * and the child sets what differs. */
#ifndef FC_OS_SETTINGS_H
#define FC_OS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define FC_PROCESSORS_SIZE 128 /* one bit for each of 1024 processors */

/* All 0 before it is filled in. A field that the system does not tell stays 0 on both sides. */
struct fc_settings {
    uint32_t policy, priority; /* of the scheduler */
    int32_t nice, io_priority;
    int32_t timer_slack_ns;
    int32_t personality;
    int32_t no_huge_pages;
    int32_t memory_mode;
    uint64_t memory_nodes[2];
    bool is_secret; /* no core file, and no debugger (PR_SET_DUMPABLE) */
    uint32_t processors_size;
    unsigned char processors[FC_PROCESSORS_SIZE];
};

/* Fills in the settings of the calling thread, as a fork of it would have them. */
void fc_settings_take(struct fc_settings *settings);

/* In a child: notes what it has, so that fc_settings_set makes fewer system calls during a call. A
 * server notes it before it forks children, so that they need not. */
void fc_settings_note(void);
/* In a child whose server has noted: notes again what another process may have changed since, as by
 * renice(1), chrt(1), ionice(1) or taskset(1). */
void fc_settings_note_again(void);

/* In a child: sets the caller's settings for this thread. Called before the child takes on the
 * caller's credentials, which may not allow it. What the system does not allow stays as it is,
 * because a setting is no right. */
void fc_settings_set(const struct fc_settings *settings);

/* In a child: a call was scheduled otherwise than the child was when it was made. That cannot be
 * taken back without a right to, as nice(2) shows. */
bool fc_settings_rescheduled(void);

/* Secret: there is no core file, and no debugger may look at this process (PR_SET_DUMPABLE).
 * Credentials and exec change this, so set it after these. A process made by posix_spawn(3) shares
 * its maker's memory until it execs. If it takes on the real user and group the kernel makes that
 * memory secret, and the maker must set it back. */
bool fc_settings_is_secret(void);
void fc_settings_set_secret(bool secret);

/* The number itself: 0, 1 or 2. Only the kernel can set 2, so fc_settings_set_dumpable sets 0 for
 * it. */
int fc_settings_dumpable(void);
void fc_settings_set_dumpable(int dumpable);

#endif
