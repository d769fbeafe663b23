/* HOST: The credentials, limits and directories that a server has inherited from its host. If the
 * host has changed them since (it has dropped rights, or changed its directory), the server must
 * not be used any more: its children would regain what the host gave up. */
#ifndef FC_SERVER_SNAPSHOT_H
#define FC_SERVER_SNAPSHOT_H

#include "os/credentials.h"
#include "wire/server_message.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fc_snapshot;

/* Called in the server: fills in what it has now. */
void fc_server_rights_take(struct fc_server_rights *server);

/* Takes a snapshot of the calling thread. NULL: no memory. Free it by fc_snapshot_free. */
struct fc_snapshot *fc_snapshot_take(void);

/* The credentials of the thread that took the snapshot. */
const struct fc_credentials *fc_snapshot_credentials(const struct fc_snapshot *snapshot);

/* Notes the server that has inherited all of this. Must be called before fc_snapshot_fits. */
void fc_snapshot_set_server(struct fc_snapshot *snapshot, pid_t pid, const struct fc_server_rights *server);

/* Notes whether the calling thread may look at the server as a debugger may. Call it only from the
 * thread that took the snapshot, before that thread has returned to the host's code. Another thread
 * may have a sandbox of its own, and would say nothing about the snapshot. */
void fc_snapshot_note_ptrace(struct fc_snapshot *snapshot);

enum fc_fit {
    /* The calling thread has all of it, or can regain what it lacks, and a child of the server can
     * take on the difference. */
    FC_FITS,
    /* Another thread of this process has all of it and the calling thread has not; or it cannot be
     * found out. */
    FC_FITS_OTHERS,
    FC_FITS_NOBODY, /* no thread has all of it: this process has given something up */
};

/* Compares the snapshot with the calling thread, and writes the thread's credentials to *now. self:
 * the number of this process. Thread-safe; async-signal-unsafe. */
enum fc_fit fc_snapshot_fits(const struct fc_snapshot *snapshot, pid_t self, struct fc_credentials *now);

void fc_snapshot_free(struct fc_snapshot *snapshot);

/* ---- What the platform's file (snapshot.*.c) gives ------------------------------------------- */

#define FC_SNAPSHOT_EXTRA 128

/* Fills in, beside the credentials, what only this system has: at most FC_SNAPSHOT_EXTRA bytes,
 * which are all 0 before. now: the thread's credentials. before: what was filled in at the
 * snapshot, if fc_snapshot_can_ptrace says true; else NULL. False: some of it cannot be found out,
 * so it equals nothing. */
bool fc_snapshot_extra(void *extra, const struct fc_credentials *now, const void *before);

/* Another thread of this process has what the snapshot has, or could regain it. False also if that
 * cannot be found out. */
bool fc_snapshot_fits_other(const void *extra, const struct fc_credentials *then, unsigned umask);

/* The session keyring of this process; 0: it has none, or the one that each user has. */
int32_t fc_snapshot_keyring(void);

/* The calling thread possesses that keyring, which fc_snapshot_keyring returned in another
 * process. */
bool fc_snapshot_possesses(int32_t keyring);

/* The calling thread of the process self may look at the other one as a debugger may. A sandbox
 * takes that right away (Landlock, other security modules), and so does leaving the user namespace
 * of the process. False also if it cannot be found out. */
bool fc_snapshot_can_ptrace(pid_t self, pid_t other);

/* Set in an umask that is known, so that it is not 0. */
#define FC_SNAPSHOT_UMASK_KNOWN 01000000U

/* The umask with that bit; 0: it cannot be found out. For a process with several threads, where
 * umask(2) cannot be used because it changes the umask for a moment. */
unsigned fc_snapshot_umask(void);

/* The regular file fd is the same open file in this process, self, and in the other one. True also
 * if that cannot be found out. */
bool fc_snapshot_is_same_file(int fd, pid_t self, pid_t other);

#endif
