/* ANY: What a thread runs with besides its rights: how and where it is scheduled, and how its
 * memory and floating-point arithmetic behave. A child of a server has these as the server had
 * them: the calling thread sends its own, and the child sets what differs. */
#ifndef FC_OS_SETTINGS_H
#define FC_OS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define FC_PROCESSORS_SIZE 128 /* a bit for each of 1024 */

/* All 0 before it is filled; a field that the system does not tell stays 0, on both sides. */
struct fc_settings {
    uint32_t policy, priority; /* of the scheduler */
    int32_t nice, io_priority;
    int32_t timer_slack_ns;
    int32_t personality;
    int32_t no_huge_pages;
    int32_t memory_mode;
    uint64_t memory_nodes[2];
    bool is_secret; /* no core file, and nobody looks at it (PR_SET_DUMPABLE) */
    uint32_t processors_size;
    unsigned char processors[FC_PROCESSORS_SIZE];
};

/* Of the calling thread, as a fork of it would have them. */
void fc_settings_take(struct fc_settings *settings);

/* In a child: notes what it has, so that fc_settings_set need not ask during a call. */
void fc_settings_note(void);

/* In a child, before it takes on the caller's credentials, which may not allow it: this thread
 * is to have them. What the system does not allow stays as it is: none of it is a right. */
void fc_settings_set(const struct fc_settings *settings);

/* No core file, and nobody looks at this process (PR_SET_DUMPABLE). It changes with credentials
 * and with exec: to be set after these. A process that is made by posix_spawn(3) shares its
 * maker's memory until it execs, and where it takes on the real user and group the kernel takes
 * that memory for secret: then it is the maker that sets it again. */
bool fc_settings_is_secret(void);
void fc_settings_set_secret(bool secret);

/* The very number: 0, 1 or 2, which is 0 that the kernel has set. */
int fc_settings_dumpable(void);
void fc_settings_set_dumpable(int dumpable);

#endif
