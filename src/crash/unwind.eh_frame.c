/* HOST: Unwinds by the tables in .eh_frame, which compilers write for every function, where libdw
 * is not to be had. They are described in "DWARF Debugging Information Format" 5, 6.4, and "Linux
 * Standard Base Core", 10.6.
 *
 * The tables are those of this process's own modules, and the stack is a copy of a child's. Neither
 * is trusted: each record is read only as far as its module reaches and can be read, each rule
 * reads only the copy, and the stack pointer must rise from frame to frame.
 *
 * SPDX-License-Identifier: MIT */
#include "config.h"

#ifdef HAVE_EH_FRAME

#include "crash/unwind.h"
#include "module/address.h"
#include "module/elf_module.h"

#include <string.h>

#if defined(__x86_64__)
enum { FRAME_POINTER = 6, STACK_POINTER = 7, RETURN_ADDRESS = 16, REGISTERS = 17 };
#else /* arm64 */
enum { FRAME_POINTER = 29, STACK_POINTER = 31, RETURN_ADDRESS = 30, REGISTERS = 32 };
#endif

#define RECORD_MAX 65536U /* bytes of a record; compilers stay far below */
#define REMEMBERED_MAX 4U /* states that DW_CFA_remember_state keeps */

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* A read past the end sets failed and gives 0. */
struct bytes {
    const unsigned char *at, *end;
    bool failed;
};

static uint64_t take(struct bytes *bytes, size_t size)
{
    uint64_t value = 0;
    if (size > (size_t)(bytes->end - bytes->at)) {
        bytes->failed = true;
        bytes->at = bytes->end;
        return 0;
    }
    memcpy(&value, bytes->at, size); /* both processors are little-endian */
    bytes->at += size;
    return value;
}

static void skip(struct bytes *bytes, uint64_t size)
{
    if (size > (uint64_t)(bytes->end - bytes->at))
        bytes->failed = true;
    else
        bytes->at += size;
}

/* A number in LEB128. */
static uint64_t take_leb(struct bytes *bytes, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0;
    unsigned char byte;
    do {
        byte = (unsigned char)take(bytes, 1);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0);
    if (is_signed && (byte & 0x40) != 0 && shift < 64)
        value |= UINT64_MAX << shift;
    return value;
}

/* A pointer in one of the encodings DW_EH_PE_*, without its relation to a base. */
static uint64_t take_encoded(struct bytes *bytes, unsigned encoding)
{
    switch (encoding & 0x0f) {
    case 0x03: /* udata4 */
        return take(bytes, 4);
    case 0x0b: /* sdata4 */
        return (uint64_t)(int64_t)(int32_t)take(bytes, 4);
    case 0x00: /* absptr */
    case 0x04: /* udata8 */
    case 0x0c: /* sdata8 */
        return take(bytes, 8);
    default:
        bytes->failed = true;
        return 0;
    }
}

/* ---- Records --------------------------------------------------------------------------------- */

/* The record at a place of the module, without its length. Fails if the record does not lie in the
 * module, or cannot be read. */
static struct bytes record_at(const struct fc_table_entry *entry, const unsigned char *at)
{
    const struct bytes none = {.at = entry->start, .end = entry->start, .failed = true};
    struct bytes record = {.at = at, .end = entry->end};
    if (at < entry->start || at >= entry->end || entry->end - at < 4 || !fc_elf_can_read((uintptr_t)at, 4))
        return none;
    const uint64_t size = take(&record, 4);
    if (size < 4 || size > RECORD_MAX || size > (uint64_t)(record.end - record.at) ||
        !fc_elf_can_read((uintptr_t)record.at, (size_t)size))
        return none;
    record.end = record.at + size;
    return record;
}

/* What the functions of a table have in common (CIE). */
struct common {
    uint64_t code_unit;
    int64_t data_unit;
    unsigned encoding; /* of addresses of functions */
    bool has_data;     /* functions have data of the language, which is skipped */
    bool is_signal;    /* the frame of a signal handler: its caller was interrupted */
    struct bytes instructions;
};

static bool read_augmentation(struct common *common, const char *text, struct bytes *record)
{
    if (*text != 'z')
        return *text == '\0';
    const uint64_t size = take_leb(record, false);
    struct bytes data = {.at = record->at, .end = record->at};
    skip(record, size);
    data.end = record->at;
    common->has_data = true;
    for (text++; *text != '\0' && !data.failed; text++) {
        if (*text == 'R')
            common->encoding = (unsigned)take(&data, 1);
        else if (*text == 'L')
            (void)take(&data, 1);
        else if (*text == 'P')
            (void)take_encoded(&data, (unsigned)take(&data, 1));
        else if (*text == 'S')
            common->is_signal = true;
        else if (*text != 'B') /* arm64: the key by which return addresses are signed */
            return false;
    }
    return !data.failed;
}

static bool read_common(struct common *common, struct bytes record)
{
    const uint64_t id = take(&record, 4);
    const uint64_t version = take(&record, 1);
    const char *text = (const char *)record.at;
    const unsigned char *zero = memchr(record.at, 0, (size_t)(record.end - record.at));
    if (record.failed || id != 0 || (version != 1 && version != 3) || zero == NULL)
        return false;
    record.at = zero + 1;
    *common = (struct common){.code_unit = take_leb(&record, false)};
    common->data_unit = (int64_t)take_leb(&record, true);
    if ((version == 1 ? take(&record, 1) : take_leb(&record, false)) != RETURN_ADDRESS)
        return false;
    if (!read_augmentation(common, text, &record))
        return false;
    common->instructions = record;
    return !record.failed;
}

/* ---- Rules ----------------------------------------------------------------------------------- */

/* How the caller's value of a register is found. */
enum rule { SAME, UNDEFINED, AT_CFA, IS_CFA, IN_REGISTER, AT_EXPRESSION };

struct rules {
    uint8_t rule[REGISTERS];
    int64_t value[REGISTERS]; /* an offset, or a register; of AT_EXPRESSION from register `base` */
    uint8_t base[REGISTERS];
    /* The frame's address: that of a register and an offset, or the word that lies there. */
    uint64_t cfa_register;
    int64_t cfa_offset;
    bool cfa_is_read;
};

struct machine {
    const struct common *common;
    struct rules rules, initial, remembered[REMEMBERED_MAX];
    unsigned remembered_count;
    uint64_t location, target;
    bool failed;
};

static void set(struct machine *machine, uint64_t number, enum rule rule, int64_t value)
{
    if (number >= REGISTERS) /* of floating point, which leads nowhere */
        return;
    machine->rules.rule[number] = (uint8_t)rule;
    machine->rules.value[number] = value;
}

static void restore(struct machine *machine, uint64_t number)
{
    if (number >= REGISTERS)
        return;
    machine->rules.rule[number] = machine->initial.rule[number];
    machine->rules.value[number] = machine->initial.value[number];
    machine->rules.base[number] = machine->initial.base[number];
}

/* The expressions that frames of signal handlers have: a register and an offset, and perhaps the
 * word there. Others are not understood. */
static bool take_expression(struct bytes *bytes, uint64_t *base, int64_t *offset, bool *is_read)
{
    const uint64_t size = take_leb(bytes, false);
    struct bytes code = {.at = bytes->at, .end = bytes->at};
    skip(bytes, size);
    code.end = bytes->at;
    const uint64_t operation = take(&code, 1);
    *base = operation - 0x70; /* DW_OP_breg0 */
    *offset = (int64_t)take_leb(&code, true);
    *is_read = code.at < code.end && take(&code, 1) == 0x06; /* DW_OP_deref */
    return !code.failed && code.at == code.end && operation >= 0x70 && *base < REGISTERS;
}

/* is_value: the expression gives the value itself, which is not understood. */
static void set_expression(struct machine *machine, struct bytes *bytes, bool is_value)
{
    uint64_t base;
    int64_t offset;
    bool is_read;
    const uint64_t number = take_leb(bytes, false);
    if (!take_expression(bytes, &base, &offset, &is_read) || is_read || is_value) {
        set(machine, number, UNDEFINED, 0);
    } else if (number < REGISTERS) {
        set(machine, number, AT_EXPRESSION, offset);
        machine->rules.base[number] = (uint8_t)base;
    }
}

static void set_cfa(struct machine *machine, uint64_t number, int64_t offset)
{
    machine->rules.cfa_register = number;
    machine->rules.cfa_offset = offset;
    machine->rules.cfa_is_read = false;
}

static void advance(struct machine *machine, uint64_t units)
{
    machine->location += units * machine->common->code_unit;
}

static void remember(struct machine *machine)
{
    if (machine->remembered_count < REMEMBERED_MAX)
        machine->remembered[machine->remembered_count++] = machine->rules;
    else
        machine->failed = true;
}

static void recall(struct machine *machine)
{
    if (machine->remembered_count > 0)
        machine->rules = machine->remembered[--machine->remembered_count];
    else
        machine->failed = true;
}

/* An instruction DW_CFA_* whose operands stand behind it. */
static void execute(struct machine *machine, unsigned instruction, struct bytes *bytes)
{
    const int64_t unit = machine->common->data_unit;
    uint64_t a;
    switch (instruction) {
    case 0x00: /* nop */
    case 0x2d: /* AARCH64_negate_ra_state: signatures are always removed */
        break;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        advance(machine, take(bytes, (size_t)1 << (instruction - 2)));
        break;
    case 0x05: /* offset_extended */
        a = take_leb(bytes, false);
        set(machine, a, AT_CFA, (int64_t)(take_leb(bytes, false) * (uint64_t)unit));
        break;
    case 0x06: /* restore_extended */
        restore(machine, take_leb(bytes, false));
        break;
    case 0x07: /* undefined */
        set(machine, take_leb(bytes, false), UNDEFINED, 0);
        break;
    case 0x08: /* same_value */
        set(machine, take_leb(bytes, false), SAME, 0);
        break;
    case 0x09: /* register */
        a = take_leb(bytes, false);
        set(machine, a, IN_REGISTER, (int64_t)take_leb(bytes, false));
        break;
    case 0x0a: /* remember_state */
        remember(machine);
        break;
    case 0x0b: /* restore_state */
        recall(machine);
        break;
    case 0x0c: /* def_cfa */
        a = take_leb(bytes, false);
        set_cfa(machine, a, (int64_t)take_leb(bytes, false));
        break;
    case 0x0d: /* def_cfa_register */
        set_cfa(machine, take_leb(bytes, false), machine->rules.cfa_offset);
        break;
    case 0x0e: /* def_cfa_offset */
        set_cfa(machine, machine->rules.cfa_register, (int64_t)take_leb(bytes, false));
        break;
    case 0x0f: /* def_cfa_expression */
        machine->failed |= !take_expression(bytes, &machine->rules.cfa_register, &machine->rules.cfa_offset,
                                            &machine->rules.cfa_is_read);
        break;
    case 0x10: /* expression, val_expression */
    case 0x16:
        set_expression(machine, bytes, instruction == 0x16);
        break;
    case 0x11: /* offset_extended_sf */
        a = take_leb(bytes, false);
        set(machine, a, AT_CFA, (int64_t)(take_leb(bytes, true) * (uint64_t)unit));
        break;
    case 0x12: /* def_cfa_sf */
        a = take_leb(bytes, false);
        set_cfa(machine, a, (int64_t)(take_leb(bytes, true) * (uint64_t)unit));
        break;
    case 0x13: /* def_cfa_offset_sf */
        set_cfa(machine, machine->rules.cfa_register, (int64_t)(take_leb(bytes, true) * (uint64_t)unit));
        break;
    case 0x14: /* val_offset, val_offset_sf */
    case 0x15:
        a = take_leb(bytes, false);
        set(machine, a, IS_CFA, (int64_t)(take_leb(bytes, instruction == 0x15) * (uint64_t)unit));
        break;
    case 0x2e: /* GNU_args_size */
        (void)take_leb(bytes, false);
        break;
    default:
        machine->failed = true;
        break;
    }
}

/* Executes instructions up to the place in question. */
static void run(struct machine *machine, struct bytes bytes)
{
    while (bytes.at < bytes.end && !bytes.failed && !machine->failed) {
        const unsigned byte = (unsigned)take(&bytes, 1);
        const unsigned low = byte & 0x3f;
        if (byte >> 6 == 1) /* advance_loc */
            advance(machine, low);
        else if (byte >> 6 == 2) /* offset */
            set(machine, low, AT_CFA, (int64_t)(take_leb(&bytes, false) * (uint64_t)machine->common->data_unit));
        else if (byte >> 6 == 3) /* restore */
            restore(machine, low);
        else
            execute(machine, low, &bytes);
        if (machine->location > machine->target)
            break;
    }
    machine->failed |= bytes.failed;
}

/* ---- A frame --------------------------------------------------------------------------------- */

static bool find_value(const struct fc_unwind_walk *walk, const struct rules *rules, unsigned number, uint64_t cfa,
                       uint64_t *value)
{
    const uint64_t *old = walk->registers.general;
    const int64_t operand = rules->value[number];
    switch ((enum rule)rules->rule[number]) {
    case SAME:
        *value = old[number];
        return true;
    case AT_CFA:
        return fc_stack_read(walk->stack, cfa + (uint64_t)operand, value);
    case IS_CFA:
        *value = cfa + (uint64_t)operand;
        return true;
    case IN_REGISTER:
        *value = operand >= 0 && operand < REGISTERS ? old[operand] : 0;
        return operand >= 0 && operand < REGISTERS;
    case AT_EXPRESSION:
        return fc_stack_read(walk->stack, old[rules->base[number]] + (uint64_t)operand, value);
    case UNDEFINED:
        break;
    }
    return false;
}

/* Makes the registers those of the caller. False: there is none, or the stack does not tell. */
static bool apply(struct fc_unwind_walk *walk, const struct rules *rules)
{
    struct fc_registers caller = walk->registers;
    uint64_t return_address;
    if (rules->cfa_register >= REGISTERS)
        return false;
    uint64_t cfa = walk->registers.general[rules->cfa_register] + (uint64_t)rules->cfa_offset;
    if (rules->cfa_is_read && !fc_stack_read(walk->stack, cfa, &cfa))
        return false;
    if (cfa < walk->registers.sp || !find_value(walk, rules, RETURN_ADDRESS, cfa, &return_address))
        return false;
    for (unsigned i = 0; i < REGISTERS; i++)
        if (i != RETURN_ADDRESS && !find_value(walk, rules, i, cfa, &caller.general[i]))
            caller.general[i] = 0;
    caller.general[RETURN_ADDRESS] = caller.pc = fc_unwind_strip(return_address);
    caller.general[STACK_POINTER] = caller.sp = cfa;
    if (rules->rule[STACK_POINTER] == AT_EXPRESSION &&
        find_value(walk, rules, STACK_POINTER, cfa, &caller.general[STACK_POINTER]))
        caller.sp = caller.general[STACK_POINTER];
    caller.fp = caller.general[FRAME_POINTER];
    walk->registers = caller;
    return true;
}

void fc_unwind_step(const struct fc_table_entry *entry, void *of_walk)
{
    struct fc_unwind_walk *walk = of_walk;
    struct common common;
    struct bytes record = record_at(entry, entry->description);
    const unsigned char *place = record.at;
    const uint64_t back = take(&record, 4);
    if (record.failed || back == 0 || back > (uint64_t)(place - entry->start) ||
        !read_common(&common, record_at(entry, place - back)))
        return;
    const uint64_t at = (uint64_t)(uintptr_t)record.at;
    uint64_t start = take_encoded(&record, common.encoding);
    if ((common.encoding & 0x70) == 0x10) /* relative to its own place */
        start += at;
    const uint64_t size = take_encoded(&record, common.encoding);
    const uint64_t target = walk->registers.pc - (walk->was_interrupted ? 0 : 1);
    if ((common.encoding & 0xe0) != 0 || target - start >= size)
        return;
    walk->is_covered = true;
    if (common.has_data)
        skip(&record, take_leb(&record, false));
    struct machine machine = {.common = &common, .location = start, .target = target, .failed = record.failed};
    run(&machine, common.instructions);
    machine.initial = machine.rules;
    run(&machine, record);
    walk->found = !machine.failed && apply(walk, &machine.rules);
    walk->was_interrupted = common.is_signal;
}

/* Adds frames to the count that there are. Returns their number. */
static size_t follow_tables(struct fc_unwind_walk *walk, uint64_t *frames, size_t count, size_t max)
{
    while (count < max) {
        const uint64_t sp = walk->registers.sp;
        frames[count++] = walk->registers.pc;
        walk->found = walk->is_covered = false;
        (void)fc_address_visit_table(walk->registers.pc - (walk->was_interrupted ? 0 : 1), fc_unwind_step, walk);
        if (!walk->found)
            break;
        /* Only the innermost function may have no frame. */
        if (count > 1 && walk->registers.sp <= sp)
            break;
        if (!fc_address_is_code(walk->registers.pc))
            break;
    }
    return count;
}

size_t fc_unwind_by_tables(const struct fc_registers *registers, const struct fc_stack *stack, uint64_t *frames,
                           size_t max, struct fc_registers *rest)
{
    struct fc_unwind_walk walk = {.registers = *registers, .stack = stack, .was_interrupted = true, .is_covered = true};
    size_t count = 0;
    *rest = (struct fc_registers){0};
    if (max == 0)
        return 0;
    if (registers->count < REGISTERS || registers->count > FC_REGISTERS_MAX) {
        frames[0] = registers->pc;
        return 1;
    }
    if (fc_unwind_wild_jump(&walk.registers, stack)) {
        frames[count++] = registers->pc;
        walk.was_interrupted = false;
    }
    count = follow_tables(&walk, frames, count, max);
    if (!walk.is_covered)
        *rest = walk.registers;
    return count;
}

#endif
