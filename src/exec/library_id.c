/* ANY: Identifies a build of the library by a hash over the build's identity and the layout of its
 * messages. */
#include "exec/library_id.h"

#include "base/hash.h"
#include "wire/frame.h"
#include "wire/request.h"
#include "wire/server_message.h"

#include <forkcall.h>
#include <stdatomic.h>

/* The sizes of the messages. If the linker gives builds no identity and the module's content cannot
 * be read, these sizes are all that distinguishes two builds. */
static const uint64_t layout[] = {
    FORKCALL_VERSION,
    sizeof(struct fc_request),
    sizeof(struct forkcall_limits),
    sizeof(struct fc_module_function),
    sizeof(struct fc_frame_header),
    sizeof(struct fc_trailer),
    sizeof(struct fc_server_setup),
    sizeof(struct fc_server_ready),
    sizeof(struct fc_server_order),
    sizeof(struct fc_server_handover),
};

static uint64_t make(void)
{
    struct fc_module_id id;
    uint64_t hash = fc_hash(FC_HASH_START, layout, sizeof layout);
    if (fc_library_module_id(&id))
        hash = fc_hash(hash, id.bytes, id.size);
    return hash != 0 ? hash : 1;
}

uint64_t fc_library_id(void)
{
    static atomic_uint_fast64_t known; /* 0: not known yet. All threads write the same. */
    if (atomic_load(&known) == 0)
        atomic_store(&known, make());
    return atomic_load(&known);
}
