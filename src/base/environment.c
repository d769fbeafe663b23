/* ANY: Reads environment variables, which a set-user-id program ignores. */
#include "base/environment.h"

#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef HAVE_SECURE_GETENV

const char *fc_getenv(const char *name)
{
    return secure_getenv(name);
}

#else

const char *fc_getenv(const char *name)
{
    return issetugid() ? NULL : getenv(name);
}

#endif
