/* ANY: Hashes eight bytes at a time. */
#include "base/hash.h"

/* A different word gives a different hash, and so does a different hash before. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

/* Whole modules are hashed, and between their constants lies memory that sanitizers consider
 * poisoned. */
__attribute__((no_sanitize_address)) uint64_t fc_hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *p = data;
    size_t left = size;
    for (; left >= 8; left -= 8, p += 8)
        hash = mix(hash, (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
                             (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56);
    uint64_t last = 0;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)p[i] << (8 * i);
    return mix(mix(hash, last), size);
}
