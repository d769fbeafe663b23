/* SERVER: The main functions of a server, and of a child that a server has exec'ed. */
#ifndef FC_SERVER_SERVER_MAIN_H
#define FC_SERVER_SERVER_MAIN_H

/* Becomes the server of the host at the other end of control. Called by forkcall_init() in a
 * re-executed program. */
_Noreturn void fc_server_main(int control);

/* Becomes a child of the server at the other end of socket: runs prepare, and waits for a request.
 * Called by forkcall_init() in a re-executed program. */
_Noreturn void fc_server_child_main(int socket);

#endif
