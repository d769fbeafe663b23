/* ANY: A hash that is not cryptographic: it tells accidental differences, and no forgeries. */
#ifndef FC_BASE_HASH_H
#define FC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define FC_HASH_START UINT64_C(0x6a09e667f3bcc908)

/* The hash of what was hashed to give hash, and of these size bytes after it. The same on all
 * processors. */
uint64_t fc_hash(uint64_t hash, const void *data, size_t size);

#endif
