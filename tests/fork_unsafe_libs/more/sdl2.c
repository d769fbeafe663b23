/* SDL: a thread runs its timers. */
#include "more.h"

#define SDL_MAIN_HANDLED
#include <SDL.h>

#define ANSWER 11

static Uint32 fires(Uint32 interval, void *semaphore)
{
    (void)interval;
    SDL_SemPost(semaphore);
    return 0;
}

static int waits_for_a_timer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int answer = ANSWER;
    (void)args;
    (void)args_size;
    SDL_SetMainReady();
    if (SDL_InitSubSystem(SDL_INIT_TIMER) != 0)
        return forkcall_fail(1, "SDL: %s", SDL_GetError());
    SDL_sem *semaphore = SDL_CreateSemaphore(0);
    SDL_AddTimer(1, fires, semaphore);
    SDL_SemWait(semaphore);
    SDL_DestroySemaphore(semaphore);
    return forkcall_buf_append(result, &answer, sizeof answer);
}

const struct unsafe_library the_library = {
    .name = "SDL's timers",
    .use = waits_for_a_timer,
    .answer = ANSWER,
    .has_threads = true,
    .status = FORKCALL_TIMED_OUT,
};
