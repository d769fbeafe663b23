/* HOST: A view of this process by libdw, held by one thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_LIBDW_H
#define FC_CRASH_LIBDW_H

#include <elfutils/libdwfl.h>

struct fc_libdw {
    Dwfl *dwfl;
    int cancel_state;
};

/* Opens a view. 0: it is open, and fc_libdw_close closes it. -1: libdw cannot be used at the
 * moment, and the caller uses something else. No memory and no descriptor stays after the view is
 * closed. */
int fc_libdw_open(struct fc_libdw *view);
void fc_libdw_close(struct fc_libdw *view);

#endif
