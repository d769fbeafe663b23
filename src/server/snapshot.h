/* HOST: The credentials, limits and directories that a server has from its host, as they were when
 * the server was started. Where the host has another now (it has dropped rights, or gone
 * elsewhere), the server must not be used any more: its children would have what the host gave
 * up. */
#ifndef FC_SERVER_SNAPSHOT_H
#define FC_SERVER_SNAPSHOT_H

#include "os/credentials.h"
#include "wire/server_message.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fc_snapshot;

/* In the server. */
void fc_server_rights_take(struct fc_server_rights *server);

/* Of this moment and the calling thread; to be freed. NULL: no memory. */
struct fc_snapshot *fc_snapshot_take(void);

/* What the thread had that took it. */
const struct fc_credentials *fc_snapshot_credentials(const struct fc_snapshot *snapshot);

/* pid: the process that has had all of it since. Before fc_snapshot_fits is called. */
void fc_snapshot_set_server(struct fc_snapshot *snapshot, pid_t pid, const struct fc_server_rights *server);

/* Notes whether the server may be looked at by who has what the snapshot says. Only by the thread
 * that took it, before that has been in the host's code again: what another may not look at says
 * nothing of the snapshot, but that the other has a sandbox of its own. */
void fc_snapshot_note_ptrace(struct fc_snapshot *snapshot);

enum fc_fit {
    /* All is still so for the calling thread, or it can take back what it has not, and a child
     * of the server can take that on. */
    FC_FITS,
    /* Not for the calling thread, but for another one of this process; or not to be known. */
    FC_FITS_OTHERS,
    FC_FITS_NOBODY, /* this process has given something up */
};

/* now: what the calling thread has. */
enum fc_fit fc_snapshot_fits(const struct fc_snapshot *snapshot, struct fc_credentials *now);

void fc_snapshot_free(struct fc_snapshot *snapshot);

/* ---- What the platform's file (snapshot.*.c) gives ------------------------------------------- */

#define FC_SNAPSHOT_EXTRA 128

/* What only this system has, beside credentials: fills at most FC_SNAPSHOT_EXTRA bytes, which
 * are all 0. now: the thread's credentials. before: what was filled in then, where
 * fc_snapshot_can_ptrace says so; else NULL. False: some of it is not to be known now, so that it is
 * the same as nothing else. */
bool fc_snapshot_extra(void *extra, const struct fc_credentials *now, const void *before);

/* Has another thread of this process what was taken then, or could it take it back? False where
 * that is not to be known. */
bool fc_snapshot_fits_other(const void *extra, const struct fc_credentials *then, unsigned umask);

/* The keyring of this process's session; 0: none, or that which each user has. */
int32_t fc_snapshot_keyring(void);

/* Has the calling thread what lies in that keyring, which was fc_snapshot_keyring's of another
 * process? */
bool fc_snapshot_possesses(int32_t keyring);

/* May this thread look at the process as a debugger may? A sandbox takes that away as well
 * (Landlock, other security modules), and so does leaving its user namespace. False where it is
 * not to be known, too. */
bool fc_snapshot_can_ptrace(pid_t process);

/* In an umask that is known, so that it is not 0. */
#define FC_SNAPSHOT_UMASK_KNOWN 01000000U

/* The umask and that bit, in a process of several threads, where umask(2) itself cannot be used
 * to ask. 0: not to be known. */
unsigned fc_snapshot_umask(void);

/* Is fd, a regular file, the same open file here and in the other process? True where that is
 * not to be known. */
bool fc_snapshot_is_same_file(int fd, pid_t other);

#endif
