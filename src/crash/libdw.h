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

/* 0: to be closed by fc_libdw_close. -1: not now, or not here: do without. Nothing is kept from one
 * view to the next: no memory, no descriptor. */
int fc_libdw_open(struct fc_libdw *view);
void fc_libdw_close(struct fc_libdw *view);

#endif
