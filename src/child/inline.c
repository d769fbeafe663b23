/* HOST: The INLINE calls of this process. Those of one thread are nested. */
#include "child/inline.h"

#include "base/descriptors.h"
#include "base/utf8.h"
#include "wire/frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* On macOS a thread-local variable has another effect: dyld never unloads a library that has one.
 * That is needed, because handlers of the C library (fork, thread exit) point into this library's
 * code, and the linker of macOS knows no -z nodelete. */
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

/* All INLINE calls of the process, protected by fc_fds_lock, which is free after a fork. A child
 * forgets the list: its calls lie on stacks of threads that the child does not have. */
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

/* Called with the lock, which is released meanwhile. */
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
            found = call; /* of each thread, the innermost comes first */
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

/* One thread at a time enters; the same thread may enter again, from a callback. */
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

/* Calls the progress callback, unless the call was canceled before. */
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
    /* A canceled function is left here. It is not left from inside a callback, where longjmp would
     * leave another call running (fc_callback_leave tells that call), nor from another thread,
     * which cannot jump into the stack of the thread that runs the function. */
    if (atomic_load(&call->canceled) && call == fc_inline_current() && !fc_is_in_callback())
        longjmp(call->end, 1);
}
