/* ANY: What a public function restores in its thread before it returns: errno, and the state of
 * thread cancellation. poll(2), open(2) and others are cancellation points. A thread that is
 * canceled inside a function of the library would leave a lock taken for ever, and descriptors and
 * children behind, so cancellation is off meanwhile. */
#ifndef FC_BASE_KEPT_H
#define FC_BASE_KEPT_H

struct fc_kept {
    int cancel_state, error;
};

/* Notes errno and turns cancellation off in this thread. A longjmp(3) may leave cancellation off
 * only if it leads to the frame of another fc_keep. Async-signal-safe in the C libraries that this
 * is for. */
struct fc_kept fc_keep(void);

void fc_restore(struct fc_kept kept);

#endif
