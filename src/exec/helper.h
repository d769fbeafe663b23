/* HOST: The helper: a small installed program that stands in for this one, in a process whose
 * main() does not call forkcall_init(). It has nothing of this program, so only functions of shared
 * libraries can run in it. */
#ifndef FC_EXEC_HELPER_H
#define FC_EXEC_HELPER_H

#include "exec/exec_self.h"

#include <stdbool.h>

/* Notes the helper; path NULL: the one that is installed with the library. A path that was noted
 * before is noted again. *changed: another helper, or none, was noted before.
 *
 * Returns 0; -EINVAL: the path is not absolute, or leads to no regular file; -EACCES: somebody but
 * root and this user may write the file or replace it, or this user may not execute it;
 * -ENAMETOOLONG; -ENOMEM; or what stat(2) says. Thread-safe. */
int fc_helper_use(const char *path, bool *changed);

/* True: re-executed programs of this process are the helper. The program itself is taken if it has
 * called forkcall_init(). */
bool fc_helper_is_used(void);

/* Finds the helper's file, which may have become unfit since it was noted. 0 or a negative errno.
 * Free the path in both cases. */
int fc_helper_get(struct fc_executable *executable);

#endif
