/* ANY: Turns thread cancellation off for a while. */
#include "base/kept.h"

#include <errno.h>
#include <pthread.h>

struct fc_kept fc_keep(void)
{
    struct fc_kept kept = {.cancel_state = PTHREAD_CANCEL_ENABLE, .error = errno};
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &kept.cancel_state);
    return kept;
}

void fc_restore(struct fc_kept kept)
{
    pthread_setcancelstate(kept.cancel_state, NULL);
    errno = kept.error;
}
