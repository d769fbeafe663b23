/* ANY: The part of the credentials that every system has: the list of groups. */
#include "os/credentials.h"

#include "base/hash.h"

#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define GROUPS_USUAL 256

void fc_credentials_take_groups(struct fc_credentials *credentials)
{
    gid_t usual[GROUPS_USUAL];
    gid_t *list = usual;
    int count = getgroups(GROUPS_USUAL, usual);
    if (count < 0) { /* there are more groups */
        count = getgroups(0, NULL);
        list = count > 0 ? malloc((size_t)count * sizeof *list) : NULL;
        count = list != NULL ? getgroups(count, list) : -1;
    }
    credentials->groups = count;
    if (count > 0)
        credentials->groups_hash = fc_hash(FC_HASH_START, list, (size_t)count * sizeof *list);
    for (int i = 0; count <= FC_GROUPS_MAX && i < count; i++)
        credentials->list[i] = (uint32_t)list[i];
    if (list != usual)
        free(list);
}
