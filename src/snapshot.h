/* What a server has from its host, as it was when the server was started. Where the host has another now (it has dropped
 * rights, or gone elsewhere), the server must not be used any more: its children would have what the host gave up. */
#ifndef FC_SNAPSHOT_H
#define FC_SNAPSHOT_H

#include <stdbool.h>
#include <sys/types.h>

struct fc_snapshot;

/* Of this moment and the calling thread; to be freed. NULL: no memory. */
struct fc_snapshot *fc_snapshot_take(void);

/* holder: the process that has had all of it since. Before fc_snapshot_holds is called, by the thread that took the snapshot or one
 * with the same rights. */
void fc_snapshot_set_holder(struct fc_snapshot *snapshot, pid_t holder);

/* Is all still so, for the calling thread? */
bool fc_snapshot_holds(const struct fc_snapshot *snapshot);

void fc_snapshot_free(struct fc_snapshot *snapshot);

/* ---- What the platform's file (snapshot.*.c) gives ----------------------------------------------------------- */

#define FC_SNAPSHOT_EXTRA 384

/* What only this system has: fills at most FC_SNAPSHOT_EXTRA bytes, which are all 0. before: what was filled in
 * then, where fc_snapshot_may_look says so; else NULL. */
void fc_snapshot_extra(void *extra, const void *before);

/* May this thread look at the process as a debugger may? A sandbox takes that away as well (Landlock, other security modules), and
 * so does leaving its user namespace. False where it is not to be known, too. */
bool fc_snapshot_may_look(pid_t process);

/* In an umask that is known, so that it is not 0. */
#define FC_SNAPSHOT_UMASK_KNOWN 01000000U

/* The umask and that bit, in a process of several threads, where umask(2) itself cannot be used to ask. 0: not to be known. */
unsigned fc_snapshot_umask(void);

/* Is fd, a regular file, the same open file here and in the other process? True where that is not to be known. */
bool fc_snapshot_is_same_file(int fd, pid_t other);

#endif
