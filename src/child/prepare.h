/* SERVER: The function prepare, which a server runs once before it makes children. */
#ifndef FC_CHILD_PREPARE_H
#define FC_CHILD_PREPARE_H

#include "wire/server_message.h"

struct fc_prepare {
    struct fc_server_setup setup;
    struct fc_module_function function;
    char *args; /* setup.prepare_args_size bytes, aligned for any type; NULL: none */
};

/* Receives what fc_server_setup_send has sent. 0 or a negative errno. */
int fc_prepare_receive(int socket, struct fc_prepare *prepare);

/* Runs prepare, if there is one. 0, or a negative errno and why, a text. */
int fc_prepare_run(const struct fc_prepare *prepare, char *why, size_t why_size);

#endif
