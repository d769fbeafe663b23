/* ANY: Files in memory, by memfd_create(2). */
#ifndef FC_BASE_MEMORY_FILE_H
#define FC_BASE_MEMORY_FILE_H

/* As memfd_create(2), with a negative errno for an error. A signal handler and several threads may
 * call it. */
int fc_memory_file_open(const char *name, unsigned flags);

#endif
