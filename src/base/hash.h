/* ANY: A non-cryptographic hash: it detects accidental differences, not forgery. */
#ifndef FC_BASE_HASH_H
#define FC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define FC_HASH_START UINT64_C(0x6a09e667f3bcc908)

/* Continues a hash by size bytes; begin with FC_HASH_START. The same on all processors.
 * Async-signal-safe. */
uint64_t fc_hash(uint64_t hash, const void *data, size_t size);

#endif
