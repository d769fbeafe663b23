/* ANY: For systems whose settings cannot be read and set in a common way: nothing is sent. */
#include "os/settings.h"

#include <string.h>

void fc_settings_take(struct fc_settings *settings)
{
    memset(settings, 0, sizeof *settings);
}

void fc_settings_note(void)
{
}

void fc_settings_note_again(void)
{
}

void fc_settings_set(const struct fc_settings *settings)
{
    (void)settings;
}

bool fc_settings_is_secret(void)
{
    return false;
}

void fc_settings_set_secret(bool secret)
{
    (void)secret;
}

bool fc_settings_rescheduled(void)
{
    return false;
}

int fc_settings_dumpable(void)
{
    return 0;
}

void fc_settings_set_dumpable(int dumpable)
{
    (void)dumpable;
}
