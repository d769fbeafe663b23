/* Attributes of a process that a child must share with its host at the moment of a call. */
#ifndef PROCESS_ATTRIBUTES_H
#define PROCESS_ATTRIBUTES_H

#include <forkcall.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#ifdef __GLIBC__
typedef __rlimit_resource_t resource_t; /* the compiler expects an enum there */
#else
typedef int resource_t;
#endif

struct place {
    dev_t device;
    ino_t inode;
    uint64_t mount;
    mode_t type;
    off_t position; /* the file position of a stream */
    int access;
};

/* A struct state is cleared before it is filled, and compared by memcmp(). */
struct state {
    uid_t uid, euid, saved_uid, file_uid;
    gid_t gid, egid, saved_gid, file_gid;
    int groups;
    gid_t group[40];
    struct place root, stream[3];
    char directory[4096], node[65];
    unsigned umask;
    uint64_t limits[16][2];
    int no_new_privs, seccomp;
    int secure_bits, dumpable;
    uint32_t capabilities[6];
    uint64_t ambient;
    int nice, policy, priority, io_priority, timer_slack, personality, no_huge_pages, memory_mode;
    unsigned char processors[128];
    char namespace[8][32]; /* user, mnt, net, ipc, uts, cgroup, and pid and time for children */
};

/* Reads the attributes of the calling thread. */
void state_fill(struct state *state);
/* True: the two are the same. Else the differences are printed to stderr. */
bool state_is(const struct state *a, const struct state *b);

/* For children: the answer is a struct state. */
int child_tells_state(const void *args, size_t args_size, struct forkcall_buf *result);

#endif
