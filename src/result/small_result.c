/* CHILD: The storage of a result that travels in the pipe. Linked last, beside child/storage.c,
 * whose header tells why. */
#include "result/small_result.h"

#include "base/sections.h"

#include <stddef.h>

FC_LARGE_STORAGE _Alignas(
    max_align_t) unsigned char fc_small_result_storage[FC_RESULT_HEAD + FC_KEPT_RESULT + FC_RESULT_TAIL];
