/* ANY: forkcall_init: an instance that the library has started becomes a server or a child here,
 * and never returns. */
#include "exec/init_called.h"

#include "base/process_name.h"
#include "child/run_request.h"
#include "exec/exec_self.h"
#include "exec/library_id.h"
#include "server/server_main.h"

void forkcall_init(void)
{
    enum fc_exec_self_role role;
    int socket;
    if (fc_init_was_called())
        return;
    if (fc_exec_self_is_this(&role, &socket)) {
        fc_init_note(true); /* it may start servers and children of its own */
        fc_process_set_name(role == FC_ROLE_SERVER ? "server" : "child");
        switch (role) {
        case FC_ROLE_CHILD:
            fc_run_request_main(socket);
        case FC_ROLE_SERVER:
            fc_server_main(socket);
        case FC_ROLE_SERVERS_CHILD:
            fc_server_child_main(socket);
        }
    }
    if (fc_executable_is_privileged())
        return;
    fc_executable_note();
    (void)fc_library_id(); /* now, because no other thread can hold the loader's lock yet */
    fc_module_note_program();
    fc_init_note(false);
}
