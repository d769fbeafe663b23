/* HOST: Unwinds with libdw, by the tables that every function has.
 *
 * SPDX-License-Identifier: MIT */
#include "config.h"

#include "crash/libdw.h"
#include "crash/unwind.h"
#include "module/address.h"

#include <unistd.h>

/* What the callbacks know. */
struct walk {
    const struct fc_libdw *libdw;
    struct fc_registers registers;
    struct fc_stack stack;
    uint64_t *frames;
    size_t count, max;
};

/* Gives libdw a thread to unwind. There is one, whose number means nothing. */
static pid_t next_thread(Dwfl *dwfl, void *user, void **thread_user)
{
    const struct walk *walk = user;
    if (*thread_user != NULL)
        return 0;
    *thread_user = user;
    return walk->libdw->dwfl_pid(dwfl);
}

static bool get_thread(Dwfl *dwfl, pid_t id, void *user, void **thread_user)
{
    (void)dwfl;
    (void)id;
    *thread_user = user;
    return true;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *user)
{
    const struct walk *walk = user;
    uint64_t value;
    (void)dwfl;
    if (!fc_stack_read(&walk->stack, address, &value))
        return false;
    *result = value;
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *user)
{
    const struct walk *walk = user;
    if (!walk->libdw->dwfl_thread_state_registers(thread, 0, walk->registers.count, walk->registers.general))
        return false;
    walk->libdw->dwfl_thread_state_register_pc(thread, walk->registers.pc);
    return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .get_thread = get_thread,
    .memory_read = read_memory,
    .set_initial_registers = set_registers,
};

static int add_frame(Dwfl_Frame *frame, void *user)
{
    struct walk *walk = user;
    Dwarf_Addr pc;
    bool is_first; /* the first pc is not a return address */
    if (walk->count == walk->max || !walk->libdw->dwfl_frame_pc(frame, &pc, &is_first) ||
        (!is_first && !fc_address_is_code(pc)))
        return DWARF_CB_ABORT;
    walk->frames[walk->count++] = pc;
    return DWARF_CB_OK;
}

static void walk_tables(struct walk *walk)
{
    struct fc_libdw_view view;
    if (fc_libdw_open(&view, FC_LIBDW_UNWIND) != 0)
        return;
    walk->libdw = view.libdw;
    if (view.libdw->dwfl_attach_state(view.dwfl, NULL, getpid(), &thread_callbacks, walk))
        (void)view.libdw->dwfl_getthread_frames(view.dwfl, getpid(), add_frame, walk);
    fc_libdw_close(&view);
}

size_t fc_unwind(const struct fc_registers *registers, const void *stack, uint64_t stack_address, size_t stack_size,
                 uint64_t *frames, size_t max)
{
    struct walk walk = {
        .registers = *registers,
        .stack = {.bytes = stack, .address = stack_address, .size = stack_size},
        .frames = frames,
        .max = max,
    };
    if (max > 0 && registers->count > 0 && registers->count <= FC_REGISTERS_MAX) {
        if (fc_unwind_wild_jump(&walk.registers, &walk.stack))
            walk.frames[walk.count++] = registers->pc;
        walk_tables(&walk);
    }
    /* The tables have led nowhere: there is code without tables, a processor that libdw does not
     * know, or no /proc. */
    if (walk.count < 2)
        return fc_unwind_without_libdw(registers, stack, stack_address, stack_size, frames, max);
    return walk.count;
}
