/* HOST: What the kernel tells the receiver of a signal that was queued. */
#ifndef FC_OS_QUEUED_INFO_H
#define FC_OS_QUEUED_INFO_H

#include <signal.h>

/* Fills in what sigqueue(3) sends from this process. */
void fc_queued_info(siginfo_t *info, int signal, int value);

#endif
