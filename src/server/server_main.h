/* SERVER: The server process: makes children ahead, and looks after them. */
#ifndef FC_SERVER_SERVER_MAIN_H
#define FC_SERVER_SERVER_MAIN_H

/* In a copy that is to be the server; never returns. */
_Noreturn void fc_server_main(int control);

/* In a copy that a server made as a spare; never returns. */
_Noreturn void fc_server_child_main(int socket);

#endif
