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

/* 0: the view is open, and fc_libdw_close closes it. -1: libdw cannot be used at the moment; the
 * caller falls back. Nothing is kept from one view to the next: no memory, no descriptor. */
int fc_libdw_open(struct fc_libdw *view);
void fc_libdw_close(struct fc_libdw *view);

#endif
