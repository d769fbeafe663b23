/* CHILD: What the function reports of its progress. The host shall know the last report whatever
 * becomes of this process, so reports are sent, also if nobody there listens to them; but then only
 * so often that they cost the host nothing. */
#ifndef FC_CHILD_PROGRESS_H
#define FC_CHILD_PROGRESS_H

/* Sends the last report, if it was not sent because it came soon after others. Called when this
 * process is about to end. Never waits; async-signal-safe. */
void fc_child_progress_flush(void);

#endif
