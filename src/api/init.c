/* ANY: forkcall_init: an instance that the library has started becomes a server or a child here,
 * and never returns. */
#include "exec/init_state.h"

#include "base/process_name.h"
#include "child/worker.h"
#include "exec/exec_self.h"
#include "exec/library_id.h"
#include "server/server_main.h"

void forkcall_init(void)
{
    enum fc_copy_role role;
    int socket;
    if (fc_init_was_called())
        return;
    if (fc_copy_is_this(&role, &socket)) {
        fc_init_note(true); /* it may make copies of its own */
        fc_process_set_name(role == FC_COPY_SERVER ? "server" : "child");
        switch (role) {
        case FC_COPY_SPARE:
            fc_spare_main(socket);
        case FC_COPY_SERVER:
            fc_serve(socket);
        case FC_COPY_SPARE_OF_SERVER:
            fc_serve_as_spare(socket);
        }
    }
    if (fc_image_is_privileged())
        return;
    fc_image_path_note();
    (void)fc_library_id(); /* now, while no other thread can hold the loader's lock */
    fc_module_note_program();
    fc_init_note(false);
}
