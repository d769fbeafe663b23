/* How do I make calls in a GLib main loop (GTK, GStreamer, GNOME)?
 *
 * A source watches the descriptor of forkcall_fd. The source must be destroyed before
 * forkcall_finish closes the descriptor. The loop never blocks: a timer ticks meanwhile. */
#include "jobs.h"

#include <glib-unix.h>

static GMainLoop *loop;
static unsigned running, ticks;

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
    struct job *job = data;
    (void)fd, (void)condition;
    if (forkcall_wait(job->call, 0) == 0)
        return G_SOURCE_CONTINUE;
    g_source_destroy(g_main_current_source());
    job_has_ended(job);
    if (--running == 0)
        g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static gboolean on_tick(gpointer data)
{
    (void)data;
    ticks++;
    return G_SOURCE_CONTINUE;
}

int main(void)
{
    forkcall_init(); /* first thing in main(), because GLib starts threads */
    loop = g_main_loop_new(NULL, FALSE);
    g_timeout_add(20, on_tick, NULL);
    for (int i = 0; i < JOBS; i++) {
        if (job_start(&jobs[i]) < 0)
            return 1;
        running++;
        g_unix_fd_add(forkcall_fd(jobs[i].call), G_IO_IN, on_readable, &jobs[i]);
    }
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    return jobs_exit_status(ticks);
}
