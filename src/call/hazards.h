/* HOST: What makes a plain fork unsafe. */
#ifndef FC_CALL_HAZARDS_H
#define FC_CALL_HAZARDS_H

#include <stdbool.h>

/* FORKCALL_HAZARD_LIBRARY or 0. For reports: does not wait for the loader's lock. */
unsigned fc_hazard_of_libraries(void);

/* The bits of forkcall_hazards that a call may be refused for. */
unsigned fc_hazards_to_refuse(void);
/* Leaves out threads that are only ending, as those that were just joined. */
unsigned fc_hazards_that_last(unsigned hazards);

#endif
