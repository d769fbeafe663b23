/* ANY: Any POSIX system: Reads users and groups. Sets nothing: a child has what its maker has, and
 * only checks it. */
#include "os/credentials.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void fc_credentials_take(struct fc_credentials *c)
{
    memset(c, 0, sizeof *c);
    c->user[FC_ID_REAL] = (uint32_t)getuid();
    c->user[FC_ID_EFFECTIVE] = (uint32_t)geteuid();
    c->group[FC_ID_REAL] = (uint32_t)getgid();
    c->group[FC_ID_EFFECTIVE] = (uint32_t)getegid();
    /* POSIX does not tell these. */
    c->user[FC_ID_SAVED] = c->user[FC_ID_FILE] = c->user[FC_ID_EFFECTIVE];
    c->group[FC_ID_SAVED] = c->group[FC_ID_FILE] = c->group[FC_ID_EFFECTIVE];
    fc_credentials_take_groups(c);
}

bool fc_credentials_can_regain(const struct fc_credentials *now, const struct fc_credentials *then)
{
    return memcmp(now, then, sizeof *now) == 0;
}

bool fc_credentials_can_become(const struct fc_credentials *has, const struct fc_credentials *wanted)
{
    return memcmp(has, wanted, sizeof *has) == 0;
}

void fc_credentials_note(void)
{
}

int fc_credentials_take_on(const struct fc_credentials *wanted)
{
    struct fc_credentials now;
    fc_credentials_take(&now);
    const bool same =
        memcmp(now.user, wanted->user, sizeof now.user) == 0 && memcmp(now.group, wanted->group, sizeof now.group) == 0;
    return same ? 0 : -EPERM;
}
