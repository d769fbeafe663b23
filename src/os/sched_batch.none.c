#include "patience.h"

void fc_be_patient(bool patient)
{
    (void)patient;
}
