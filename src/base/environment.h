/* ANY: Reads environment variables, which a set-user-id program ignores. */
#ifndef FC_BASE_ENVIRONMENT_H
#define FC_BASE_ENVIRONMENT_H

/* As getenv(3), but NULL in a program that runs with more rights than its user. */
const char *fc_getenv(const char *name);

#endif
