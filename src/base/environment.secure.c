/* ANY: secure_getenv(3). */
#include "base/environment.h"

#include <stdlib.h>

const char *fc_getenv(const char *name)
{
    return secure_getenv(name);
}
