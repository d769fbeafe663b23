/* ANY: Opens pipes whose ends are close-on-exec. */
#ifndef FC_BASE_PIPE_H
#define FC_BASE_PIPE_H

/* As pipe(2), with both ends close-on-exec. 0 or a negative errno. */
int fc_pipe(int ends[2]);

#endif
