/* HOST: What a public function that drives a call restores in its thread before it returns. */
#ifndef FC_API_KEPT_H
#define FC_API_KEPT_H

#include <errno.h>
#include <pthread.h>

struct fc_kept {
    int cancel_state, error;
};

/* poll(2) and others are cancellation points. A thread that is canceled inside a call would leak
 * the call's child, so cancellation is off meanwhile. */
static inline struct fc_kept fc_keep(void)
{
    struct fc_kept kept = {.cancel_state = PTHREAD_CANCEL_ENABLE, .error = errno};
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &kept.cancel_state);
    return kept;
}

static inline void fc_restore(struct fc_kept kept)
{
    pthread_setcancelstate(kept.cancel_state, NULL);
    errno = kept.error;
}

#endif
