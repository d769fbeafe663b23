/* The fuzzer's function, which takes any bytes as a child's reply. */
#ifndef FUZZ_FRAME_H
#define FUZZ_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_NONCE UINT64_C(0x4d4f5253) /* "SROM" in the corpus of a little-endian machine */
#define FUZZ_PREFIX 6                   /* bytes before the stream: see fuzz_frame.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
