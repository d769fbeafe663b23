/* ANY: getenv(3), where issetugid(2) allows it. */
#include "base/environment.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

const char *fc_getenv(const char *name)
{
    return issetugid() ? NULL : getenv(name);
}
