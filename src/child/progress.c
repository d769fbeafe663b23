/* CHILD: What the function reports of its progress. */
#include "child/progress.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "base/utf8.h"
#include "child/child_state.h"
#include "child/reply_writer.h"
#include "child/run.h"
#include "child/storage.h"

#include <math.h>
#include <string.h>

/* If nobody listens so many reports are sent at once, and then one in so much time. The last one
 * counts, and the others would only fill the channel of a host that does not read. */
#define AT_ONCE 100U
#define EVERY_NS UINT64_C(5000000)

static bool is_due(void)
{
    struct fc_reports *reports = &fc_child.reports;
    const uint64_t now = fc_now_ns();
    if (reports->next_ns > now + AT_ONCE * EVERY_NS)
        return false;
    reports->next_ns = (reports->next_ns > now ? reports->next_ns : now) + EVERY_NS;
    return true;
}

/* Sends the last report, if there is room for it. */
static void send_last(bool wait)
{
    struct fc_last_report *last = &fc_last_reports[fc_child.reports.last];
    if ((fc_poll_now(fc_child.task.reply_fd, POLLOUT) & POLLOUT) == 0)
        return;
    struct fc_frame_header header = fc_child_frame_header(FC_FRAME_PROGRESS, sizeof last->progress + last->note_size);
    struct iovec parts[] = {fc_part(&header, sizeof header), fc_part(&last->progress, sizeof last->progress),
                            fc_part(last->note, last->note_size)};
    if (fc_reply_write(parts, 3, wait))
        fc_child.reports.unsent = false;
}

/* A signal handler that comes meanwhile finds the report before this one whole. */
static void keep(double done, double total, const char *note)
{
    const unsigned other = 1 - fc_child.reports.last;
    struct fc_last_report *last = &fc_last_reports[other];
    last->progress = (struct fc_progress){.done = done, .total = total, .item = fc_child.item};
    last->note_size = note == NULL ? 0 : fc_utf8_cut(note, strnlen(note, FC_NOTE_MAX + 4), FC_NOTE_MAX);
    if (last->note_size > 0)
        memcpy(last->note, note, last->note_size);
    atomic_signal_fence(memory_order_seq_cst);
    fc_child.reports.last = other;
    fc_child.reports.unsent = true;
}

void fc_child_progress(double done, double total, const char *note)
{
    struct fc_reports *reports = &fc_child.reports;
    if (!isfinite(done) || !isfinite(total) || !fc_owner_lock_take(&reports->lock, true))
        return;
    keep(done, total, note);
    if (fc_child.task.want_progress || is_due())
        send_last(true);
    fc_owner_lock_release(&reports->lock);
}

void fc_child_progress_flush(void)
{
    struct fc_reports *reports = &fc_child.reports;
    const bool taken = fc_owner_lock_take(&reports->lock, false);
    if (reports->unsent && (taken || fc_owner_lock_is_mine(&reports->lock)))
        send_last(false);
    if (taken)
        fc_owner_lock_release(&reports->lock);
}
