/* ANY: No way is known here to the file of the running image. */
#include "exec/exec_self.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

void fc_image_path_note(void)
{
}

bool fc_image_path_is_this(void)
{
    return false;
}

void fc_image_path_forget(void)
{
}

bool fc_image_path_is_of_parent(void)
{
    return false;
}

bool fc_image_is_privileged(void)
{
    return issetugid() != 0;
}

int fc_image_path_get(struct fc_image_path *image)
{
    *image = (struct fc_image_path){.why = "this system does not tell the file of a program that runs"};
    return -ENOTSUP;
}

const char *fc_image_path_raises(const struct fc_image_path *image)
{
    (void)image;
    return NULL;
}
