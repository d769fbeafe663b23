/* HOST: Nothing tells whether the loader would answer: it is asked.
 *
 * SPDX-License-Identifier: MIT */
#include "os/loader_lock.h"

bool fc_loader_is_free(void)
{
    return true;
}
