/* SERVER: The server process: makes children ahead, and looks after them. */
#ifndef FC_SERVE_H
#define FC_SERVE_H

/* In a copy that is to be the server; never returns. */
_Noreturn void fc_serve(int control);

/* In a copy that a server made as a spare; never returns. */
_Noreturn void fc_serve_as_spare(int socket);

#endif
