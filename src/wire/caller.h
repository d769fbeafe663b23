/* HOST, CHILD: What a child takes on from the calling thread if it is no fork of it. It travels
 * with the request. */
#ifndef FC_WIRE_CALLER_H
#define FC_WIRE_CALLER_H

#include "os/credentials.h"
#include "os/fpu.h"
#include "os/settings.h"

struct fc_caller {
    struct fc_credentials credentials;
    struct fc_settings settings;
    struct fc_fpu fpu;
};

#endif
