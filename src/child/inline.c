/* HOST: The frames of INLINE calls, one upon the other in each thread. */
#include "child/inline.h"

#include "base/descriptors.h"
#include "base/utf8.h"
#include "wire/frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* On macOS this variable does more: dyld never unloads an image that has thread-local variables.
 * Handlers of the C library's (fork, thread exit) point into the library's code, and the linker
 * there knows no -z nodelete. */
static _Thread_local struct fc_inline *current;
struct fc_inline *fc_inline_current(void)
{
    return current != NULL && current->process == getpid() ? current : NULL;
}

static _Thread_local unsigned callbacks;

void fc_callback_enter(void)
{
    callbacks++;
}

bool fc_callback_leave(void)
{
    const struct fc_inline *call = fc_inline_current();
    callbacks--;
    return call != NULL && atomic_load(&call->canceled);
}

bool fc_is_in_callback(void)
{
    return callbacks > 0;
}

/* Protected by fc_fds_lock, which a fork leaves free. After a fork the list is of the other
 * process: what is in it may lie on stacks of threads that are no more. */
static struct fc_inline *all;
static unsigned generation_of_all;

static void forget_those_of_another_process(void)
{
    if (generation_of_all != fc_fds_generation())
        all = NULL;
    generation_of_all = fc_fds_generation();
}

void fc_inline_enter(struct fc_inline *call)
{
    call->outer = current;
    call->process = getpid();
    call->thread = pthread_self();
    current = call;
    fc_fds_lock();
    forget_those_of_another_process();
    call->generation = generation_of_all;
    call->next = all;
    call->link = &all;
    if (all != NULL)
        all->link = &call->next;
    all = call;
    fc_fds_unlock();
}

/* With the lock, which is free meanwhile. */
static void wait_a_little(void)
{
    const struct timespec pause = {.tv_nsec = 100000};
    fc_fds_unlock();
    nanosleep(&pause, NULL);
    fc_fds_lock();
}

void fc_inline_leave(void)
{
    struct fc_inline *call = current;
    current = call->outer;
    fc_fds_lock();
    if (call->generation == fc_fds_generation()) {
        *call->link = call->next;
        if (call->next != NULL)
            call->next->link = call->link;
        while (call->users > 0)
            wait_a_little();
    }
    fc_fds_unlock();
}

struct fc_inline *fc_inline_borrow(void)
{
    struct fc_inline *found = NULL;
    bool several = false;
    if (current != NULL)
        return NULL;
    fc_fds_lock();
    forget_those_of_another_process();
    for (struct fc_inline *call = all; call != NULL; call = call->next) {
        if (found == NULL)
            found = call; /* the innermost of its thread comes first */
        several |= !pthread_equal(call->thread, found->thread);
    }
    if (several)
        found = NULL;
    if (found != NULL)
        found->users++;
    fc_fds_unlock();
    return found;
}

void fc_inline_give_back(struct fc_inline *call)
{
    fc_fds_lock();
    call->users--;
    fc_fds_unlock();
}

/* One thread at a time; a callback may come here again. */
static void begin(struct fc_inline *call)
{
    fc_fds_lock();
    while (call->depth > 0 && !pthread_equal(call->busy_by, pthread_self()))
        wait_a_little();
    call->busy_by = pthread_self();
    call->depth++;
    fc_fds_unlock();
}

static void end(struct fc_inline *call)
{
    fc_fds_lock();
    call->depth--;
    fc_fds_unlock();
}

void fc_inline_fail(struct fc_inline *call, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const int n = vsnprintf(NULL, 0, format, arguments);
    const size_t size = n < 0 ? 0 : (size_t)n < FC_MESSAGE_MAX ? (size_t)n : FC_MESSAGE_MAX - 1;
    begin(call);
    forkcall_buf_truncate(&call->message, 0);
    char *text = forkcall_buf_extend(&call->message, size + 1);
    if (text != NULL) {
        vsnprintf(text, size + 1, format, again);
        forkcall_buf_truncate(&call->message, n > 0 && (size_t)n > size ? fc_utf8_whole(text, size) : size);
    }
    end(call);
    va_end(again);
}

/* Tells the callback, unless the call was canceled before. */
static void tell(struct fc_inline *call, double done, double total, const char *note)
{
    begin(call);
    if (!atomic_load(&call->canceled) && call->progress(call->user, done, total, note) != 0)
        atomic_store(&call->canceled, true);
    end(call);
}

void fc_inline_progress(struct fc_inline *call, double done, double total, const char *note)
{
    char cut[FC_NOTE_MAX + 1] = "";
    if (call->progress == NULL || !isfinite(done) || !isfinite(total))
        return;
    if (note != NULL)
        memcpy(cut, note, fc_utf8_cut(note, strnlen(note, FC_NOTE_MAX + 4), FC_NOTE_MAX));
    tell(call, done, total, cut);
    /* In a callback a call inside this one would be left running: fc_callback_leave tells it. From
     * another thread of the function there is no way into its own, which comes by here, or
     * returns. */
    if (atomic_load(&call->canceled) && call == fc_inline_current() && !fc_is_in_callback())
        longjmp(call->end, 1);
}
