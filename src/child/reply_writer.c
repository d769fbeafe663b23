/* CHILD: Writes frames under a lock, and the end of the reply. */
#include "child/reply_writer.h"

#include "base/io.h"
#include "base/sections.h"
#include "base/utf8.h"
#include "child/child_state.h"
#include "child/owner_lock.h"
#include "child/storage.h"
#include "os/usage.h"
#include "result/buf.h"
#include "result/region.h"
#include "result/small_result.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A host that waits for the end of its child finds the region unmapped then. One that does not wait
 * (SERVER) could not take over a region that is still mapped, and would copy it. Up to this size it
 * does: the function may have forbidden munmap(2). */
#define UNMAPPED_MIN 131072U

/* At least any frame of progress, and at most what a pipe takes as a whole (PIPE_BUF, at least
 * 512). */
#define SMALL_FRAMES 320U

static FC_FORK_STORAGE struct fc_owner_lock writing;
static FC_FORK_STORAGE bool ended; /* protected by writing */
/* Protects fc_message and fc_child.message_size. */
static FC_FORK_STORAGE struct fc_owner_lock messaging;

void fc_reply_writer_reset(void)
{
    ended = false;
    fc_owner_lock_release(&writing);
    fc_owner_lock_release(&messaging);
}

/* True: the reply's descriptor is still the reply's. The host has written the nonce behind the go
 * byte. If the nonce can be read, the function has not closed all descriptors at once. If the
 * reply's number cannot be read from, it is still an end for writing. This uses only read(2), which
 * is never forbidden where write(2) is allowed. */
static bool has_its_descriptors(void)
{
    uint64_t nonce = 0;
    return fc_read(fc_child.task.go_fd, &nonce, sizeof nonce) == (ssize_t)sizeof nonce &&
           nonce == fc_child.task.nonce && fc_read(fc_child.task.reply_fd, &nonce, 0) == -EBADF;
}

/* Zeros take the place of what cannot be read any more: another thread may unmap a part of a stack
 * that is just sent. Without them the host would take the next frames for the rest of this one. */
static int write_part(struct iovec *part)
{
    static const char zeros[256];
    int r = fc_write_all(fc_child.task.reply_fd, part, 1);
    if (r != -EFAULT)
        return r;
    r = 0;
    for (size_t left = part->iov_len; left > 0 && r == 0;) {
        struct iovec some = fc_part(zeros, left < sizeof zeros ? left : sizeof zeros);
        left -= some.iov_len;
        r = fc_write_all(fc_child.task.reply_fd, &some, 1);
    }
    return r;
}

static int write_parts(struct iovec *parts, int count)
{
    int r = 0;
    for (int i = 0; i < count && r == 0; i++)
        r = write_part(&parts[i]);
    return r;
}

/* Writes frames. Small ones are written in one piece: a pipe that has room takes them without
 * waiting, and nobody sees a part. */
static int write_frames(struct iovec *parts, int count)
{
    char whole[SMALL_FRAMES];
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    if (size > sizeof whole)
        return write_parts(parts, count);
    size = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > 0)
            memcpy(whole + size, parts[i].iov_base, parts[i].iov_len);
        size += parts[i].iov_len;
    }
    struct iovec all = {.iov_base = whole, .iov_len = size};
    return fc_write_all(fc_child.task.reply_fd, &all, 1);
}

static bool write_locked(struct iovec *parts, int count)
{
    return !ended && fc_fd_identity_holds(fc_child.task.reply_fd, &fc_child.task.mark) &&
           write_frames(parts, count) == 0;
}

bool fc_reply_write(struct iovec *parts, int count, bool wait)
{
    if (!fc_owner_lock_take(&writing, wait))
        return false;
    const bool written = write_locked(parts, count);
    fc_owner_lock_release(&writing);
    return written;
}

bool fc_reply_is_interrupted(void)
{
    return fc_owner_lock_is_mine(&writing) || fc_owner_lock_is_mine(&messaging);
}

void fc_reply_send_frame(enum fc_frame_type type, const void *payload, size_t size)
{
    struct fc_frame_header header = fc_child_frame_header(type, size);
    struct iovec parts[] = {fc_part(&header, sizeof header), fc_part(payload, size)};
    fc_reply_write(parts, 2, true);
}

void fc_reply_set_message(const char *format, va_list arguments)
{
    if (!fc_owner_lock_take(&messaging, true))
        return; /* a signal handler has interrupted this very function */
    const int n = vsnprintf(fc_message, sizeof fc_message, format, arguments);
    const size_t size = n < 0 ? 0 : strnlen(fc_message, sizeof fc_message - 1);
    fc_child.message_size = (size_t)(n < 0 ? 0 : n) > size ? fc_utf8_whole(fc_message, size) : size;
    fc_owner_lock_release(&messaging);
}

/* ---- The last words -------------------------------------------------------------------------- */

struct last_words {
    struct fc_frame_header header;
    struct fc_trailer trailer;
};
_Static_assert(sizeof(struct last_words) == FC_REPLY_TAIL, "no padding");
_Static_assert(FC_REPLY_HEAD == FC_RESULT_HEAD && FC_REPLY_TAIL == FC_RESULT_TAIL, "small_result.h has this room");

/* Writes a result that has room around it in one piece. */
static bool write_around(const struct forkcall_buf *result, const struct last_words *words)
{
    const struct fc_frame_header header = fc_child_frame_header(FC_FRAME_RESULT, result->size);
    char *const begin = (char *)result->data - FC_REPLY_HEAD;
    memcpy(begin, &header, sizeof header);
    memcpy((char *)result->data + result->size, words, sizeof *words);
    struct iovec all = fc_part(begin, FC_REPLY_HEAD + result->size + FC_REPLY_TAIL);
    return fc_write_all(fc_child.task.reply_fd, &all, 1) == 0;
}

static bool write_after(enum fc_frame_type type, const void *data, size_t size, const struct last_words *words)
{
    const struct fc_frame_header header = fc_child_frame_header(type, size);
    struct iovec parts[] = {fc_part(&header, sizeof header), fc_part(data, size), fc_part(words, sizeof *words)};
    return fc_write_all(fc_child.task.reply_fd, parts, 3) == 0;
}

static bool write_last_words(const struct last_words *words, bool with_message)
{
    const struct forkcall_buf *result = &fc_child.result;
    if (words->trailer.transport == FC_TRANSPORT_PIPE && result->kind_private == FC_BUF_SMALL)
        return write_around(result, words);
    if (words->trailer.transport == FC_TRANSPORT_PIPE)
        return write_after(FC_FRAME_RESULT, result->data, result->size, words);
    if (with_message)
        return write_after(FC_FRAME_MESSAGE, fc_message, fc_child.message_size, words);
    struct iovec alone = fc_part(words, sizeof *words);
    return fc_write_all(fc_child.task.reply_fd, &alone, 1) == 0;
}

/* What a kept child has used up to the end of its last call, and its number: a process that it has
 * forked begins at 0. */
static struct fc_usage used_before;
static pid_t used_by;

static void set_usage(struct fc_trailer *trailer)
{
    struct fc_usage used;
    if (!fc_usage_measure(&used, fc_child.task.execed))
        return;
    const bool before = used_by == fc_child.pid;
    trailer->usage_known = 1;
    trailer->user_ns = used.user_ns - (before ? used_before.user_ns : 0);
    trailer->system_ns = used.system_ns - (before ? used_before.system_ns : 0);
    trailer->max_rss_bytes = used.max_rss_bytes; /* of the process, not of the call */
    if (!fc_child.task.keep)
        return;
    used_before = used;
    used_by = fc_child.pid;
}

bool fc_reply_finish(struct fc_trailer *trailer, bool with_message)
{
    /* Takes both locks and never releases them, because the process exits next. False: this thread
     * already holds one, because this is a signal handler that has interrupted it. Waiting would
     * never end. */
    if (!fc_owner_lock_take(&messaging, true))
        return false;
    with_message = with_message && fc_child.message_size > 0;
    if (fc_child.result.kind_private == FC_BUF_REGION && fc_child.task.has_handlers &&
        fc_child.result.size > UNMAPPED_MIN)
        fc_region_unmap();
    /* Nothing is written after the trailer, and the trailer is not written into the middle of a
     * frame. */
    if (!fc_owner_lock_take(&writing, true) || ended)
        return false;
    ended = true;
    if (!has_its_descriptors() && !fc_fd_identity_holds(fc_child.task.reply_fd, &fc_child.task.mark))
        return false;
    struct last_words words = {.trailer = *trailer};
    words.header = fc_child_frame_header(fc_child.task.measure ? FC_FRAME_ANSWER : FC_FRAME_DONE, sizeof *trailer);
    if (!write_last_words(&words, with_message))
        return false;
    if (!fc_child.task.measure)
        return true;
    set_usage(&words.trailer);
    words.header = fc_child_frame_header(FC_FRAME_DONE, sizeof *trailer);
    struct iovec done = fc_part(&words, sizeof words);
    fc_write_all(fc_child.task.reply_fd, &done, 1);
    return true;
}
