/* CHILD: The state of this process as a child. */
#include "child/child_state.h"

#include "base/descriptors.h"
#include "base/sections.h"
#include "child/exit_hooks.h"
#include "child/run.h"

#include <unistd.h>

FC_ALIGN_FORK_STORAGE;

FC_FORK_STORAGE struct fc_child fc_child;

struct fc_frame_header fc_child_frame_header(enum fc_frame_type type, size_t size)
{
    struct fc_frame_header header = fc_frame_header_make(type, size);
    header.magic = fc_frame_magic(fc_child.task.frame_mark);
    return header;
}

bool fc_child_has_not_forked(void)
{
    return fc_child.pid != 0 && fc_child.generation == fc_fds_generation();
}

bool fc_child_is_running(void)
{
    return fc_child_has_not_forked() && fc_child.pid == getpid();
}

bool fc_is_child(void)
{
    return fc_child.pid != 0;
}

void fc_child_set_entry(const void *frame)
{
    fc_child.entry = frame;
}

const void *fc_child_entry_frame(void)
{
    return fc_child.entry;
}
